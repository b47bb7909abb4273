"""A reset leaves a host as it was found, twice over, and touches nothing on one we have never been to."""

import io
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from fakes.packages import PACKAGES
from fakes.past import expire, long_ago

from hardway.commands.reset import reset
from hardway.errors import HardwayError
from hardway.pki.issuing import certificate_pem, issue_ca, load_key
from hardway.report import Report
from hardway.run.selection import Selection
from hardway.session import Session
from hardway.state.statedir import StateDir

pytestmark = pytest.mark.slow

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
    world.run()
    after = world.digest()
    assert {name: after[name] for name in world.hosts} == {
        name: before[name] for name in world.hosts
    } and world.outdated() == []


def ruined(world, how: str) -> None:
    """A state directory as nobody could run a bootstrap with it."""
    files = world.store._written
    if how == "expired CA":
        with long_ago(years=20):
            files["pki/ca.crt"] = certificate_pem(issue_ca("kubernetes-ca", load_key(files["pki/ca.key"], "ca"), 3650))
    elif how == "expired leaf":
        expire(world.cluster, world.store, "apiserver")
        del files["pki/ca.key"]
    elif how == "empty":
        files.clear()
    else:
        name = {"damaged leaf": "pki/apiserver.crt", "damaged key": "pki/ca.key", "no key": "pki/admin.key"}[how]
        files[name] = b"damaged"
        if how == "no key":
            del files[name]
    world.use(world.cluster)


@pytest.mark.parametrize("how", ["expired CA", "expired leaf", "damaged leaf", "damaged key", "no key", "empty"])
def test_names_are_enough_for_a_reset(how, built):
    """Whoever gives a cluster up, often because its keys are lost, can do so."""
    world = built("single")
    intact = world.copy()
    intact.reset()
    ruined(world, how)
    if how != "empty":
        with pytest.raises(HardwayError):
            world.run()
    before = dict(world.store._written)
    world.reset()
    assert world.hosts["all-in-one"].digest() == intact.hosts["all-in-one"].digest()
    assert world.store._written == before, "nothing was issued for it"


def test_the_command_itself_works_with_such_a_state_directory(built, tmp_path):
    """All of them damaged but the CA, by which a host is known to be ours; what was founded cannot be read either."""
    world, state = built("single"), StateDir(tmp_path / "state")
    intact = world.copy()
    intact.reset()
    for name, data in world.store._written.items():
        state.create(name, data if name in ("cluster", "pki/ca.crt") else b"damaged")
    state.create("founded.json", b"{")
    world.live.remotes = world.hosts
    session = replace(Session.open(world.cluster, state.path, Report(stream=io.StringIO())), live=world.live)
    assert reset(session, Selection().hosts(world.cluster), keep_pki=True) > 30
    assert world.hosts["all-in-one"].digest() == intact.hosts["all-in-one"].digest()


def test_a_reset_does_not_ask_etcd_where_a_member_is(built):
    """The machine has another address than the one it was built with."""
    world = built("single")
    [host] = world.cluster.hosts
    world.use(replace(world.cluster, hosts=(replace(host, address=IPv4Address("10.240.0.99")),)))
    assert world.reset() > 30 and world.reset() == 0
