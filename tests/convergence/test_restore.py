"""`hardway etcd restore` on a cluster in memory: the order, what is kept, and a run that dies before any write."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import bolt_file
from fakes.memory_session import MemorySession
from fakes.world import Killed, World
from test_death import moments, same, whole

from hardway.commands.bootstrap import bootstrap
from hardway.commands.certs.rotation import rotating as replacing
from hardway.commands.encryption import rotating
from hardway.commands.etcd import restore
from hardway.commands.etcd.restore import Wanted
from hardway.errors import (
    ClusterLostError,
    ConnectionFailed,
    NotReadyError,
    OtherClusterError,
    PreflightError,
    QuorumError,
    SnapshotError,
    UnreadableError,
    UsageError,
)
from hardway.etcd import sidecar, snapshot
from hardway.facts import authority
from hardway.living import Founded, Lives
from hardway.living.extensions import listed
from hardway.living.restoration import ongoing
from hardway.phases.restoring import starting
from hardway.pki.reading import parsed
from hardway.pki.rotation import Rotation
from hardway.run.selection import Selection
from hardway.snapshots import fit

pytestmark = pytest.mark.slow

PLANES = ("controller-0", "controller-1", "controller-2")
WORKERS = ("worker-0", "worker-1")
THEN = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.UTC)
ID = "20261130T120000Z"
OLD, NEW = "/api/v1/namespaces/default/configmaps/old", "/api/v1/namespaces/default/configmaps/new"


@pytest.fixture(autouse=True)
def asked_afterwards(monkeypatch):
    """What lives after a run is asked of the world as well, and the clock stands still; checks need real hosts."""
    monkeypatch.setattr("hardway.snapshots.restoring.what_lives", lambda live: live.world.lives)
    monkeypatch.setattr(restore, "now", lambda: THEN)
    monkeypatch.setattr(restore, "prove", lambda known, lives: None)
    monkeypatch.setattr("hardway.commands.bootstrap.building.what_lives", lambda live: live.world.lives)


def taken(world: World, path: Path, *values: bytes, **about) -> Path:
    """A snapshot of what the world has now, with its sidecar."""
    bolt_file.write(path, world.founding.encode(), *values, last=1000)
    found = snapshot.read(path)
    world.save(found.sha256)
    said = {"cluster": world.cluster.name, "taken": "2026-11-28T12:00:00+00:00", "member": "controller-1",
            "revision": found.revision, "size": found.size, "sha256": found.sha256, "etcd": "3.7.3", "storage": "3.7.0",
            "kubernetes": world.cluster.versions.kubernetes, "cluster_id": "c1", "uid": world.founding,
            "ca": authority(world.credentials.ca()), "tokens": authority(world.credentials.service_account().public),
            "keys": tuple(world.credentials.encryption_keys().values())}  # fmt: skip
    sidecar.beside(path).write_bytes(sidecar.Sidecar(**{**said, **about}).json())
    return path


@pytest.fixture
def lived(bare, tmp_path):
    """lived(NAME): a cluster that was built and has an object; a snapshot of that; and an object since."""

    def make(name: str = "lab", **about) -> tuple[World, Path]:
        world = bare(name)
        world.live.world = world
        bootstrap(MemorySession.on(world), Selection())
        world.objects.save(OLD, {"kind": "ConfigMap"})
        path = taken(world, tmp_path / f"{name}.db", **about)
        world.objects.save(NEW, {"kind": "ConfigMap"})
        world.membership.revision = 5000
        world.log.clear()
        return world, path

    return make


def run(world: World, path: Path | None, **options) -> str:
    world.live.world = world
    session = MemorySession.on(world)
    restore.restore(session, Wanted(path, **options))
    return session.said.getvalue()


def acts(world: World, *verbs: str) -> list[tuple[str, str]]:
    return [(target, str(op)) for target, op in world.log if op.verb in verbs]


def place(world: World, target: str, act: str) -> int:
    return [(one, str(op)) for one, op in world.log].index((target, act))


def healthy(world: World) -> None:
    """Everything runs, with the files that are there, and bootstrap finds nothing to do."""
    assert world.outdated() == []
    for host in world.cluster.hosts:
        units = world.hosts[host.name].systemd.units.items()
        stopped = {name for name, unit in units if unit.starts and unit.active != "active"}
        assert not stopped & {"etcd.service", "kube-apiserver.service", "kube-controller-manager.service"}, host.name
    assert not any(step.changes for step in world.plan()), "bootstrap has something to do"


def test_the_snapshot_is_what_the_cluster_has_afterwards(lived):
    world, path = lived()
    before = Founded.read(world.store)
    text = run(world, path)
    assert OLD in world.objects.by_path and NEW not in world.objects.by_path
    healthy(world)
    after = Founded.read(world.store)
    assert (after.uid, after.on) == (before.uid, before.on) and after.etcd == f"{world.membership.id:x}" != before.etcd
    assert ongoing(world.facts) == ()
    assert (
        "all that was written since revision 1000 is lost" in text
        and "taken 2026-11-28T12:00:00+00:00 (2 days ago)" in text
    )
    for name in PLANES:
        disk = world.hosts[name].disk
        assert f"/var/lib/etcd/before-{ID}/member" in disk.dirs, "what was there is kept"
        assert disk.read("/var/lib/etcd/member/restored").decode().split() == [ID, snapshot.read(path).sha256]


def test_everything_is_stopped_before_any_data_is_touched_and_started_in_order(lived):
    world, path = lived()
    run(world, path)
    asides = [place(world, name, f"aside {ID}") for name in PLANES]
    for name in PLANES:
        controllers = [place(world, name, f"stop {unit}.service") for unit in
                       ("kube-controller-manager", "kube-scheduler", "kube-apiserver")]  # fmt: skip
        assert controllers == sorted(controllers)
        assert max(controllers) < min(place(world, other, "stop etcd.service") for other in PLANES)
        assert place(world, name, "stop etcd.service") < min(asides)
        note = next(index for index, (target, op) in enumerate(world.log) if target == name and op.verb == "note")
        assert note < min(controllers), "what has begun is noted before anything is stopped"
    restored = [index for index, (_, op) in enumerate(world.log) if op.verb == "restore"]
    starts = {unit: [index for index, (_, op) in enumerate(world.log) if str(op).startswith(f"start {unit}.service")]
              for unit in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")}  # fmt: skip
    assert max(restored) < min(starts["etcd"]) and max(starts["etcd"]) < min(starts["kube-apiserver"])
    assert max(starts["kube-apiserver"]) < min(starts["kube-controller-manager"] + starts["kube-scheduler"])
    for unit in ("kubelet", "kube-proxy"):
        assert Counter(acts(world, "restart"))[WORKERS[0], f"restart {unit}.service queue"] == 1
        assert place(world, WORKERS[0], f"restart {unit}.service queue") > max(starts["kube-scheduler"])
    assert [target for target, op in world.log if op.verb == "dropnote"][-1] in PLANES


def test_all_members_get_the_same_snapshot_and_are_a_cluster_of_their_own(lived):
    world, path = lived()
    run(world, path)
    words = [op.args for _, op in world.log if op.verb == "restore"]
    assert len(words) == 3 and len({(one[0], one[1], *one[4:]) for one in words}) == 1
    restore_, sha256, name, url, members, token, bump = words[0]
    assert (restore_, sha256, token) == (ID, snapshot.read(path).sha256, f"lab-{ID}")
    assert f"{name}={url}" in members and members.count("=") == 3
    assert int(bump) == int(THEN.timestamp()) * 1000 - 1000, "clients never see a revision again"


def test_dns_is_made_to_look_again_once(lived):
    world, path = lived()
    run(world, path)
    [patch] = [op for target, op in world.log if "PATCH" in op.verb and "deployments/coredns" in op.verb]
    deployment = world.objects.by_path["/apis/apps/v1/namespaces/kube-system/deployments/coredns"]
    assert deployment["spec"]["template"]["metadata"]["annotations"]["hardway.io/restarted"] == ID
    assert patch


@pytest.mark.parametrize("name", ["lab", "single", "ha"])
def test_a_restore_that_dies_is_completed_by_the_next(lived, name):
    """Whatever the write before which it dies: the same cluster, and nothing of the old data lost."""
    start, path = lived(name)
    start.live.world = start
    world = start.copy()
    run(world, path)
    wanted, todo = world.digest(), moments(world, 1 if name == "single" else 3, whole)
    for target, moment in todo:
        victim = start.copy()
        seen: Counter[str] = Counter()

        def death(where, op, seen=seen, target=target, moment=moment) -> bool:
            seen[where] += whole(op)
            return where == target and whole(op) and seen[where] == moment + 1

        victim.death = death
        with pytest.raises(Killed):
            run(victim, path)
        assert victim.dead
        victim.revive()
        run(victim, path)
        assert same(victim.digest(), wanted), f"killed before write {moment} on {target}"
        assert ongoing(victim.facts) == () and NEW not in victim.objects.by_path
        healthy(victim)
    assert len(todo) > 10


def test_inside_an_act_it_may_die_too(lived):
    """Between the two renames of the data, and wherever else one act writes twice."""
    start, path = lived("single")
    inner = [index for index, (_, op) in enumerate(_whole_run(start, path)) if "/" in op.verb]
    for moment in inner:
        victim, count = start.copy(), {"left": moment}

        def death(where, op, count=count) -> bool:
            count["left"] -= 1
            return count["left"] < 0

        victim.death = death
        with pytest.raises(Killed):
            run(victim, path)
        victim.revive()
        run(victim, path)
        healthy(victim)
        kept = [name for name in victim.hosts["all-in-one"].disk.dirs if name.endswith("/member") and "before" in name]
        assert kept == [f"/var/lib/etcd/before-{ID}/member"] and NEW not in victim.objects.by_path
    assert len(inner) > 2


def _whole_run(start: World, path: Path) -> list:
    world = start.copy()
    run(world, path)
    return world.log


def interrupted(world: World, path: Path, verb: str, nth: int = 1) -> World:
    """The same cluster where a restore has died before the n-th such act."""
    victim = world.copy()
    return interrupted_by(lambda: run(victim, path), victim, verb, nth)


def interrupted_by(restore: Callable[[], object], victim: World, verb: str, nth: int = 1) -> World:
    """The cluster on which a command has died before the n-th such act."""
    seen: Counter[str] = Counter()

    def death(where, op) -> bool:
        seen[op.verb] += 1
        return op.verb == verb and seen[verb] == nth

    victim.death = death
    with pytest.raises(Killed):
        restore()
    victim.revive()
    victim.live.world = victim
    return victim


def test_on_a_host_that_has_only_just_come_up_nothing_starts_in_between(lived):
    """Its units are in systemd's queue behind a boot that hangs: they are taken out of it."""
    world, path = lived()
    world.hosts["controller-1"].systemd.boots("x-wait-online.service start running 84")
    run(world, path)
    assert ("controller-1", "stop etcd.service") in [(host, str(op)) for host, op in world.log]
    world.hosts["controller-1"].systemd.booted()  # what a restore does not stop
    healthy(world)


def test_while_it_is_half_done_nothing_else_changes_the_cluster(lived):
    start, path = lived()
    victim = interrupted(start, path, "restore", 2)
    before = victim.digest()
    with pytest.raises(PreflightError) as error:
        bootstrap(MemorySession.on(victim), Selection())
    assert "[ERROR Restoring]" in error.value.evidence and "hardway etcd restore INV FILE" in error.value.evidence
    assert victim.digest() == before
    for name in PLANES:
        units = victim.hosts[name].systemd.units
        assert not units["etcd.service"].enabled and not units["kube-apiserver.service"].enabled, (
            "a reboot starts nothing"
        )


def test_another_snapshot_takes_the_place_of_one_that_is_half_restored(lived, tmp_path, monkeypatch):
    start, path = lived()
    victim = interrupted(start, path, "restore", 2)
    other = taken(start, tmp_path / "other.db", b"something else")
    victim.saved, victim.saved_of = dict(start.saved), dict(start.saved_of)
    moved = kept_aside(victim)
    monkeypatch.setattr(restore, "now", lambda: THEN + datetime.timedelta(hours=1))
    run(victim, other)
    healthy(victim)
    assert NEW in victim.objects.by_path and ongoing(victim.facts) == ()
    assert kept_aside(victim) > moved > set(), "the data from before the first restore is still there"


def kept_aside(world: World) -> set[tuple[str, str]]:
    """Each host's folders of data that a restore moved away."""
    dirs = ((name, folder) for name in PLANES for folder in world.hosts[name].disk.dirs)
    return {(name, folder) for name, folder in dirs if "/before-" in folder and folder.endswith("/member")}


def test_the_same_snapshot_can_be_restored_again_later(lived, monkeypatch):
    """A marker of long ago is no reason to do nothing, and the revision goes on."""
    world, path = lived()
    run(world, path)
    world.objects.save(NEW, {"kind": "ConfigMap"})
    world.log.clear()
    later = THEN + datetime.timedelta(days=1)
    monkeypatch.setattr(restore, "now", lambda: later)
    world.membership.revision = int(THEN.timestamp()) * 1000 + 77
    run(world, path)
    assert NEW not in world.objects.by_path
    bumps = {int(op.args[6]) for _, op in world.log if op.verb == "restore"}
    assert bumps == {int(later.timestamp()) * 1000 - 1000}
    kept = [name for name in world.hosts["controller-0"].disk.dirs if name.endswith("/member") and "before" in name]
    assert len(kept) == 2


def test_a_cluster_ahead_of_the_clock_is_still_passed(lived):
    world, path = lived()
    world.membership.revision = 10**16
    run(world, path)
    assert {int(op.args[6]) for _, op in world.log if op.verb == "restore"} == {10**16 + 10**5 - 1000}


def test_on_machines_that_were_all_installed_anew(lived):
    """Programs by bootstrap, the data by the restore, the rest by bootstrap: the ways out that a lost cluster names."""
    world, path = lived()
    world.reinstall(*(host.name for host in world.cluster.hosts))
    world.objects.by_path.clear()
    world.live.world = world
    with pytest.raises(ClusterLostError) as error:
        bootstrap(MemorySession.on(world), Selection())
    assert "hardway etcd restore INV FILE" in error.value.hint
    bootstrap(MemorySession.on(world), Selection(until="binaries"))
    run(world, path)
    bootstrap(MemorySession.on(world), Selection())
    healthy(world)
    assert OLD in world.objects.by_path and NEW not in world.objects.by_path


def test_a_worker_that_was_installed_anew_is_not_waited_for(lived):
    world, path = lived()
    world.reinstall("worker-1")
    run(world, path)
    assert ongoing(world.facts) == ()
    bootstrap(MemorySession.on(world), Selection())
    healthy(world)


# What is refused, and changes nothing.


def refused(world: World, error: type[Exception], path: Path | None, said: str, **options):
    world.live.world = world
    before = world.digest()
    with pytest.raises(error, match=said) as caught:
        restore.look(MemorySession.on(world).looking(), Wanted(path, **options))
    with pytest.raises(error, match=said):
        run(world, path, **options)
    assert world.log == [] and world.digest() == before
    assert caught.value.hint
    return caught.value


def test_a_snapshot_of_another_cluster(lived, tmp_path):
    world, _ = lived()
    path = bolt_file.write(tmp_path / "other.db", b"another cluster's objects")
    error = refused(world, OtherClusterError, path, "is a snapshot of another cluster")
    assert "--of-another-cluster lab" in error.hint and error.exit_code == 9
    refused(world, UsageError, path, "--of-another-cluster lap is not the name", other="lap")
    refused(world, UsageError, path, "is not the name", other="")


def test_it_is_restored_on_the_operators_word_and_the_record_follows(lived, tmp_path):
    world, _ = lived()
    path = bolt_file.write(tmp_path / "other.db", b"another cluster's objects")
    world.saved[snapshot.read(path).sha256], world.saved_of[snapshot.read(path).sha256] = {}, 7
    text = run(world, path, other="lab")
    assert Founded.read(world.store).uid == "cluster-7" and "has no sidecar" in text


def test_a_half_restored_snapshot_of_another_cluster_is_continued(lived, tmp_path):
    """By then the hosts run what the record does not know: that is no reason to stop in the middle."""
    start, _ = lived()
    path = bolt_file.write(tmp_path / "other.db", b"another cluster's objects")
    start.saved[snapshot.read(path).sha256], start.saved_of[snapshot.read(path).sha256] = {}, 7
    victim = start.copy()
    victim.death = lambda where, op: op.verb == "dropnote"
    with pytest.raises(Killed):
        run(victim, path, other="lab")
    victim.revive()
    run(victim, path, other="lab")
    assert Founded.read(victim.store).uid == "cluster-7" and ongoing(victim.facts) == ()


def test_a_damaged_one(lived):
    world, path = lived()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert refused(world, SnapshotError, path, "is damaged").exit_code == 8


def test_one_whose_secrets_nobody_could_read(lived):
    world, path = lived(keys=("secretbox:key1=0000000000000000",))
    error = refused(world, UnreadableError, path, "encrypted with a key that is not in the state directory")
    assert "missing: secretbox:key1" in error.evidence and "encryption/secretbox-key1.key" in error.hint


@pytest.mark.parametrize(("storage", "said"), [(b"3.8.0", "is too new for etcd"), (b"3.5.0", "is too old for etcd")])
def test_one_of_a_format_that_this_etcd_cannot_read(lived, tmp_path, storage, said):
    world, _ = lived()
    path = bolt_file.write(tmp_path / "one.db", world.founding.encode(), about={b"storageVersion": storage})
    refused(world, SnapshotError, path, said)


def test_while_a_host_that_might_write_does_not_answer(lived):
    for away in ("controller-1", "lb"):
        world, path = lived()
        world.away = {away}
        error = refused(world, ConnectionFailed, path, "does not answer")
        assert f"if {away} will never come back, remove it from INV" in error.hint


def test_a_worker_that_does_not_answer_keeps_nobody_from_it(lived):
    world, path = lived()
    world.away = {"worker-1"}
    with pytest.raises(ConnectionFailed) as error:
        run(world, path)
    assert "left out: everything else was done" in error.value.evidence
    assert NEW not in world.objects.by_path and ongoing(world.facts) == ()


def test_hosts_without_room(lived):
    world, path = lived()
    world.hosts["controller-1"].survey["folders"] = "/var/lib/etcd=/var/lib/etcd=1024=rw"
    error = refused(world, PreflightError, path, "there is no room for the snapshot")
    assert "controller-1: /var/lib/etcd has 1 MB free" in error.evidence


def test_a_log_that_is_elsewhere(lived):
    world, path = lived()
    world.use(dataclasses.replace(world.cluster, extra_args={"etcd": {"wal-dir": "/srv/wal"}}))
    for name in PLANES:
        world.hosts[name].survey["flags"] = "etcd= etcd.wal-dir=/srv/wal"
    refused(world, UsageError, path, "etcd keeps its log in /srv/wal")


def test_neither_a_file_nor_a_member_or_both(lived):
    world, path = lived()
    refused(world, UsageError, None, "name either a snapshot's FILE")
    refused(world, UsageError, path, "name either a snapshot's FILE", member="controller-0")


def test_another_cluster_on_the_hosts(lived):
    world, path = lived()
    world.founded = 2
    refused(world, OtherClusterError, path, "this is another cluster")


# What is only said.


def test_what_does_not_fit_in_all_is_said(lived):
    world, path = lived(kubernetes="1.36.3", tokens="other", ca="other")
    lines = "\n".join(restore.look(MemorySession.on(world).looking(), Wanted(path)).lines)
    assert "taken with Kubernetes 1.36.3" in lines and "tokens in the snapshot are not accepted" in lines
    assert "CA is another one" in lines


def test_the_steps_are_shown_in_order_and_nothing_is_done(lived):
    world, path = lived()
    world.live.world = world
    before = world.digest()
    ready = restore.look(MemorySession.on(world).looking(), Wanted(path))
    found = restore.foresee(ready)
    names = list(dict.fromkeys(change.phase for change in found))
    assert names == ["stop-control-plane", "stop-etcd", "restore-data", "etcd", "api-servers", "control-plane",
                     "restart-kubelets", "restart-kube-proxies", "restart-dns"]  # fmt: skip
    text = restore.steps.text(found)
    assert "controller-0: stop kube-apiserver.service" in text and f"controller-0: aside {ID}" in text
    assert "controller-0: start etcd.service queue" in text and "kept in /var/lib/etcd/before-" in text
    assert world.log == [] and world.digest() == before


def test_a_stale_node_is_named_with_its_removal(lived, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr("hardway.checks.verify", lambda *arguments: [])
    world, path = lived()
    world.live.world = world
    session = MemorySession.on(world)
    node = {"kind": "Node", "metadata": {"name": "gone"}, "spec": {"podCIDR": "10.200.9.0/24"},
            "status": {"addresses": [{"type": "InternalIP", "address": "10.240.0.99"}]}}  # fmt: skip
    world.objects.save("/api/v1/nodes/gone", node)
    restore.prove(session.survey(living=True), world.lives)
    assert "the snapshot has the Node gone" in session.said.getvalue()


# The quorum is lost.


def lose_quorum(world: World) -> None:
    world.reinstall("controller-1", "controller-2")
    world.hosts["controller-0"].disk.write("/var/lib/etcd/member/db", world_db(world))


def world_db(world: World) -> bytes:
    return bolt_file.database({900: world.founding.encode(), 901: b"newest"})


def test_the_survivors_data_is_taken_from_its_disk_when_it_does_not_answer(lived, tmp_path, monkeypatch):
    """It waits for the others, so that it serves nobody: it is stopped, its file read, and restored everywhere."""
    monkeypatch.chdir(tmp_path)
    world, _ = lived()
    lose_quorum(world)
    for name in PLANES:
        world.hosts[name].systemd.unit("etcd.service").active = "inactive"
    monkeypatch.setattr("hardway.commands.etcd.survivor.etcd_data.database", disk_of(world))
    world.saved[sha_of(world)], world.saved_of[sha_of(world)] = dict(world.objects.by_path), world.founded
    text = run(world, None, member="controller-0")
    for name in PLANES:
        assert world.hosts[name].systemd.units["kube-apiserver.service"].active == "active"
    bootstrap(MemorySession.on(world), Selection())  # two machines were reinstalled
    healthy(world)
    assert NEW in world.objects.by_path and "keep it until the cluster is verified" in text
    assert len(list(tmp_path.glob("lab-2*Z.db"))) == 1


def sha_of(world: World) -> str:
    return hashlib.sha256(bolt_file.snapshot(world_db(world))).hexdigest()


def disk_of(world: World):
    def database(transport, restore_id, sink) -> None:
        kept = f"/var/lib/etcd/before-{restore_id}/member/db"
        disk = world.hosts[transport.host.name].disk
        content = disk.read(kept if kept in disk.files else "/var/lib/etcd/member/db")
        sink(bolt_file.snapshot(content))

    return database


def test_with_a_quorum_nothing_is_taken_from_one_member(lived):
    world, _ = lived()
    refused(world, QuorumError, None, "etcd has a quorum", member="controller-0")
    refused(world, UsageError, None, "there is no etcd host worker-0", member="worker-0")


def test_a_member_without_data_has_nothing_to_take(lived):
    world, _ = lived()
    lose_quorum(world)
    refused(world, QuorumError, None, "controller-1 has no data of etcd", member="controller-1")


def test_members_that_differ_are_never_given_to_the_api(lived, monkeypatch):
    """Before any API server starts, etcd's own hash must be the same on all members."""
    world, path = lived()
    monkeypatch.setattr(starting, "ETCD", dataclasses.replace(starting.ETCD, deadline=0.2))
    monkeypatch.setattr(starting, "_hash", lambda live, host, revision: starting.Hash(hash(host.name), 0))
    with pytest.raises(NotReadyError) as error:
        run(world, path)
    assert "to have the same data as controller-0" in error.value.waited_for and error.value.phase == "etcd"
    assert not acts(world, "start") or not any("kube-apiserver" in act for _, act in acts(world, "start"))
    assert ongoing(world.facts) != ()


def test_a_snapshot_from_before_a_rotation_has_the_key_of_its_day(lived):
    """API servers start with it: they would read no Secret of the snapshot otherwise."""
    world, path = lived()
    rotating.rotate(MemorySession.on(world))
    assert all("aescbc:key1" not in str(world.hosts[name].providers) for name in PLANES)
    said = run(world, path)
    assert "read with the retired encryption key aescbc:key1 again" in said
    for name in PLANES:
        assert [one.partition("=")[0] for one in world.hosts[name].providers] == [
            "aescbc:key2",
            "aescbc:key1",
            "identity",
        ]
    healthy(world)


SEALED = b"k8s:enc:aescbc:v1:key1:\x00\x01"


def test_a_snapshot_itself_says_which_keys_it_needs(lived, tmp_path):
    """Its sidecar may be lost, or written where the state directory was an old copy."""
    world, _ = lived()
    rotating.rotate(MemorySession.on(world))
    secret = bolt_file.stored("/registry/secrets/default/old", SEALED)
    path = taken(world, tmp_path / "alone.db", secret, keys=())
    world.log.clear()
    session = MemorySession.on(world)
    ready = restore.look(session.looking(), Wanted(path))
    assert "read with the retired encryption key aescbc:key1 again" in " ".join(ready.lines)
    assert any("encryption-config.yaml" in change.resource for change in restore.foresee(ready)) and world.log == []
    assert "read with the retired encryption key aescbc:key1 again" in run(world, path)
    assert all("aescbc:key1" in str(world.hosts[name].providers) for name in PLANES)
    healthy(world)


def test_a_snapshot_under_a_key_that_is_not_here_stops_nothing(lived, tmp_path):
    world, _ = lived()
    secret = bolt_file.stored("/registry/secrets/default/old", SEALED.replace(b"key1", b"key8"))
    with pytest.raises(UnreadableError, match="a key that is not in the state directory") as error:
        run(world, taken(world, tmp_path / "alone.db", secret, keys=()))
    assert error.value.evidence == "missing: aescbc:key8" and "aescbc-key8.key" in error.value.hint and world.log == []


# While a CA is being replaced, and afterwards.


def step(world: World, rotation: Rotation, act: str, brought: bool = True) -> None:
    """The state directory goes to the next stage, and every host follows, or none yet."""
    if act == "begin":
        rotation.begin(world.cluster.pki)
    else:
        getattr(rotation, act)()
    world.use(world.cluster)
    if brought:
        world.run()


@pytest.mark.parametrize("brought", [True, False])
@pytest.mark.parametrize("acts", [("begin",), ("begin", "sign"), ("begin", "sign", "drop")])
@pytest.mark.parametrize("name", ["ca", "etcd-ca", "sa"])
def test_in_the_middle_of_a_rotation_it_keeps_the_stage(lived, name, acts, brought):
    world, path = lived()
    rotation = Rotation(name, world.store)
    for act in acts:
        step(world, rotation, act, brought or act != acts[-1])
    stage = rotation.stage
    assert ("tokens in the snapshot are not accepted" in run(world, path)) == (name == "sa" and "drop" in acts)
    assert rotation.stage is stage and ongoing(world.facts) == ()
    assert OLD in world.objects.by_path and NEW not in world.objects.by_path
    world.use(world.cluster)
    world.run()
    healthy(world)


@pytest.mark.parametrize("name", ["ca", "front-proxy-ca"])
def test_a_ca_that_was_replaced_since_is_not_trusted_again(lived, name):
    """API servers never take one out of what they say to others, and the snapshot has it there."""
    world, path = lived()
    rotation, old = Rotation(name, world.store), parsed(world.credentials.ca(name))
    assert listed(world.live.kube(), name) == old
    world.save(snapshot.read(path).sha256)
    for act in ("begin", "sign", "drop", "finish"):
        step(world, rotation, act)
    text = run(world, path)
    assert ("the cluster's CA is another one by now" in text) == (name == "ca")
    assert listed(world.live.kube(), name) == parsed(rotation.newer) != old
    healthy(world)


def test_who_was_of_this_cluster_stays_known_by_the_ca_that_it_had(lived):
    """Nothing else says so, where neither the record nor the API does."""
    world, path = lived()
    rotation = Rotation("ca", world.store)
    for act in ("begin", "sign", "drop", "finish"):
        step(world, rotation, act)
    offer = restore._given(MemorySession.on(world), Wanted(path))
    inputs = dataclasses.replace(world.inputs(), founded=None, lives=Lives())
    fit.require(inputs, offer, False)
    stranger = dataclasses.replace(offer, sidecar=dataclasses.replace(offer.sidecar, ca="another"))
    with pytest.raises(OtherClusterError, match="nobody knows whether"):
        fit.require(inputs, stranger, False)


def test_certificates_wait_for_a_restore_that_has_begun(lived):
    """What hosts differ in is that they are stopped."""
    world, path = lived()
    world.death = lambda target, op: op.verb == "restore"
    with pytest.raises(Killed):
        run(world, path)
    world.revive()
    world.log.clear()
    with pytest.raises(PreflightError) as caught:
        replacing.rotate(MemorySession.on(world), "kubernetes", "")
    assert "hardway etcd restore" in caught.value.evidence and world.log == []
