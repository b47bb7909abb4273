"""A cluster whose etcd data is gone is never replaced by an empty one unless that was asked for, and no other cluster
is taken for it."""

from __future__ import annotations

import dataclasses
import functools
import threading
from ipaddress import IPv4Address

import pytest
from fakes.memory_session import MemorySession
from fakes.world import Killed, World

from hardway.cluster import Host, Role
from hardway.commands.bootstrap import bootstrap
from hardway.commands.doctor import examine, to_json, to_text
from hardway.commands.doctor.patient import Patient
from hardway.commands.reset import reset
from hardway.commands.verify import verify
from hardway.errors import (
    ClusterLostError,
    ConnectionFailed,
    OtherClusterError,
    PkiError,
    QuorumError,
    RemoteCommandError,
    UsageError,
)
from hardway.living import Founded
from hardway.phases import PHASES
from hardway.plans import look
from hardway.preflight import continuity
from hardway.run.selection import Selection
from hardway.state.store import FOUNDED

pytestmark = pytest.mark.slow

ALL = Selection()
PLANES = ("controller-0", "controller-1", "controller-2")


@pytest.fixture(autouse=True)
def asked_afterwards(monkeypatch):
    """What lives after a run is asked of the world as well."""
    monkeypatch.setattr("hardway.commands.bootstrap.building.what_lives", lambda live: live.world.lives, raising=True)


def build(world: World, **options) -> list:
    world.live.world = world
    return bootstrap(MemorySession.on(world), options.pop("selection", ALL), **options)


@pytest.fixture
def lived(bare):
    """lived(NAME): a cluster that was built, bound, and has an object of a user's in it."""

    def make(name: str = "lab") -> World:
        world = bare(name)
        build(world)
        world.objects.save("/api/v1/namespaces/default/configmaps/canary", {"kind": "ConfigMap"})
        world.log.clear()
        return world

    return make


def bound(world: World) -> Founded | None:
    return Founded.read(world.store)


def refused(world: World, kind: type[QuorumError] = ClusterLostError, **options) -> QuorumError:
    """What bootstrap and plan say, one as the other; nothing is written anywhere."""
    before = world.digest()
    with pytest.raises(kind) as caught:
        build(world, **options)
    with pytest.raises(kind) as planned:
        look(MemorySession.on(world), options.get("selection", ALL))
    assert str(planned.value) == str(caught.value) and planned.value.evidence == caught.value.evidence
    assert world.log == [] and world.digest() == before
    assert caught.value.exit_code == 9
    return caught.value


def test_a_bootstrap_binds_what_it_has_founded(lived):
    world = lived()
    assert (bound(world).uid, bound(world).etcd) == (world.founding, "e7cd")
    assert not any(step.changes for step in build(world))


@pytest.mark.parametrize("lose", ["reinstall", "empty_etcd"])
@pytest.mark.parametrize("kept", [True, False], ids=["bound", "not-bound"])
def test_lost_data_is_not_replaced_by_an_empty_cluster(lived, lose, kept):
    """The machines were reinstalled, or etcd's folder was deleted; the state directory may be an older copy."""
    world = lived()
    if not kept:
        world.store.discard(FOUNDED)
    getattr(world, lose)(*PLANES)
    error = refused(world)
    day = f"on {bound(world).on}" if kept else "before"
    assert error.message == f"this cluster was created {day}; its etcd data is gone from every member that answers"
    assert "no etcd data: controller-0, controller-1, controller-2" in error.evidence
    assert "the kubelet of worker-0, worker-1" in error.evidence
    assert error.hint.endswith("hardway bootstrap INV --found-anew lab")


def test_a_machine_that_is_the_whole_cluster_was_reinstalled(lived):
    world = lived("single")
    world.reinstall("all-in-one")
    assert "recorded in" in refused(world).evidence


def test_members_that_do_not_answer_may_have_the_data(lived):
    world = lived()
    world.reinstall("controller-0")
    world.away = {"controller-1", "controller-2"}
    limited = Selection(limit=("controller-0", "worker-0"))
    error = refused(world, selection=limited)
    assert "no etcd data: controller-0\n" in error.evidence
    assert "no answer, may have the data: controller-1, controller-2" in error.evidence
    assert "bring a member back with its data (controller-1, controller-2)" in error.hint


def test_nothing_follows_from_members_of_which_none_answers(lived):
    world = lived()
    world.away = set(PLANES)
    assert continuity.fault(world.inputs()) is None
    with pytest.raises(RemoteCommandError, match="the API cannot be reached"):
        build(world, selection=Selection(limit=("worker-0",)))


def test_one_member_without_data_is_no_lost_cluster(lived):
    world = lived()
    world.reinstall("controller-1")
    assert continuity.fault(world.inputs()) is None


def moved(world: World, *names: str) -> None:
    """An inventory in which other machines are the etcd hosts."""
    hosts = tuple(host for host in world.cluster.hosts if not host.is_(Role.ETCD))
    new = (Host(name, IPv4Address(f"10.240.0.{200 + n}"), frozenset({Role.ETCD})) for n, name in enumerate(names))
    former = (
        dataclasses.replace(host, roles=host.roles - {Role.ETCD})
        for host in world.cluster.hosts
        if host.is_(Role.ETCD) and host.roles > {Role.ETCD}
    )
    world.use(dataclasses.replace(world.cluster, hosts=(*hosts, *former, *new)))


@pytest.mark.parametrize("kept", [True, False], ids=["bound", "not-bound"])
def test_etcd_hosts_with_other_names_found_no_second_cluster(lived, kept, monkeypatch):
    """The API servers still run, on the members that the inventory no longer names."""
    world = lived()
    uid = bound(world).uid
    if not kept:
        world.store.discard(FOUNDED)
    for name in PLANES:  # whatever they run as etcd is no matter of the inventory's any more
        world.hosts[name].systemd.units.pop("etcd.service")
    moved(world, "etcd-a", "etcd-b", "etcd-c")
    monkeypatch.setattr(type(world.live), "_apiserver", lambda live, host: "")
    error = refused(world)
    assert f"the API still answers; the UID of kube-system is {uid}" in error.evidence
    assert "put the hosts back into INV on which its etcd runs" in error.hint
    with pytest.raises(QuorumError, match="the cluster is not lost: the API still answers"):
        build(world, anew="lab")


def test_etcd_that_runs_on_deleted_files_is_to_be_saved_first(lived):
    world = lived()
    for name in PLANES:
        world.hosts[name].disk.remove_tree("/var/lib/etcd/member")
    error = refused(world)
    assert "etcd still runs, though its data directory is gone" in error.evidence
    assert error.hint.startswith("save a snapshot before etcd stops")
    with pytest.raises(QuorumError, match="the cluster is not lost: etcd still runs"):
        build(world, anew="lab")


def test_hosts_are_made_ready_for_a_backup(lived):
    """Programs and the mark are needed before a snapshot can be restored; they found nothing."""
    world = lived()
    world.reinstall(*PLANES)
    build(world, selection=Selection(until="binaries"))
    assert "/usr/local/bin/etcdutl" in world.hosts["controller-0"].disk.files
    assert world.facts["controller-0"].cluster == "lab"
    refused_again = pytest.raises(ClusterLostError)
    with refused_again:
        build(world)
    with pytest.raises(ClusterLostError):
        build(world, selection=Selection(until="etcd-members"))


@pytest.mark.parametrize("phase", [phase.name for phase in PHASES])
def test_no_phase_alone_gets_by(lived, phase):
    world = lived()
    world.reinstall(*PLANES)
    names = [phase.name for phase in PHASES]
    ready = names[: names.index("etcd-members")]
    only = Selection(only=(phase,))
    if phase in ready:
        build(world, selection=only)
    else:
        refused(world, selection=only)


def test_an_api_server_alone_proves_nothing_but_a_silent_worker_may_know(bare):
    """A run that died between an API server's unit and etcd's first write is completed, unless a worker that does not
    answer may have been a node."""
    world = bare("ha")
    world.death = lambda target, op: op.verb == "start" and op.args[:1] == ("etcd.service",)
    with pytest.raises(Killed):
        world.run()
    world.revive()
    [plane, *_] = world.cluster.control_plane
    world.hosts[plane.name].survey["service_cidr"] = str(world.cluster.network.service_cidr)
    assert continuity.fault(world.inputs()) is None
    world.away = {world.cluster.workers[0].name}
    fault = continuity.fault(world.inputs())
    assert f"{world.cluster.workers[0].name} may have been a node: no answer" in fault.evidence


def test_a_bootstrap_that_died_before_etcd_was_born_is_completed(bare):
    world = bare("lab")
    world.death = lambda target, op: op.verb == "start" and op.args[:1] == ("etcd.service",)
    world.live.world = world
    with pytest.raises(Killed):
        build(world)
    world.revive()
    assert bound(world) is None
    build(world)
    assert bound(world).uid == world.founding


# Another cluster than the one that was founded.


def another(world: World) -> None:
    """The same hosts with a second cluster on them, which has the same names and so the same id of etcd."""
    world.founded += 1


def test_another_cluster_is_the_first_thing_that_is_said(lived):
    world = lived()
    another(world)
    error = refused(world, OtherClusterError)
    assert error.message.startswith(f"this is another cluster than the one that was created on {bound(world).on}")
    assert "cluster-1" in error.evidence and "the hosts say: cluster-2" in error.evidence
    assert f"mv {world.store.where(FOUNDED)}" in error.hint


def test_another_cluster_is_refused_for_every_selection(lived):
    world = lived()
    another(world)
    refused(world, OtherClusterError, selection=Selection(until="binaries"))


def test_the_uid_decides_and_where_nobody_knows_it_the_id_of_etcd(lived):
    world = lived()
    known = world.inputs()
    restored = dataclasses.replace(known.lives, etcd="another")
    assert continuity.fault(dataclasses.replace(known, lives=restored)) is None
    without_api = dataclasses.replace(restored, uid="")
    assert isinstance(continuity.fault(dataclasses.replace(known, lives=without_api)), OtherClusterError)
    silent = dataclasses.replace(without_api, etcd="")
    assert continuity.fault(dataclasses.replace(known, lives=silent)) is None


# What the other commands say.


@pytest.mark.parametrize("harm", [lambda world: world.reinstall(*PLANES), another], ids=["lost", "another"])
def test_verify_and_doctor_say_it_first_and_give_no_advice_that_would_do_harm(lived, harm):
    world = lived()
    harm(world)
    world.live.world = world
    expected = continuity.fault(world.inputs()).message
    [(check, outcome)] = verify(MemorySession.on(world), ())
    assert (check.name, outcome.status) == ("same-cluster", "failed") and expected in outcome.detail
    seen = examine(MemorySession.on(world))
    assert seen.causes[0].finding.what == expected and seen.exit_code == 7
    assert "hardway bootstrap" not in to_text(seen, verbose=True) + to_json(seen)
    assert "hardway plan INV" in to_text(seen)


def test_doctor_finds_a_machine_that_is_the_whole_cluster_not_merely_unbuilt(lived):
    world = lived("single")
    world.reinstall("all-in-one")
    seen = examine(MemorySession.on(world))
    assert [cause.finding.name for cause in seen.causes] == ["cluster-identity"]


def test_doctor_lives_with_a_record_that_is_damaged(lived):
    world = lived()
    world.store.discard(FOUNDED)
    world.store.create(FOUNDED, b"{}")
    patient = Patient(MemorySession.on(world))
    assert "is damaged" in patient.state_fault.message and patient.inputs.founded is None
    with pytest.raises(PkiError, match="damaged"):
        build(world)


# Creating it again, on the operator's word.


def test_the_cluster_is_created_again_when_its_name_is_typed(lived):
    world = lived()
    world.reinstall(*PLANES)
    build(world, anew="lab")
    assert bound(world).uid == world.founding == "cluster-2"
    nodes = {path for path in world.objects.by_path if path.startswith("/api/v1/nodes/")}
    assert nodes == {"/api/v1/nodes/worker-0", "/api/v1/nodes/worker-1"}, "kubelets register when they start"
    assert world.outdated() == [] and not any(step.changes for step in build(world))


@pytest.mark.parametrize("typed", ["labs", "", "single"])
def test_another_name_is_a_mistake(lived, typed):
    world = lived()
    world.reinstall(*PLANES)
    with pytest.raises(UsageError):
        build(world, anew=typed)
    assert world.log == [] and bound(world)


@pytest.mark.parametrize(
    "selection",
    [Selection(only=("etcd",)), Selection(skip=("prepare",)), Selection(limit=("controller-0", "worker-0"))],
    ids=str,
)
def test_a_part_of_a_cluster_is_not_created_again(lived, selection):
    world = lived()
    world.reinstall(*PLANES)
    with pytest.raises(UsageError, match="a new cluster takes all phases"):
        build(world, anew="lab", selection=selection)
    assert world.log == [] and bound(world)


def test_a_cluster_that_lives_is_not_created_again(lived):
    world = lived()
    before = bound(world)
    with pytest.raises(QuorumError, match="the cluster is not lost: controller-0") as caught:
        build(world, anew="lab")
    assert world.log == [] and bound(world) == before and caught.value.exit_code == 9


def test_one_member_that_has_the_data_keeps_the_cluster(lived):
    world = lived()
    world.reinstall("controller-0", "controller-1")
    world.hosts["controller-2"].systemd.unit("etcd.service").active = "inactive"
    with pytest.raises(QuorumError, match="the cluster is not lost: controller-2"):
        build(world, anew="lab")


def test_a_member_that_does_not_answer_keeps_it_too(lived):
    world = lived()
    world.reinstall(*PLANES)
    world.away = {"controller-2"}
    with pytest.raises(ConnectionFailed):
        build(world, anew="lab")
    with pytest.raises(QuorumError, match="controller-2 may have its etcd data, and does not answer"):
        continuity.require_gone(world.inputs())
    assert world.log == [] and bound(world)


def test_a_plan_of_the_new_cluster_changes_nothing(lived):
    world = lived()
    world.empty_etcd(*PLANES)
    plan, _ = look(MemorySession.on(world), ALL, anew=True)
    env = [change for change in plan.changes if change.resource == "file /etc/etcd/etcd.env"]
    assert env and world.log == [] and bound(world)


@pytest.mark.parametrize("lose", ["reinstall", "empty_etcd"])
@pytest.mark.parametrize("moment", range(0, 260, 29))
def test_a_creation_that_dies_is_completed(lived, lose, moment):
    """By the same command as long as nothing has come of it, by a plain bootstrap from then on."""
    world = lived()
    getattr(world, lose)(*PLANES)
    count = [0]

    def death(target, op) -> bool:
        count[0] += 1
        return count[0] == moment + 1

    world.death = death
    try:
        build(world, anew="lab")
    except Killed:
        world.revive()
        try:
            build(world, anew="lab")
        except QuorumError as error:
            assert "continues with that data" in error.hint
            build(world)
    assert bound(world).uid == world.founding and world.outdated() == []
    assert not any(step.changes for step in world.plan())


def test_members_of_a_new_cluster_are_not_added_to_its_first_one(lived):
    """A run that dies when one member has data, and another still says that it belonged to the lost cluster: that one
    must start with the first, which has no quorum to be added by."""
    world = lived()
    world.empty_etcd(*PLANES)
    begun = threading.Event()
    first = world.hosts["controller-0"]
    start = first.w_start

    def started(name: str, how: str) -> None:
        start(name, how)
        if name == "etcd.service":
            begun.set()

    first.w_start = started
    for name in PLANES[1:]:
        world.hosts[name].w_put = functools.partial(dies_with_etcd, world, begun, world.hosts[name].w_put)
    with pytest.raises(Killed):
        build(world, anew="lab")
    for name in PLANES:
        for patched in {"w_put", "w_start"} & vars(world.hosts[name]).keys():
            delattr(world.hosts[name], patched)
    world.revive()
    assert [name for name in PLANES if world.facts[name].etcd_data] == ["controller-0"]
    build(world)
    assert all(member.started for member in world.membership.members())
    assert bound(world).uid == world.founding


def dies_with_etcd(world: World, begun: threading.Event, put, path: str, *rest, **content) -> None:
    """The power goes as soon as another host has data."""
    if path == "/etc/etcd/etcd.env":
        assert begun.wait(30)
        world.dead = True
        raise Killed
    put(path, *rest, **content)


# Deliberate ends.


@pytest.mark.parametrize("keep_pki", [True, False])
def test_a_reset_of_the_whole_cluster_forgets_it(lived, keep_pki, monkeypatch):
    world = lived()
    session = MemorySession.on(world)
    monkeypatch.setattr(type(world.store), "remove", lambda store, keep: store.discard(FOUNDED), raising=False)
    reset(session, session_hosts(world), keep_pki)
    assert bound(world) is None
    world.forgotten()
    build(world)
    assert bound(world).uid == "cluster-2"


def test_a_reset_of_some_hosts_keeps_it(lived):
    world = lived()
    reset(MemorySession.on(world), frozenset({"worker-0"}), True)
    assert bound(world)


def session_hosts(world: World) -> frozenset[str]:
    return ALL.hosts(world.cluster)
