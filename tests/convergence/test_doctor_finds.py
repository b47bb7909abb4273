"""Each diagnosis of doctor on a cluster in memory: what causes it, that it is the cause, and exactly what is found
beside it; so whatever is not in a row is named by none of its neighbours."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter
from types import SimpleNamespace

import pytest
from fakes.memory_kube import MemoryKube
from fakes.memory_session import MemorySession
from fakes.past import expire
from fakes.peers import Peers, healthy
from fakes.world import World

from hardway.commands.doctor import DIAGNOSES
from hardway.commands.doctor.etcd_cluster import QUOTA, SIZE
from hardway.commands.doctor.examination import examine
from hardway.commands.doctor.pods import SANDBOX_EVENTS
from hardway.drain import cordon
from hardway.etcd.interface import Member
from hardway.living.reach import Blocked
from hardway.pki.encryption import new_key
from hardway.pki.rotation import Rotation
from hardway.transport import Result

pytestmark = pytest.mark.slow

ONE, TWO, WORKER = "controller-0", "controller-1", "worker-0"
Harm = Callable[[World, Peers], object]


@dataclass(frozen=True)
class Row:
    """What a harm does to a cluster: `name` is found, and nothing else but what follows from it (`beneath`). Where
    others stand above or beside it, all that stand for themselves are `causes`.

    `near` is the diagnosis that it could be taken for: what causes that one does not name this one.
    """

    name: str
    near: str
    harm: Harm
    beneath: str = ""
    causes: str = ""
    cluster: str = "lab"

    @property
    def standing(self) -> set[str]:
        return set((self.causes or self.name).split())

    @property
    def named(self) -> set[str]:
        return {self.name, *self.standing, *self.beneath.split()}


def unit(host: str, name: str, **said: str) -> Harm:
    """A unit of which systemd says this."""

    def harm(world: World, peers: Peers) -> None:
        machine = world.hosts[host]
        machine.systemd.unit(f"{name}.service").active = said.get("ActiveState", "inactive")
        show = machine.q_unit
        text = "".join(f"\n{key}={value}" for key, value in said.items())
        machine.q_unit = lambda asked: show(asked) + (text if asked == f"{name}.service" else "")

    return harm


def stopped(host: str, *names: str) -> Harm:
    return lambda world, peers: [
        setattr(world.hosts[host].systemd.unit(f"{name}.service"), "active", "inactive") for name in names
    ]


def says(host: str, journal: str, *harms: Harm) -> Harm:
    def harm(world: World, peers: Peers) -> None:
        world.hosts[host].q_journal = lambda *about: journal
        for one in harms:
            one(world, peers)

    return harm


def answers(host: str, verb: str, answer: str) -> Harm:
    return lambda world, peers: setattr(world.hosts[host], f"q_{verb}", lambda *about: answer)


def seen(facts: dict | None = None, **lives) -> Harm:
    """What is seen from a host, or of the connections between hosts."""

    def harm(world: World, peers: Peers) -> None:
        survey = MemorySession.survey

        def surveyed(session: MemorySession, *about, **how):
            known = survey(session, *about, **how)
            changed = {name: replace(known.facts[name], **said) for name, said in (facts or {}).items()}
            return replace(known, facts={**known.facts, **changed}, lives=replace(known.lives, **lives))

        peers.patch.setattr(MemorySession, "survey", surveyed)

    return harm


def all_of(*harms: Harm) -> Harm:
    return lambda world, peers: [one(world, peers) for one in harms]


def without(host: str, where: str, name: str) -> Harm:
    return lambda world, peers: attrgetter(where)(world.hosts[host]).pop(name)


FORWARDS_NOTHING = {"net.ipv4.ip_forward": "0"}


def surveyed(host: str, **said: str) -> Harm:
    return lambda world, peers: world.hosts[host].survey.update(said)


def half_restored(host: str) -> Harm:
    note = surveyed(host, restoring=f"20261130T120000Z {'ab' * 32} 1000000")
    return all_of(note, stopped(host, "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"))


def edited(host: str, path: str) -> Harm:
    return lambda world, peers: world.hosts[host].disk.write(path, b"by hand\n")


def pod(namespace: str, reason: str, phase: str = "Running") -> dict:
    state = {"waiting": {"reason": reason, "message": "no such image"}}
    waiting = {"image": "registry.example/one:1", "restartCount": 3, "state": state}
    status = {"phase": phase, "containerStatuses": [waiting]} if reason else {"phase": phase}
    about = {"name": "one-1", "namespace": namespace, "uid": "u-1"}
    return {"kind": "Pod", "metadata": about, "spec": {"nodeName": WORKER}, "status": status}


def listed(path: str, *items: dict) -> Harm:
    return lambda world, peers: world.objects.save(path, {"kind": "List", "metadata": {}, "items": list(items)})


def pods(*items: dict) -> Harm:
    return lambda world, peers: [
        world.objects.save(f"/api/v1/namespaces/{one['metadata']['namespace']}/pods/{one['metadata']['name']}", one)
        for one in items
    ]


SANDBOX = {"involvedObject": {"uid": "u-1"}, "source": {"host": WORKER}, "message": "failed to find network"}


def sandbox(phase: str) -> Harm:
    def harm(world: World, peers: Peers) -> None:
        pods(pod("shop", "", phase))(world, peers)
        listed(SANDBOX_EVENTS, SANDBOX)(world, peers)

    return harm


def another(world: World, peers: Peers) -> None:
    world.bound()
    world.founded += 1


def away(world: World, peers: Peers) -> None:
    world.away = {WORKER}


def other_state(world: World, peers: Peers) -> None:
    world.store.discard("cluster")
    world.store.create("cluster", b"another\n")


def expired(world: World, peers: Peers) -> None:
    expire(world.cluster, world.store, "admin")


def sick(*names: str) -> Harm:
    return lambda world, peers: world.live.sick.update(dict.fromkeys(names, "connection refused"))


def not_ready(*names: str) -> Harm:
    return lambda world, peers: world.live.not_ready_apiservers.update(names)


def peers_are(**values) -> Harm:
    return lambda world, peers: [setattr(peers, name, value) for name, value in values.items()]


def missing_asset(world: World, peers: Peers) -> None:
    row = SimpleNamespace(name="kubelet", version="1.37.2", arch="amd64", state="missing")
    world.assets.list = lambda archs: [row]


def unserved(world: World, peers: Peers) -> None:
    condition = {"type": "Available", "status": "False", "message": "no endpoints"}
    one = {"metadata": {"name": "v1.metrics"}, "status": {"conditions": [condition]}}
    listed("/apis/apiregistration.k8s.io/v1/apiservices", one)(world, peers)


def stranger(world: World, peers: Peers) -> None:
    peers.members = lambda known: (*known, Member(99, "old", ("https://10.9.9.9:2380",), ("https://10.9.9.9:2379",)))


def older_scheduler(world: World, peers: Peers) -> None:
    """An upgrade came as far as this host, and ended."""
    machine = world.hosts[TWO]
    runs = machine.q_version
    machine.q_version = lambda name: "1.36.3" if name == "kube-scheduler.service" else runs(name)


def left_out_of_etcd(world: World, peers: Peers) -> None:
    own = next(one for one in world.membership.members() if one.name == TWO)
    world.etcd().remove_member(own.id)


def no_endpoint(world: World, peers: Peers) -> None:
    world.objects.by_path["/api/v1/namespaces/default/endpoints/kubernetes"]["subsets"].pop()


def nobody_came_for_long(world: World, peers: Peers) -> None:
    """Certificates that a plan would have renewed, had anybody asked for one."""
    later = SimpleNamespace(now=lambda zone: datetime.datetime.now(zone) + datetime.timedelta(days=345))
    clock = SimpleNamespace(datetime=later, UTC=datetime.UTC, timedelta=datetime.timedelta)
    peers.patch.setattr("hardway.checks.hosts.datetime", clock)


def dns_lags(world: World, peers: Peers) -> None:
    peers.patch.setattr(
        "hardway.checks.name_service.stale", lambda *about: iter(["coredns-0 resolves late to nothing"])
    )
    peers.patch.setattr("hardway.checks.name_service.ANSWERS_WITHIN", 0.05)


def restarting(world: World, peers: Peers) -> None:
    """Another number at each look, and it runs at each."""
    counts, machine = iter(range(3, 99)), world.hosts[WORKER]
    show = machine.q_unit
    machine.q_unit = lambda name: show(name) + (f"\nNRestarts={next(counts)}" if name.startswith("kube-proxy") else "")


def crashing(namespace: str) -> Harm:
    def harm(world: World, peers: Peers) -> None:
        peers.patch.setattr(MemoryKube, "request", lambda *about: (200, b"panic: no such zone\n"), raising=False)
        pods(pod(namespace, "CrashLoopBackOff"))(world, peers)

    return harm


def old_node(world: World, peers: Peers) -> None:
    ready = [{"type": "Ready", "status": "True", "message": ""}]
    status = {"addresses": [{"type": "InternalIP", "address": "10.240.0.77"}], "conditions": ready}
    world.objects.save("/api/v1/nodes/old", {"kind": "Node", "metadata": {"name": "old"}, "spec": {}, "status": status})


def vip_twice(world: World, peers: Peers) -> None:
    host = world.hosts[world.cluster.workers[0].name]
    said = host.q_addresses
    host.q_addresses = lambda: f"{said()} {world.cluster.api.vip}=eth0"


CRASH = {"ActiveState": "activating", "SubState": "auto-restart", "NRestarts": "7", "Result": "exit-code"}
STARTS = {"ActiveState": "activating", "SubState": "start", "Job": "7"}
WAITS = {"Job": "7", "Waits": "x-wait-online.service start running 84"}
NOSPACE = '[{"Status":{"errors":["etcdserver: no space", "memberID:1 alarm:NOSPACE "]}}]'
# What a worker does no longer when its kubelet does not run.
NO_KUBELET = "nodes-ready coredns-ready kubelet-anonymous certificates-served"
NO_MEMBER = "etcd-member etcd-members etcd-strangers certificates-served"
PLANES = (ONE, TWO, "controller-2")
ROWS = (
    Row(
        "etcd-restore",
        "unit-etcd",
        all_of(*(half_restored(plane) for plane in PLANES), sick(*PLANES), not_ready(*PLANES)),
        "unit-etcd unit-kube-apiserver unit-kube-controller-manager unit-kube-scheduler etcd-members etcd-strangers"
        " etcd-member etcd-quorum api-down apiservers-ready certificates-served",
    ),
    Row("cluster-identity", "unit-etcd", another),
    Row("host-away", "unit-kubelet", away),
    Row("forwarding", "host-unfit", seen({ONE: {"forwarding": False}})),
    Row("port-closed", "unit-kubelet", seen(blocked=(Blocked(ONE, WORKER, 10250, "refused"),))),
    Row(
        "next-hop",
        "unit-pod-routes",
        all_of(
            surveyed(WORKER, beyond="10.240.0.21=10.240.0.1"),
            lambda world, peers: world.hosts[WORKER].routes.clear(),
            unit(WORKER, "pod-routes", **CRASH),
        ),
        "unit-pod-routes pod-routes",
    ),
    Row("state-directory", "certificate", other_state),
    Row("host-unfit", "disk-full", surveyed(WORKER, cni="05-other.conf")),
    Row("disk-full", "host-unfit", answers(WORKER, "space", "/var/lib 98% 102400 3%")),
    Row("certificate", "certificates-lasting", expired, causes="certificate drift"),
    Row("systemd-waits", "unit-starting", unit(WORKER, "kubelet", **WAITS), f"unit-kubelet {NO_KUBELET}"),
    Row(
        "argument-refused",
        "unit-kubelet",
        says(WORKER, "unknown flag: --no", unit(WORKER, "kubelet", **CRASH)),
        f"unit-kubelet {NO_KUBELET}",
    ),
    Row("unit-etcd", "etcd-member", stopped(ONE, "etcd"), NO_MEMBER),
    Row("unit-kube-apiserver", "apiservers-ready", stopped(ONE, "kube-apiserver"), "apiservers-ready"),
    Row("unit-kube-controller-manager", "leaders", stopped(TWO, "kube-controller-manager")),
    Row("unit-kube-scheduler", "unit-kube-controller-manager", stopped(TWO, "kube-scheduler")),
    Row("unit-haproxy", "api-address", stopped("lb", "haproxy"), "api-address administrator nodes-ready coredns-ready"),
    Row("unit-keepalived", "shared-address", stopped("lb-0", "keepalived"), cluster="ha"),
    Row(
        "unit-containerd",
        "unit-kubelet",
        stopped(WORKER, "containerd"),
        "node-image-missing nodes-ready coredns-ready",
    ),
    Row("unit-pod-routes", "pod-routes", stopped(WORKER, "pod-routes")),
    Row("unit-kubelet", "unit-containerd", says(WORKER, "panic: x", unit(WORKER, "kubelet", **CRASH)), NO_KUBELET),
    Row("unit-kube-proxy", "dns-from-hosts", stopped(WORKER, "kube-proxy"), "dns-from-hosts"),
    Row("etcd-alarm", "etcd-space", answers(ONE, "etcd", NOSPACE)),
    Row("etcd-space", "etcd-alarm", peers_are(metrics={SIZE: 9.9e6, QUOTA: 1e7})),
    Row("etcd-member", "etcd-space", sick(ONE), "etcd-members"),
    Row("etcd-removed", "etcd-member", left_out_of_etcd, "etcd-members"),
    Row("etcd-quorum", "etcd-member", sick(ONE, TWO), "etcd-quorum etcd-members", causes="etcd-member"),
    Row("unit-starting", "unit-kube-scheduler", unit(TWO, "kube-scheduler", **STARTS)),
    Row("api-down", "apiservers-ready", not_ready(*PLANES), "api-down", causes="apiservers-ready"),
    Row("tools-missing", "node-image-missing", without(WORKER, "disk.files", "/usr/sbin/conntrack")),
    Row("node-image-missing", "tools-missing", lambda world, peers: world.hosts[WORKER].images.clear()),
    Row("image-missing", "add-on-crashing", pods(pod("shop", "ImagePullBackOff"))),
    Row("sandbox", "image-missing", sandbox("Pending")),
    Row("add-on-crashing", "image-missing", crashing("kube-system")),
    Row("upgrade", "drift", older_scheduler),
    Row("drift", "kernel-settings", edited(WORKER, "/var/lib/kubelet/config.yaml")),
    Row("kernel-settings", "swap-off", lambda world, peers: world.hosts[WORKER].sysctls.update(FORWARDS_NOTHING)),
    Row("swap-off", "kernel-settings", lambda world, peers: world.hosts[WORKER].swap.add("/dev/sda2")),
    Row("pod-routes", "unit-pod-routes", lambda world, peers: world.hosts[WORKER].routes.clear()),
    Row("certificates-lasting", "certificate", nobody_came_for_long),
    Row("etcd-members", "etcd-strangers", stranger),
    Row("etcd-strangers", "certificate", peers_are(open_etcd={ONE})),
    Row("apiservers-ready", "unit-haproxy", not_ready(ONE)),
    Row("api-address", "administrator", peers_are(cut={WORKER})),
    Row("administrator", "api-address", peers_are(kubectl=Result(1, b"", b"error: Unauthorized"))),
    Row("leaders", "unit-kube-scheduler", peers_are(stuck=True)),
    Row("apiservices", "api-down", unserved),
    Row("kubernetes-service", "apiservers-ready", no_endpoint),
    Row("certificates-served", "certificate", peers_are(older={TWO})),
    Row("shared-address", "unit-keepalived", vip_twice, cluster="ha"),
    Row(
        "nodes-ready",
        "unit-kube-proxy",
        lambda world, peers: world.live.not_ready_nodes.add(WORKER),
        "coredns-ready",
    ),
    Row("nodes-known", "nodes-ready", old_node),
    Row("coredns-ready", "dns-current", lambda world, peers: setattr(world.live, "failing_dns", True)),
    Row("dns-from-hosts", "coredns-ready", peers_are(dns=[])),
    Row("dns-current", "dns-from-hosts", dns_lags),
    Row("kubelet-anonymous", "nodes-ready", peers_are(anonymous=200)),
    Row("binaries", "units-steady", edited(WORKER, "/usr/local/bin/kubelet"), "binaries", causes="drift"),
    Row("units-steady", "unit-kube-proxy", restarting),
)
BY_NAME = {row.name: row for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_is_found_and_what_stands_above_it(built, monkeypatch, row: Row):
    world = built(row.cluster)
    row.harm(world, healthy(world, monkeypatch))
    seen = examine(MemorySession.on(world).looking())
    standing = {cause.finding.name for cause in seen.causes}
    beneath = {one.name for cause in seen.causes for one in cause.consequences}
    assert (standing, beneath) == (row.standing, set(row.beneath.split()))


@pytest.mark.parametrize("cluster", ["lab", "ha"])
def test_nothing_is_found_in_a_healthy_cluster(built, monkeypatch, cluster):
    world = built(cluster)
    healthy(world, monkeypatch)
    seen = examine(MemorySession.on(world).looking())
    assert (seen.causes, seen.warnings, seen.unseen) == ((), (), ()) and seen.exit_code == 0


# What one who asks doctor could take for one of these, and is none.
HARMLESS = {
    "a pod of the users' own crashes": crashing("shop"),
    "a sandbox could not be created before, and the pod runs": sandbox("Running"),
    "a disk is well filled": answers(WORKER, "space", "/var/lib 80% 9102400 3%"),
    "etcd has filled half of its quota": peers_are(metrics={SIZE: 5e6, QUOTA: 1e7}),
}


@pytest.mark.parametrize("harm", HARMLESS.values(), ids=HARMLESS.keys())
def test_no_cause_is_found_where_there_is_none(built, monkeypatch, harm):
    world = built("lab")
    harm(world, healthy(world, monkeypatch))
    assert examine(MemorySession.on(world).looking()).causes == ()


def test_a_cache_that_lacks_something_is_a_warning_and_explains_nothing(built, monkeypatch):
    world = built("lab")
    stopped(WORKER, "kube-proxy")(world, healthy(world, monkeypatch))
    missing_asset(world, Peers(world))
    seen = examine(MemorySession.on(world).looking())
    assert [one.name for one in seen.warnings] == ["assets-missing"]
    assert [cause.finding.name for cause in seen.causes] == ["unit-kube-proxy"]


def test_a_cluster_that_was_never_built_is_no_broken_one(bare, built, monkeypatch):
    world = bare("lab")
    healthy(world, monkeypatch)
    assert [cause.finding.name for cause in examine(MemorySession.on(world).looking()).causes] == ["not-built"]
    world = built("lab")
    healthy(world, monkeypatch)
    world.reinstall(WORKER)
    found = {cause.finding.name for cause in examine(MemorySession.on(world).looking()).causes}
    assert "not-built" not in found and "drift" in found


def test_a_drain_that_was_not_finished_is_a_warning_and_explains_nothing(built, monkeypatch):
    world = built("lab")
    stopped(WORKER, "kube-proxy")(world, healthy(world, monkeypatch))
    cordon(world.live.kube(), WORKER, "node remove")
    seen = examine(MemorySession.on(world).looking())
    assert [(one.name, one.host) for one in seen.warnings] == [("node-cordoned", WORKER)]
    assert [cause.finding.name for cause in seen.causes] == ["unit-kube-proxy"]


def test_a_ca_that_expires_soon_or_is_being_replaced_is_a_warning_and_told_once(built, monkeypatch):
    world = built("lab")
    healthy(world, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr("hardway.pki.inspection.CA_DAYS", 4000)
        soon = examine(MemorySession.on(world).looking()).warnings
    assert {one.name for one in soon} == {"ca"} and len(soon) == 3
    assert "hardway certs rotate-ca etcd INV" in {one.next for one in soon}
    Rotation("etcd-ca", world.store).begin(world.cluster.pki)
    world.use(world.cluster)
    world.run()
    healthy(world, monkeypatch)
    seen = examine(MemorySession.on(world).looking())
    assert [(one.name, one.next) for one in seen.warnings] == [("ca", "hardway certs rotate-ca etcd INV")]
    assert "stage 1 of 3" in seen.warnings[0].what and seen.causes == ()


def test_an_older_copy_of_the_keys_is_the_cause_and_nothing_is_compared_with_it(built, monkeypatch):
    world = built("lab")
    before = dict(world.store._written)
    Rotation("etcd-ca", world.store).begin(world.cluster.pki)
    world.use(world.cluster)
    world.run()
    world.store._written, world.store._kept = before, {}
    world.use(world.cluster)
    healthy(world, monkeypatch)
    seen = examine(MemorySession.on(world).looking())
    assert {cause.finding.name for cause in seen.causes} == {"host-unfit"}
    assert all("replaced with another copy" in cause.finding.what for cause in seen.causes)
    assert dict(seen.unseen)["drift"] == "the keys of this cluster are not on this computer"


def test_a_rotation_that_was_not_finished_is_a_warning(built, monkeypatch):
    world = built("lab")
    healthy(world, monkeypatch)
    new_key("aescbc", world.store)
    seen = examine(MemorySession.on(world).looking())
    [found] = [one for one in seen.warnings if one.name == "encryption-rotation"]
    assert "aescbc:key1 is still in use beside the newer aescbc:key2" in found.what
    assert found.next.startswith("hardway encryption rotate INV")


# Those of the other tests here.
APART = {"assets-missing", "ca", "encryption-rotation", "node-cordoned", "not-built"}


def test_every_diagnosis_has_a_row_and_a_neighbour_that_does_not_name_it():
    assert set(BY_NAME) | APART == {one.name for one in DIAGNOSES} and not set(BY_NAME) & APART
    assert [row.name for row in ROWS if row.name in BY_NAME[row.near].named] == []
