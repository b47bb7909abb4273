"""A CA is exchanged on a living cluster: nobody is refused at any moment, and the old one is gone at the end."""

from __future__ import annotations

import copy
from base64 import b64encode
from collections import Counter

import pytest
from fakes.memory_ports import use_ports
from fakes.memory_probes import MemoryProbes
from fakes.memory_session import MemorySession
from fakes.memory_trust import EXTENSIONS, now
from fakes.world import Killed, World, changes
from trusting import broken, everywhere, trusted

from hardway.cluster import Role
from hardway.commands.certs.rotation import gates, refused, rotating, standing, workloads
from hardway.errors import ConnectionFailed, DriftError, InUseError, NotReadyError, PkiError, PreflightError, UsageError
from hardway.facts import authority
from hardway.lease import Permission
from hardway.pki.issuing import certificate_pem, issue_ca, key_pem, new_key
from hardway.pki.rotation import KINDS, Rotation, Stage
from hardway.pki.tokens import Account, token
from hardway.preflight import findings, judge

pytestmark = pytest.mark.slow

EVERY = list(KINDS)
UNITS = {
    "kubernetes": {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"},
    "etcd": {"etcd", "kube-apiserver"},
    "front-proxy": {"kube-controller-manager"},
    "service-account": {"kube-apiserver", "kube-controller-manager"},
}


@pytest.fixture(autouse=True)
def long_lived(monkeypatch):
    """Every process has run for a day, so that no token of an old key is left."""
    monkeypatch.setattr(MemoryProbes, "q_lived", lambda self, name: "86400" if self._active(name) else "")


def rotation(world: World, kind: str) -> Rotation:
    return Rotation(KINDS[kind], world.store)


def rotate(world: World, kind: str, choice: str = "") -> str:
    on = MemorySession.on(world)
    rotating.rotate(on, kind, choice)
    return on.said.getvalue()


def watched(world: World, death=lambda name, op: False) -> World:
    """Nobody is refused at any write."""

    def moment(name, op) -> bool:
        assert broken(world) == [], f"before {op} on {name}"
        return death(name, op)

    world.death = moment
    return world


def settled(world: World) -> bool:
    return broken(world) == [] and world.outdated() == [] and changes(world.plan()) == {}


@pytest.mark.parametrize("kind", EVERY)
def test_nobody_is_refused_at_any_moment_and_the_old_one_is_gone(living, kind):
    world = living()
    old = rotation(world, kind).newer
    said = rotate(watched(world), kind)
    assert settled(world) and rotation(world, kind).stage is Stage.NONE
    assert rotation(world, kind).newer != old and everywhere(world, old) == []
    restarted = {op.args[0].removesuffix(".service") for _, op in world.log if op.verb == "restart"}
    assert restarted == UNITS[kind]
    for stage in (Stage.TRUST, Stage.SIGN, Stage.DROP):
        assert f"{kind}: stage {stage.told}" in said
    assert "the old one is refused and the new one accepted on" in said


def test_an_api_server_says_first_that_it_stops_while_its_member_of_etcd_restarts(living):
    """Whoever calls it at the load balancer comes to the others."""
    world = living()
    rotate(world, "etcd")
    for name in ("controller-0", "controller-1", "controller-2"):
        acts = [str(op) for target, op in world.log if target == name and "/" not in op.verb]
        restarts = [at for at, act in enumerate(acts) if act.startswith("restart etcd.service")]
        assert len(restarts) == 2
        for at in restarts:
            assert acts[at - 1] == "pause kube-apiserver.service"
            assert acts[at + 1].startswith("start kube-apiserver.service")
    single = living("single")
    rotate(single, "etcd")
    assert not [op for _, op in single.log if op.verb == "pause"], "nobody else would answer meanwhile"


@pytest.mark.parametrize("name", ["single", "ha", "vagrant"])
def test_in_clusters_of_other_shapes(living, name):
    world = living(name)
    for kind in EVERY:
        rotate(watched(world), kind)
        assert settled(world)


def test_the_mark_of_the_hosts_follows_the_ca(living):
    """Else the hosts would be taken for another cluster's."""
    world = living()
    before = {facts.authority for facts in world.facts.values()}
    rotate(world, "kubernetes")
    assert (
        before == {facts.authority for facts in world.facts.values()} ^ {authority(world.credentials.issuer())} ^ before
    )
    assert {facts.authority for facts in world.facts.values()} == {authority(world.credentials.mark())} != before


def test_a_second_rotation_works_like_the_first(living):
    world = living("single")
    subjects = []
    for _ in range(2):
        rotate(world, "etcd")
        subjects.append(world.credentials.over(world.store).ca("etcd-ca"))
    assert len(set(subjects)) == 2 and settled(world)


# Interrupted.


def dies_at(world: World, kind: str, target: str, moment: int) -> None:
    seen = Counter()

    def death(name, op) -> bool:
        seen[name] += 1
        return name == target and seen[name] == moment + 1

    watched(world, death)
    with pytest.raises(Killed):
        rotate(world, kind)
    world.revive()
    assert broken(world) == []


@pytest.mark.parametrize(
    ("name", "kind", "every"),
    [
        ("lab", "kubernetes", 41),
        ("single", "kubernetes", 13),
        ("lab", "etcd", 11),
        ("single", "front-proxy", 2),
        ("single", "service-account", 4),
    ],
)
def test_killed_at_any_write_the_same_command_goes_on(living, name, kind, every, monkeypatch):
    start = living(name)
    world = start.copy()
    use_ports(world, monkeypatch)
    rotate(world, kind)
    wanted = Counter(target for target, _ in world.log)
    todo = [(target, n) for target, count in sorted(wanted.items()) for n in range(count)][::every]
    assert len(todo) > 5
    for target, moment in todo:
        victim = start.copy()
        use_ports(victim, monkeypatch)
        old = rotation(victim, kind).newer
        dies_at(victim, kind, target, moment)
        stage = rotation(victim, kind).stage
        rotate(watched(victim), kind)
        assert settled(victim), f"killed before write {moment} on {target} in stage {stage}"
        assert rotation(victim, kind).stage is Stage.NONE and everywhere(victim, old) == []


def test_a_bootstrap_in_the_middle_changes_no_stage(living, monkeypatch):
    world = living()
    with monkeypatch.context() as patch:
        patch.setattr(refused, "require", _stop)
        with pytest.raises(NotReadyError):
            rotate(world, "kubernetes")
    world.revive()
    world.use(world.cluster)  # renders its desired states anew
    world.run()
    assert rotation(world, "kubernetes").stage is Stage.DROP and settled(world)
    rotate(watched(world), "kubernetes")
    assert rotation(world, "kubernetes").stage is Stage.NONE and settled(world)


def _stop(known, rotation, choice=""):
    raise NotReadyError("stopped here")


# More than one copy of the state directory.


def stopped(world: World, monkeypatch, *names: str) -> None:
    """A rotation up to the stage that is named, in which its gate does not open."""
    with monkeypatch.context() as patch:
        for name in names:
            patch.setattr(gates, name, _stop)
        with pytest.raises(NotReadyError):
            rotate(world, "etcd")
    world.revive()


def colleague(world: World, before: dict[str, bytes]) -> list[str]:
    """What preflight says to somebody with an older copy of the state directory, each finding by its name and host."""
    other = world.copy()
    other.store._written, other.store._kept = dict(before), {}
    other.use(other.cluster)
    with pytest.raises(PreflightError):
        judge(other.inputs())
    return [f"{one.name} {one.host}" for one in findings(other.inputs()) if not one.warning]


@pytest.mark.parametrize("gate", ["before_signing", "before_dropping", "before_the_end"])
def test_an_older_copy_of_the_state_directory_is_refused_from_the_first_stage_on(living, monkeypatch, gate):
    """Else its bootstrap would take the new CA away from the first host while all others need it."""
    world = living()
    before = dict(world.store._written)
    stopped(world, monkeypatch, gate)
    assert {one.partition(" ")[0] for one in colleague(world, before)} == {"CaReplaced"}
    concerned = {host.name for host in world.cluster.hosts if host.roles & {Role.ETCD, Role.CONTROL_PLANE}}
    assert {one.partition(" ")[2] for one in colleague(world, before)} == concerned
    assert not [one for one in findings(world.inputs()) if not one.warning], "the right copy goes on"


@pytest.mark.parametrize("kind", EVERY)
def test_an_older_copy_of_the_state_directory_is_refused_for_ever(living, kind):
    world = living("single")
    before = dict(world.store._written)
    rotate(world, kind)
    found = colleague(world, before)
    assert found == ["OtherState all-in-one" if kind == "kubernetes" else "CaReplaced all-in-one"] * len(found) != []


@pytest.mark.parametrize("kind", ["kubernetes", "etcd"])
def test_a_host_that_comes_back_with_a_ca_that_was_replaced_here_is_repaired(living, kind):
    """It was set back to a snapshot of its disk, for instance."""
    world = living()
    name = "worker-1" if kind == "kubernetes" else "controller-1"
    old, before = rotation(world, kind).newer, copy.deepcopy(world.hosts[name].disk.files)
    rotate(world, kind)
    world.hosts[name].disk.files = before
    world.use(world.cluster)
    assert everywhere(world, old) != [] and findings(world.inputs()) == []
    world.run()
    assert settled(world) and everywhere(world, old) == []
    assert {facts.authority for facts in world.facts.values()} == {authority(world.credentials.mark())}


# Where it stops.


def test_no_step_is_taken_when_another_run_has_the_cluster_by_now(living, monkeypatch):
    """This computer has slept while it waited."""
    world = living("single")

    def lost(self) -> None:
        if rotation(world, "etcd").stage is Stage.TRUST:
            raise InUseError("another run is at work")

    def gate(known, now, choice) -> None:
        monkeypatch.setattr(Permission, "require", lost)

    monkeypatch.setattr(gates, "before_signing", gate)
    with pytest.raises(InUseError):
        rotate(world, "etcd")
    assert rotation(world, "etcd").stage is Stage.TRUST


def test_whatever_else_differs_by_now_stops_it_also_in_the_middle(living, monkeypatch):
    """Somebody has edited the inventory, or a host, since: that is not what was asked for."""
    world = living("single")
    stopped(world, monkeypatch, "before_signing")
    world.hosts["all-in-one"].disk.write("/var/lib/kubelet/config.yaml", b"other", "600")
    writes = len(world.log)
    with pytest.raises(DriftError) as refusal:
        rotate(world, "etcd")
    assert "hardway bootstrap" in refusal.value.hint and len(world.log) == writes
    world.use(world.cluster)
    world.run()
    rotate(world, "etcd")
    assert settled(world) and rotation(world, "etcd").stage is Stage.NONE


def test_a_pair_that_does_not_belong_together_stops_it_before_anything_is_changed(living):
    world = living("single")
    key, other = (new_key("ecdsa-p256") for _ in range(2))
    world.store.create("pki/etcd-ca.next.crt", certificate_pem(issue_ca("brought", key, 100)))
    world.store.create("pki/etcd-ca.next.key", key_pem(other))
    with pytest.raises(PkiError, match=r"is not the key of .*etcd-ca\.next\.crt"):
        rotate(world, "etcd")
    assert world.log == []


def test_a_ca_that_somebody_brings_comes_in_the_place_of_the_old_one(living):
    world = living("single")
    key = new_key("ecdsa-p256")
    mine = certificate_pem(issue_ca("brought", key, 100))
    world.store.create("pki/ca.next.crt", mine)
    world.store.create("pki/ca.next.key", key_pem(key))
    rotate(watched(world), "kubernetes")
    assert settled(world) and world.credentials.over(world.store).ca() == mine


def test_a_host_that_does_not_answer_stops_it_before_anything_is_changed(living):
    world = living()
    world.away = {"worker-1"}
    with pytest.raises(ConnectionFailed) as refusal:
        rotate(world, "kubernetes")
    assert "hardway certs rotate-ca kubernetes INV" in refusal.value.hint
    assert world.log == [] and rotation(world, "kubernetes").stage is Stage.NONE


def test_two_rotations_are_not_mixed(living):
    world = living("single")
    rotation(world, "etcd").begin(world.cluster.pki)
    with pytest.raises(UsageError) as refusal:
        rotate(world, "kubernetes")
    assert "hardway certs rotate-ca etcd INV" in refusal.value.hint


def test_hosts_that_differ_otherwise_are_repaired_first(living):
    world = living("single")
    world.hosts["all-in-one"].disk.write("/var/lib/kubelet/config.yaml", b"other", "600")
    with pytest.raises(DriftError):
        rotate(world, "etcd")
    assert rotation(world, "etcd").stage is Stage.NONE


def test_a_ca_whose_key_is_elsewhere_is_not_rotated_here(living):
    world = living("single")
    del world.store._written["pki/front-proxy-ca.key"]
    with pytest.raises(PkiError) as refusal:
        rotate(world, "front-proxy")
    assert "front-proxy-ca.key" in refusal.value.hint


def shop(world: World, owner: str = "Deployment") -> None:
    """A pod of somebody's, which was started before anything is rotated."""
    meta = {"name": "web-1", "namespace": "shop"}
    if owner:
        meta["ownerReferences"] = [{"kind": owner, "name": "web", "controller": True}]
    volume = {"projected": {"sources": [{"configMap": {"name": workloads.ROOT}}]}}
    running = {"state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    status = {"phase": "Running", "startTime": "2026-01-01T00:00:00Z", "containerStatuses": [running]}
    spec = {"nodeName": "worker-0", "volumes": [volume]}
    pod = {"kind": "Pod", "metadata": meta, "spec": spec, "status": status}
    world.objects.save("/api/v1/namespaces/shop/pods/web-1", pod)
    if owner:
        template = {"metadata": {"annotations": {}}, "spec": {}}
        deployment = {"kind": owner, "metadata": {"name": "web", "namespace": "shop"}, "spec": {"template": template}}
        world.objects.save("/apis/apps/v1/namespaces/shop/deployments/web", deployment)


def test_pods_that_may_not_trust_the_new_ca_stop_it_until_somebody_decides(living, monkeypatch):
    world = living()
    shop(world)
    with pytest.raises(NotReadyError) as refusal:
        rotate(world, "kubernetes")
    assert "Deployment shop/web: 1" in refusal.value.evidence and "--workloads restart" in refusal.value.hint
    assert rotation(world, "kubernetes").stage is Stage.TRUST and settled(world)
    restarted = []

    def restart(api, owner):
        restarted.append(str(owner))
        real(api, owner)
        world.objects.by_path["/api/v1/namespaces/shop/pods/web-1"]["status"]["startTime"] = now()

    real = workloads.restart
    monkeypatch.setattr(workloads, "restart", restart)
    rotate(watched(world), "kubernetes", "restart")
    assert set(restarted) == {"Deployment kube-system/coredns", "Deployment shop/web"}
    assert rotation(world, "kubernetes").stage is Stage.NONE


def test_pods_that_nothing_replaces_are_named(living):
    world = living()
    shop(world, owner="")
    with pytest.raises(NotReadyError) as refusal:
        rotate(world, "kubernetes", "restart")
    assert "Pod shop/web-1: 1" in refusal.value.evidence
    rotate(watched(world), "kubernetes", "leave")
    assert rotation(world, "kubernetes").stage is Stage.NONE


def test_the_list_for_aggregated_api_servers_loses_the_old_ca(living):
    world = living()
    old = world.credentials.ca("front-proxy-ca")
    world.live.kube().get(EXTENSIONS)
    rotate(world, "front-proxy")
    there = world.live.kube().get(EXTENSIONS)["data"]["requestheader-client-ca-file"].encode()
    assert there == world.credentials.over(world.store).ca("front-proxy-ca") and old not in there


def test_tokens_without_an_end_stop_it_before_they_are_refused(living):
    world = living("single")
    made = token(world.credentials.service_account().private.reveal(), "issuer", Account("shop", "ci", "1"))
    meta = {"name": "ci", "namespace": "shop"}
    secret = {"kind": "Secret", "type": "kubernetes.io/service-account-token", "metadata": meta, "data": {}}
    secret["data"]["token"] = b64encode(made.reveal()).decode()
    world.objects.save("/api/v1/namespaces/shop/secrets/ci", secret)
    with pytest.raises(NotReadyError) as refusal:
        rotate(world, "service-account")
    assert refusal.value.evidence == "shop/ci" and "kubectl -n NAMESPACE patch secret NAME" in refusal.value.hint
    assert rotation(world, "service-account").stage is Stage.SIGN and settled(world)
    world.objects.by_path.pop("/api/v1/namespaces/shop/secrets/ci")
    rotate(world, "service-account")
    assert rotation(world, "service-account").stage is Stage.NONE


def test_a_key_is_kept_until_its_last_token_has_expired(living, monkeypatch):
    monkeypatch.setattr(MemoryProbes, "q_lived", lambda self, name: "600" if self._active(name) else "")
    world = living("single")
    with pytest.raises(NotReadyError) as refusal:
        rotate(world, "service-account")
    assert "52 minutes until the tokens of the old key have expired" in refusal.value.waited_for
    assert rotation(world, "service-account").stage is Stage.SIGN and settled(world)


@pytest.mark.parametrize("kind", EVERY)
def test_an_old_one_that_is_still_accepted_is_not_gone(living, monkeypatch, kind):
    world = living("single")
    monkeypatch.setattr(refused, "answer", lambda known, host, asked: (200, "welcome"))
    with pytest.raises(NotReadyError) as refusal:
        rotate(world, kind)
    assert "accepts the old one: 200 welcome" in refusal.value.evidence
    assert rotation(world, kind).stage is Stage.DROP, "it is asked again by the same command"


@pytest.mark.parametrize("kind", EVERY)
def test_a_refusal_of_everybody_proves_nothing(living, monkeypatch, kind):
    world = living("single")
    monkeypatch.setattr(refused, "answer", lambda known, host, asked: (401, "Unauthorized"))
    with pytest.raises(NotReadyError) as refusal:
        rotate(world, kind)
    assert "refuses the new one: 401 Unauthorized" in refusal.value.evidence


# Planned, and told.


def test_the_plan_shows_the_next_stage_and_writes_nothing(living):
    world = living()
    files = dict(world.store._written)
    plan, _ = rotating.foresee(MemorySession.on(world).looking(), "kubernetes")
    planned = {(one.host, one.resource) for one in plan.changes}
    assert ("lb", "file /etc/haproxy/ca.crt") in planned and ("worker-0", "unit kubelet.service") in planned
    assert world.store._written == files and world.log == []


def test_the_plan_in_the_middle_is_that_of_the_next_stage_and_names_the_pods(living):
    world = living()
    shop(world)
    said = lambda: planned(world)[1]  # noqa: E731
    assert "stage 1 of 3" in said() and "--workloads decides about Deployment shop/web: 1 pod" in said()
    with pytest.raises(NotReadyError):
        rotate(world, "kubernetes")
    files, before = dict(world.store._written), len(world.log)
    changed, told = planned(world)
    assert "stage 2 of 3" in told and ("controller-0", "file /etc/kubernetes/pki/ca-signing.crt") in changed
    assert ("worker-0", "file /etc/kubernetes/pki/ca.crt") not in changed, "both are trusted already"
    assert world.store._written == files and len(world.log) == before


def planned(world: World) -> tuple[set[tuple[str, str]], str]:
    """(host, resource) of what a plan shows, and what it says besides."""
    on = MemorySession.on(world)
    plan, _ = rotating.foresee(on.looking(), "kubernetes")
    return {(one.host, one.resource) for one in plan.changes}, on.said.getvalue()


def test_how_far_the_keys_of_tokens_are(living):
    world = living()
    look = lambda: standing.standings(MemorySession.on(world).looking(), ["service-account"])[0]  # noqa: E731
    assert look().left == look().unknown == () and look().stage == "none"
    rotation(world, "service-account").begin(world.cluster.pki)
    assert [line.partition(":")[0] for line in look().left] == [host.name for host in world.cluster.control_plane]
    world.live.give_up("controller-1", ConnectionFailed("does not answer within 10 s", "controller-1"))
    assert look().unknown == ("controller-1: /etc/kubernetes/pki/sa.pub",)


def test_how_far_it_is_comes_from_the_state_directory_and_the_hosts(living, monkeypatch):
    world = living()
    look = lambda: standing.standings(MemorySession.on(world).looking(), ["kubernetes"])[0]  # noqa: E731
    before = look()
    assert before.stage == "none" and before.old == "" and before.left == () and "CN=kubernetes-ca" in before.new
    shop(world)
    with pytest.raises(NotReadyError):
        rotate(world, "kubernetes")
    after = look()
    assert after.stage == "trust" and after.left == () and after.old == before.new
    file = "/etc/kubernetes/pki/ca.crt"
    world.hosts["worker-1"].disk.write(file, world.hosts["worker-1"].disk.read(file)[:-40])
    assert look().left == (f"worker-1: {file}",)
    world.live.give_up("worker-0", ConnectionFailed("does not answer within 10 s", "worker-0"))
    assert any(line.startswith("worker-0: ") for line in look().unknown)
    assert "next: hardway certs rotate-ca kubernetes lab.yaml" in standing.as_text([look()], "lab.yaml")
    assert trusted(world, "/etc/haproxy/ca.crt")["lb"][0] == "CN=kubernetes-ca"
