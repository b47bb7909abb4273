"""Certificates are renewed on a living cluster: nothing restarts that reads its files again, and no death stops it."""

from __future__ import annotations

import ssl
from collections import Counter
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fakes.disk import STATE
from fakes.memory_ports import use_ports
from fakes.memory_session import MemorySession
from fakes.world import Killed, World, changes

from hardway.checks.doors import Door
from hardway.commands.certs import choosing, renewing
from hardway.errors import ConnectionFailed, DriftError, NotReadyError, PkiError, UsageError
from hardway.phases import control_plane
from hardway.pki.certificates import issued
from hardway.pki.issuing import load_key
from hardway.pki.leaf import Leaf

pytestmark = pytest.mark.slow

APISERVER = "/etc/kubernetes/pki/apiserver"


def serials(world: World) -> dict[str, int]:
    """The serial number of every certificate in the state directory."""
    found = choosing.leaves(world.cluster, world.store)
    return {name: x509.load_pem_x509_certificate(leaf.read().cert).serial_number for name, leaf in found.items()}


def keys(world: World) -> dict[str, bytes]:
    return {name: leaf.read().key.reveal() for name, leaf in choosing.leaves(world.cluster, world.store).items()}


def renew(world: World, *names: str, keep_keys: bool = False) -> list[str]:
    return renewing.renew(MemorySession.on(world), names, not names, keep_keys)


def bootstrap(world: World) -> None:
    """With desired states that are rendered anew: the world remembers those with the certificates of its first day."""
    world.use(world.cluster)
    world.run()


def restarts(world: World) -> set[str]:
    return {op.args[0].removesuffix(".service") for _, op in world.log if op.verb == "restart"}


def settled(world: World) -> bool:
    """The hosts have what the state directory has, and every process runs with it."""
    return world.outdated() == [] and changes(world.plan()) == {}


@pytest.mark.parametrize("keep", [False, True])
def test_all_of_them(living, keep):
    world = living()
    before, old_keys = serials(world), keys(world)
    assert renew(world, keep_keys=keep) == list(before)
    assert settled(world)
    assert not set(before.items()) & set(serials(world).items())
    assert all((keys(world)[name] == key) is keep for name, key in old_keys.items())
    # What reads its files again goes on; what has its certificate in a kubeconfig begins again with it.
    assert restarts(world) == {"kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"}


def test_a_served_certificate_restarts_nothing(living):
    world = living()
    before = serials(world)
    assert renew(world, "apiserver", "etcd-*") == [
        "apiserver",
        *(f"etcd-{kind}@controller-{i}" for kind in ("server", "peer") for i in range(3)),
        "etcd-healthcheck-client",
    ]
    assert restarts(world) == set() and settled(world)
    renewed = {name for name, serial in serials(world).items() if serial != before[name]}
    assert renewed == {name for name in before if name == "apiserver" or name.startswith("etcd-")}


def test_a_certificate_comes_right_before_its_key(living):
    world = living()
    renew(world, "apiserver")
    puts = [op.args[0] for target, op in world.log if target == "controller-0" and op.verb == "put"]
    assert puts == [f"{APISERVER}.crt", f"{APISERVER}.key"]


def test_files_are_everywhere_before_anything_restarts_and_then_one_after_the_other(living):
    world = living()
    renew(world, "controller-manager", "apiserver")
    acts = [(target, op.verb, op.args[0]) for target, op in world.log if op.verb in ("put", "restart")]
    files = [i for i, (_, verb, path) in enumerate(acts) if verb == "put" and path == f"{APISERVER}.crt"]
    units = [i for i, (_, verb, _) in enumerate(acts) if verb == "restart"]
    assert len(files) == len(units) == 3 and max(files) < min(units)
    assert [acts[i][2] for i in units] == ["kube-controller-manager.service"] * 3
    assert sorted(acts[i][0] for i in units) == ["controller-0", "controller-1", "controller-2"]


def test_a_kubelet_starts_over_from_its_kubeconfig(living):
    """Else it would go on with the key that it has made for itself."""
    own = "/var/lib/kubelet/pki/kubelet-client-current.pem"
    world = living()
    renew(world, "kubelet@worker-1")
    acts = [" ".join((op.verb, *op.args[:1])) for target, op in world.log if target == "worker-1"]
    wanted = [f"discard {own}", "put /etc/kubernetes/kubelet.conf", "restart kubelet.service"]
    assert [act for act in acts if act in wanted] == wanted
    assert not any(target == "worker-0" for target, _ in world.log)


def test_what_is_typed_twice_is_renewed_twice(living):
    world = living()
    before = serials(world)["admin"]
    renew(world, "admin")
    between = serials(world)["admin"]
    renew(world, "admin")
    assert len({before, between, serials(world)["admin"]}) == 3


def test_a_new_key_is_of_the_kind_that_the_inventory_names_by_now(living):
    world = living("single")
    world.use(replace(world.cluster, pki=replace(world.cluster.pki, algorithm="rsa-2048")))
    renew(world, "scheduler", keep_keys=True)
    kind = lambda: type(load_key(keys(world)["scheduler"], "scheduler.key").public_key())  # noqa: E731
    assert issubclass(kind(), ec.EllipticCurvePublicKey)
    renew(world, "scheduler")
    assert issubclass(kind(), rsa.RSAPublicKey) and settled(world)


# Interrupted.


def dies_at(world: World, target: str, moment: int, *names: str) -> None:
    seen = Counter()

    def death(name, op) -> bool:
        seen[name] += 1
        return name == target and seen[name] == moment + 1

    world.death = death
    with pytest.raises(Killed):
        renew(world, *names)
    world.revive()


@pytest.mark.parametrize("finish", ["renew", "bootstrap"])
def test_a_run_that_is_killed_at_any_write_is_completed_by_the_next(living, finish, monkeypatch):
    names = ("apiserver", "scheduler", "kubelet@worker-0", "etcd-peer@controller-1")
    start = living()
    world = start.copy()
    use_ports(world, monkeypatch)
    renew(world, *names)
    before, moments = serials(start), Counter(target for target, _ in world.log)
    todo = [(target, n) for target, count in sorted(moments.items()) for n in range(count)]
    assert len(todo) > 15
    for target, moment in todo[:: 1 if finish == "renew" else 3]:
        victim = start.copy()
        use_ports(victim, monkeypatch)
        dies_at(victim, target, moment, *names)
        between = serials(victim)
        renew(victim, *names) if finish == "renew" else bootstrap(victim)
        assert settled(victim), f"killed before write {moment} on {target}"
        after = serials(victim)
        assert {name for name in before if after[name] != before[name]} == set(names)
        # What a host still lacks is not issued a second time.
        lacking = [name for name in names if name.endswith(f"@{target}") and moment == 0]
        assert all(after[name] == between[name] for name in lacking)


def test_it_continues_where_a_unit_has_the_stamp_of_an_earlier_version(living):
    """That stamp has to be replaced before the file changes, which is no other change than that of the file."""
    world = living("single")
    (host,) = world.cluster.hosts
    machine, unit = world.hosts[host.name], control_plane.api_server(world.inputs(), host)[-1]
    former = unit._former(machine.probe(list(unit.probes())))
    machine.disk.write(f"{STATE}/stamps/{unit.name}", former.encode())
    assert changes(world.plan()) == {}
    dies_at(world, host.name, 0, "apiserver-etcd-client")
    world.use(world.cluster)
    assert "stamp of kube-apiserver.service" in [one for found in changes(world.plan()).values() for one in found]
    renew(world, "apiserver-etcd-client")
    assert settled(world) and restarts(world) == set()


def test_what_an_earlier_run_has_issued_is_brought_to_its_hosts_and_not_issued_again(living):
    world = living()
    leaf = choosing.leaves(world.cluster, world.store)["apiserver"]
    leaf.ask(keep_key=False)
    world.credentials.over(world.store).ensure_all("pki")
    world.use(world.cluster)
    here = serials(world)["apiserver"]
    on = MemorySession.on(world)
    renewing.renew(on, ("apiserver",), False, False)
    assert serials(world)["apiserver"] == here and settled(world)
    assert "apiserver: already issued by an earlier run" in on.said.getvalue()


def test_a_mark_is_told_in_the_plan_and_done_by_bootstrap(living):
    world = living()
    choosing.leaves(world.cluster, world.store)["scheduler"].ask(keep_key=False)
    world.use(world.cluster)
    planned = changes(world.plan())
    assert planned[("pki", "operator")] == ["keys and certificates"]
    bootstrap(world)
    assert settled(world) and restarts(world) == {"kube-scheduler"}


# Refused.


def test_nothing_else_is_changed_with_it(living):
    world = living()
    before = serials(world)
    world.hosts["worker-0"].disk.write("/var/lib/kubelet/config.yaml", b"other", "600")
    with pytest.raises(DriftError) as refused:
        renew(world, "apiserver")
    assert "worker-0: file /var/lib/kubelet/config.yaml" in refused.value.evidence
    assert "hardway bootstrap" in refused.value.hint
    assert serials(world) == before and not any("renew" in name for name in world.store.names()) and world.log == []


def test_certificates_that_differ_on_a_host_are_no_reason_to_refuse(living):
    world = living()
    world.hosts["controller-1"].disk.write("/etc/kubernetes/pki/front-proxy-client.crt", b"broken")
    renew(world, "front-proxy-client")
    assert settled(world)


def test_without_the_key_of_the_ca_it_says_how_it_is_signed_elsewhere(living):
    world = living()
    del world.store._written["pki/etcd-ca.key"]
    world.use(world.cluster)
    with pytest.raises(PkiError) as refused:
        renew(world, "etcd-peer")
    assert "hardway certs csr INV --out DIR" in refused.value.hint and "etcd-peer" in refused.value.evidence
    assert renew(world, "apiserver") == ["apiserver"]


@pytest.mark.parametrize(
    ("names", "all_", "told"),
    [
        ((), False, "name the certificates"),
        (("apiserver",), True, "not both"),
        (("apiservr",), False, "there is no certificate apiservr"),
        (("kubelet@worker-9",), False, "there is no certificate kubelet@worker-9"),
        (("ca",), False, "ca is a CA, which is not renewed but replaced"),
    ],
)
def test_names_that_mean_nothing(living, names, all_, told):
    world = living("single")
    with pytest.raises(UsageError, match=told):
        renewing.renew(MemorySession.on(world), names, all_, False)


def test_a_worker_that_does_not_answer_is_left_out_and_said(living):
    world = living()
    world.away = {"worker-1"}
    with pytest.raises(ConnectionFailed) as left_out:
        renew(world, "kubelet-server", "apiserver")
    assert left_out.value.host == "worker-1" and "then: hardway bootstrap INV" in left_out.value.hint
    world.away = set()
    bootstrap(world)
    assert settled(world)


def test_a_port_that_goes_on_showing_the_old_one_is_an_error(living, monkeypatch):
    world = living()
    old = world.hosts["worker-0"].disk.read("/var/lib/kubelet/pki/kubelet.crt").decode()
    real = Door.shown

    def stubborn(door, *arguments):
        if (door.row, door.host.name) == ("kubelet-server", "worker-0"):
            return ssl.PEM_cert_to_DER_cert(old)
        return real.__get__(door)(*arguments)

    monkeypatch.setattr(Door, "shown", stubborn)
    with pytest.raises(NotReadyError) as refused:
        renew(world, "kubelet-server")
    assert refused.value.host == "worker-0" and "does not show the new certificate kubelet-server@worker-0" in str(
        refused.value
    )
    assert "systemctl restart kubelet" in refused.value.hint


# Planned.


def test_the_plan_is_what_is_done_and_writes_nothing(living):
    world = living()
    before, files = serials(world), dict(world.store._written)
    plan, _ = renewing.foresee(MemorySession.on(world).looking(), ("scheduler", "etcd-server"), False, False)
    assert world.store._written == files and world.log == []
    planned = {(one.phase, one.host, one.resource) for one in plan.changes}
    assert ("control-plane", "controller-0", "unit kube-scheduler.service") in planned
    assert any("renewal was asked for" in line for one in plan.changes for line in one.why)
    done = renew(world, "scheduler", "etcd-server")
    assert len(done) == 4 and serials(world) != before
    written = {(target, f"file {op.args[0]}") for target, op in world.log if op.verb == "put"}
    assert written == {(host, resource) for _, host, resource in planned if resource.startswith("file ")}
    restarted = {(target, f"unit {op.args[0]}") for target, op in world.log if op.verb == "restart"}
    assert restarted == {(one.host, one.resource) for one in plan.changes if one.restarts}


def test_every_certificate_has_a_name_of_its_own(living):
    world = living("ha")
    every = choosing.leaves(world.cluster, world.store)
    assert len(every) == len(issued(world.cluster)) and all(isinstance(one, Leaf) for one in every.values())
