"""A reset leaves a host as it was found, twice over, and touches nothing on one we have never been to."""

from fakes.packages import PACKAGES

# What stays: kernel modules are shared, and a module brings sysctls of its own.
LOADED = ("net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables")


def state(host) -> dict:
    host.modules = {"overlay"}
    host.sysctls = {key: value for key, value in host.sysctls.items() if key not in LOADED}
    return host.digest()


def test_a_reset_leaves_every_host_as_it_was_found(inventory, bare):
    world = bare(inventory)
    for host in world.hosts.values():
        host.disk.write("/etc/crictl.yaml", b"theirs\n", "640")
        host.disk.mkdir("/etc/cni/net.d")
        host.disk.mkdir("/etc/kubernetes/theirs")
    before = {name: host.digest() for name, host in world.hosts.items()}
    world.run()
    assert world.reset() > 30
    assert {name: state(host) for name, host in world.hosts.items()} == before
    assert all(not any(host.left.values()) for host in world.hosts.values())


def test_kubelet_settings_of_the_users_own_survive(built):
    world, path = built("single"), "/etc/kubernetes/kubelet.conf.d/10-theirs.conf"
    [host] = world.hosts.values()
    host.disk.write(path, b"theirs\n", "640")
    assert not any(done.changes for done in world.run())
    world.reset()
    assert host.disk.read(path) == b"theirs\n" and "/etc/kubernetes/kubelet.conf" not in host.disk.files
    assert world.reset() == 0


def test_a_second_reset_finds_nothing(inventory, built):
    world = built(inventory)
    world.reset()
    before = world.digest()
    assert world.reset() == 0 and world.digest() == before


def test_a_reset_of_hosts_we_have_never_been_to_touches_nothing(bare):
    world = bare("lab")
    host = world.hosts["lb"]
    host.w_packages("apt-get", "haproxy")
    host.disk.remove_tree("/var/lib/hardway")
    host.disk.write("/etc/haproxy/ca.crt", b"theirs\n")
    world.hosts["worker-0"].disk.write("/etc/crictl.yaml", b"theirs\n")
    before = world.digest()
    world.log.clear()
    assert world.reset() == 0 and world.log == [] and world.digest() == before


def test_packages_that_were_there_stay(bare):
    world = bare("lab")
    host = world.hosts["worker-0"]
    host.w_packages("apt-get", "socat")
    host.disk.remove_tree("/var/lib/hardway")
    world.run()
    world.reset()
    there = {name for name, files in PACKAGES.items() if set(files) <= host.disk.files.keys()}
    assert "socat" in there and "conntrack" not in there


def test_a_cluster_can_be_built_again_after_a_reset(inventory, built):
    world = built(inventory)
    before = world.digest()
    world.reset()
    world.objects.by_path.clear()
    world.announced.clear()
    world.run()
    after = world.digest()
    assert {name: after[name] for name in world.hosts} == {name: before[name] for name in world.hosts} and world.outdated() == []
