"""`hardway restore` on a cluster in memory: its control plane is lost, the workers live; and the run dies anywhere."""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter
from pathlib import Path

import pytest
from fakes import bolt_file
from fakes.memory_session import MemorySession
from fakes.world import Killed, World
from test_death import moments, same, whole
from test_restore import THEN, WORKERS, acts, healthy, interrupted_by, place, taken

from hardway.archive import Backup, Manifest
from hardway.commands.bootstrap import bootstrap
from hardway.commands.whole import keys, restore
from hardway.commands.whole.backup import kept
from hardway.commands.whole.restore import Wanted
from hardway.errors import (
    BackupError,
    ClusterLostError,
    ConnectionFailed,
    OtherClusterError,
    PkiError,
    PreflightError,
    QuorumError,
    UsageError,
)
from hardway.etcd import sidecar, snapshot
from hardway.living import Founded
from hardway.living.restoration import ongoing
from hardway.pki.credentials import Credentials
from hardway.pki.encryption import new_key
from hardway.pki.encryption.retirement import retire, retired
from hardway.run.selection import Selection
from hardway.state.statedir import Overlay

pytestmark = pytest.mark.slow

PLANES = ("controller-0", "controller-1", "controller-2")
OLD, NEW = "/api/v1/namespaces/default/configmaps/old", "/api/v1/namespaces/default/configmaps/new"


@pytest.fixture(autouse=True)
def asked_afterwards(monkeypatch):
    """What lives after a run is asked of the world as well, and the clock stands still; checks need real hosts."""
    for asking in ("hardway.commands.whole.restore", "hardway.snapshots.restoring"):
        monkeypatch.setattr(f"{asking}.what_lives", lambda live: live.world.lives)
    monkeypatch.setattr(restore, "now", lambda: THEN)
    monkeypatch.setattr(restore, "prove", lambda known, lives: None)
    monkeypatch.setattr("hardway.commands.bootstrap.building.what_lives", lambda live: live.world.lives)


@pytest.fixture
def burned(bare, tmp_path):
    """burned(NAME): the backup of a cluster whose control plane, and the operator's computer, are gone since."""

    def make(name: str = "lab", **about) -> tuple[World, Backup]:
        world = bare(name)
        world.live.world = world
        bootstrap(MemorySession.on(world), Selection())
        world.objects.save(OLD, {"kind": "ConfigMap"})
        backup = saved(world, tmp_path / f"{name}.db", **about)
        world.objects.save(NEW, {"kind": "ConfigMap"})
        burn(world)
        return world, backup

    return make


def saved(world: World, path: Path, **about) -> Backup:
    """The parts of a backup, as they are when it was opened."""
    cluster, found = world.cluster, snapshot.read(taken(world, path))
    said = {"cluster": cluster.name, "taken": "2026-11-28T12:00:00+00:00", "hardway": "0", "etcd": "3.7.3",
            "kubernetes": cluster.versions.kubernetes, "api": cluster.api_url,
            "hosts": {host.name: str(host.address) for host in cluster.hosts}}  # fmt: skip
    beside = sidecar.read(path, found.sha256)
    return Backup(Path("lab.age"), Manifest(**{**said, **about}), b"", found, beside, kept(world.store))


def burn(world: World) -> None:
    """The machines of the control plane are new, with the same names; the state directory is gone."""
    lost = [
        host.name for host in world.cluster.hosts if host in (*world.cluster.etcd_members, *world.cluster.control_plane)
    ]
    world.reinstall(*lost)
    world.objects.by_path.clear()
    world.store = Overlay(world.store.below)
    world.credentials = Credentials(world.cluster, world.store)
    world.log.clear()


def run(world: World, backup: Backup, **options) -> str:
    world.live.world = world
    session = MemorySession.on(world)
    restore.restore(session, Wanted(backup, **options))
    return session.said.getvalue()


def test_a_lost_control_plane_is_back_and_workers_are_as_they_were(burned):
    world, backup = burned()
    before = trust(world)
    text = run(world, backup)
    healthy(world)
    assert OLD in world.objects.by_path and NEW not in world.objects.by_path
    keys = {name: data for name, data in backup.state.items() if name.endswith(".key")}
    assert kept(world.store).items() >= keys.items() and len(keys) > 10
    founded = Founded.read(world.store)
    assert founded.uid == backup.sidecar.uid and founded.etcd == f"{world.membership.id:x}"
    assert ongoing(world.facts) == () and "2 days ago" in text
    after = trust(world)
    assert after == before and len(after) > 5, "keys, certificates and kubeconfigs of a worker are as they were"
    for unit in ("kubelet", "kube-proxy"):
        assert Counter(acts(world, "restart"))[WORKERS[0], f"restart {unit}.service queue"] == 1
    assert not acts(world, "reboot", "drain")


def trust(world: World) -> dict[str, bytes]:
    """What a worker is known by, and knows the API by."""
    files = world.hosts[WORKERS[0]].disk.files
    return {name: found.content for name, found in files.items() if name.endswith((".crt", ".key", "kubeconfig"))}


def test_it_is_noted_before_anything_else_and_no_api_server_runs_without_data(burned):
    world, backup = burned()
    run(world, backup)
    for name in PLANES:
        own = [op.verb for target, op in world.log if target == name]
        assert own[0] == "note" and own.index("restore") < own.index("start")
    restored = [index for index, (_, op) in enumerate(world.log) if op.verb == "restore"]
    servers = [place(world, name, "start kube-apiserver.service queue") for name in PLANES]
    assert max(restored) < min(servers)


@pytest.mark.parametrize("name", ["lab", "single"])
def test_a_restore_that_dies_is_completed_by_the_next(burned, name):
    start, backup = burned(name)
    world = start.copy()
    run(world, backup)
    wanted, todo = told_apart(world), moments(world, 12, whole)
    for target, moment in todo:
        victim = start.copy()
        seen: Counter[str] = Counter()

        def death(where, op, seen=seen, target=target, moment=moment) -> bool:
            seen[where] += whole(op)
            return where == target and whole(op) and seen[where] == moment + 1

        victim.death = death
        with pytest.raises(Killed):
            run(victim, backup)
        victim.revive()
        run(victim, backup)
        assert same(told_apart(victim), wanted), f"killed before write {moment} on {target}"
        assert ongoing(victim.facts) == () and NEW not in victim.objects.by_path
        healthy(victim)
    assert len(todo) > 5


def told_apart(world: World) -> dict:
    """The digest without the notes of restarts: what the first run has installed, the second restarts once."""
    digest = world.digest()
    for name in world.hosts:
        files = digest[name]["files"]
        digest[name] = {**digest[name], "files": {one: files[one] for one in files if "/notes/restarted-" not in one}}
    return digest


def test_half_of_the_state_directory_is_completed(burned):
    world, backup = burned()
    for name in list(backup.state)[::2]:
        world.store.create(name, backup.state[name])
    run(world, backup)
    healthy(world)


def test_while_it_is_half_done_other_commands_name_the_one_that_continues(burned):
    world, backup = burned()
    victim = interrupted_by(lambda: run(world, backup), world, "start", 2)
    victim.live.world = victim
    with pytest.raises(PreflightError) as error:
        bootstrap(MemorySession.on(victim), Selection())
    assert "a restore of the whole cluster began" in error.value.evidence
    assert "hardway restore INV FILE" in error.value.evidence


def test_machines_with_other_addresses(burned):
    """Certificates, members and the API's address follow, and the workers are led there."""
    world, backup = burned()
    hosts = tuple(
        dataclasses.replace(host, address=host.address + 100) if host.name in (*PLANES, "lb") else host
        for host in world.cluster.hosts
    )
    names = {host.name: host for host in hosts}
    api = dataclasses.replace(world.cluster.api, address=str(names["lb"].address))
    world.use(dataclasses.replace(world.cluster, hosts=hosts, api=api))
    world.reinstall(*PLANES, "lb")
    text = run(world, backup)
    healthy(world)
    assert (
        f"controller-0 has moved from {backup.manifest.hosts['controller-0']}" in text and "the API moves from" in text
    )
    for name in WORKERS:
        files = world.hosts[name].disk.files
        old = backup.manifest.api.encode()
        assert not any(old in world.hosts[name].disk.read(file) for file in files if "kubeconfig" in file)
    assert OLD in world.objects.by_path


def test_new_workers_are_installed_and_a_worker_that_does_not_answer_is_left_out(burned):
    world, backup = burned()
    world.reinstall("worker-1")
    world.objects.by_path.clear()
    run(world, backup)
    healthy(world)


def test_with_a_worker_that_does_not_answer(burned):
    world, backup = burned()
    world.away = {"worker-1"}
    with pytest.raises(ConnectionFailed) as error:
        run(world, backup)
    assert "left out: everything else was done" in error.value.evidence and ongoing(world.facts) == ()


# What is refused, and changes nothing.


def refused(world: World, backup: Backup, error: type[Exception], said: str, **options):
    world.live.world = world
    before, log = world.digest(), len(world.log)
    for attempt in (
        lambda: restore.look(MemorySession.on(world).looking(), Wanted(backup, **options)),
        lambda: restore.restore(MemorySession.on(world), Wanted(backup, **options)),
    ):
        with pytest.raises(error, match=said) as caught:
            attempt()
    assert world.digest() == before and len(world.log) == log, "it was refused after a change"
    return caught.value


def test_a_cluster_that_lives(bare, tmp_path):
    world = bare("lab")
    world.live.world = world
    bootstrap(MemorySession.on(world), Selection())
    backup = saved(world, tmp_path / "lab.db")
    found = refused(world, backup, QuorumError, "a cluster is on these machines")
    assert "the API answers" in found.evidence and "etcd has data on controller-0" in found.evidence
    assert "hardway etcd restore INV FILE" in found.hint and found.exit_code == 9


def test_one_member_that_still_has_data(burned):
    world, backup = burned()
    world.hosts["controller-1"].disk.dirs["/var/lib/etcd/member"] = world.hosts["controller-1"].disk.dirs["/etc"]
    found = refused(world, backup, QuorumError, "a cluster is on these machines")
    assert found.evidence == "etcd has data on controller-1"


def test_a_control_plane_that_lives_at_other_addresses_than_the_inventory_says(burned, monkeypatch):
    """It was not lost, or somebody has restored it elsewhere: the workers would be taken from it."""
    world, backup = burned()
    monkeypatch.setattr(world.live, "road", lambda host, url="": "" if url == world.cluster.api_url else "refused")
    found = refused(world, backup, QuorumError, "a cluster is on these machines")
    assert found.evidence == f"the API answers worker-1 at {world.cluster.api_url}"


def test_a_backup_of_another_cluster(burned):
    world, backup = burned(cluster="shop")
    found = refused(
        world, backup, OtherClusterError, "is a backup of cluster shop, and the inventory is of cluster lab"
    )
    assert found.exit_code == 9


def test_a_state_directory_with_other_keys(burned):
    world, backup = burned()
    world.credentials.ensure_all()
    found = refused(world, backup, BackupError, "has other keys than the backup")
    assert "differs: pki/ca.key" in found.evidence and "--state-dir" in found.hint and found.exit_code == 8


def test_a_backup_that_is_older_than_the_keys_that_are_here(burned):
    world, backup = burned()
    for name, content in backup.state.items():
        world.store.create(name, content)
    world.store.create("encryption/other-key1.key", b"k" * 32)
    found = refused(world, backup, BackupError, "is older than the state directory")
    assert "not in the backup: encryption/other-key1.key" in found.evidence and "--older" in found.hint
    run(world, backup, older=True)
    assert OLD in world.objects.by_path


def test_a_key_that_was_retired_since_is_read_with_again(burned):
    world, backup = burned()
    for name, content in backup.state.items():
        world.store.create(name, content)
    assert "aescbc:key1" in world.credentials.encryption_keys()
    new_key("aescbc", world.store)
    retire(world.store, ["aescbc:key1"], "2026-11-29T12:00:00+00:00", 99)
    run(world, backup, older=True)
    assert not retired(world.store)
    for name in PLANES:
        held = [one.partition("=")[0] for one in world.hosts[name].providers]
        assert {"aescbc:key1", "aescbc:key2"} <= set(held)


def test_a_restore_of_another_backup_that_is_not_finished(burned, tmp_path):
    world, backup = burned()
    other = dataclasses.replace(
        backup, snapshot=snapshot.read(bolt_file.write(tmp_path / "other.db", backup.sidecar.uid.encode(), b"x"))
    )
    victim = interrupted_by(lambda: run(world, backup), world, "restore", 2)
    found = refused(victim, other, QuorumError, "a restore of another backup began here")
    assert backup.snapshot.sha256 in found.evidence and "hardway reset INV --limit HOST" in found.hint


@pytest.mark.parametrize("founded", [True, False])
def test_what_a_rotation_needed_for_a_while_comes_back_only_with_all_the_rest(burned, founded):
    """A state directory that is whole knows how far it is; a new one goes on where the backup was."""
    world, backup = burned()
    backup = dataclasses.replace(backup, state={**backup.state, "pki/ca.former.crt": b"of another day"})
    for name in backup.state if founded else ():
        if name != "pki/ca.former.crt":
            world.store.create(name, backup.state[name])
    assert ("pki/ca.former.crt" in keys.missing(world.store, backup)) == (not founded)
    keys.lay(world.store, backup)
    assert (world.store.read("pki/ca.former.crt") is None) == founded


@pytest.mark.parametrize("name", ["pki/ca.next.key", "pki/sa.former.pub", "pki/etcd-ca.retired.crt"])
def test_a_ca_or_key_that_takes_the_place_of_another_one_is_as_lasting(burned, name):
    world, backup = burned()
    for one, content in backup.state.items():
        world.store.create(one, content)
    world.store.create(name, b"newer")
    found = refused(world, backup, BackupError, "is older than the state directory")
    assert f"not in the backup: {name}" in found.evidence
    other = dataclasses.replace(backup, state={**backup.state, name: b"another one"})
    assert f"differs: {name}" in refused(world, other, BackupError, "has other keys than the backup").evidence


def test_no_certificate_is_taken_for_what_must_last():
    for name in ("pki/apiserver.crt", "pki/hosts/ca/kubelet.key", "pki/admin.key", "founded.json", "passwords/ca.key"):
        assert not keys.lasting(name)


def test_another_minor_of_kubernetes(burned):
    world, backup = burned(kubernetes="1.30.1")
    assert (
        "write kubernetes: 1.30.1 in INV" in refused(world, backup, UsageError, "the backup is of Kubernetes 1.30").hint
    )


def test_a_host_that_does_not_answer_could_write(burned):
    world, backup = burned()
    world.away = {"controller-2"}
    refused(world, backup, ConnectionFailed, "does not answer")


def test_without_the_key_of_a_ca_only_where_nothing_must_be_signed(burned):
    world, backup = burned()
    state = {
        name: data
        for name, data in backup.state.items()
        if name not in ("pki/etcd-ca.key", "pki/etcd-peer-controller-0.crt")
    }
    gone = [name for name in state if "controller-0" in name and name.endswith(".crt")]
    state = {name: data for name, data in state.items() if name not in gone}
    refused(world, dataclasses.replace(backup, state=state), PkiError, "has no key of the CA")


def test_bootstrap_names_it_as_a_way_out_of_a_lost_cluster(burned):
    world, backup = burned()
    for name, content in backup.state.items():
        world.store.create(name, content)
    world.live.world = world
    with pytest.raises(ClusterLostError) as error:
        bootstrap(MemorySession.on(world), Selection())
    assert "of the whole cluster: hardway restore INV FILE" in error.value.hint


def test_the_steps_are_shown_in_order_and_nothing_is_done(burned):
    world, backup = burned()
    world.live.world = world
    before = world.digest()
    ready = restore.look(MemorySession.on(world).looking(), Wanted(backup))
    names = list(dict.fromkeys(change.phase for change in restore.foresee(ready, Wanted(backup))))
    assert names[0] == "stop-control-plane" and names.index("binaries") < names.index("restore-data")
    assert names.index("restore-data") < names.index("etcd") < names.index("api-servers") < names.index("control-plane")
    assert any("files of the backup" in line for line in ready.lines)
    assert world.digest() == before and world.log == []


def test_the_moment_of_a_restore_is_not_that_of_the_backup(burned, monkeypatch):
    """Clients that have seen newer revisions than the backup's must never see one of those again."""
    world, backup = burned()
    monkeypatch.setattr(restore, "now", lambda: THEN + datetime.timedelta(days=1))
    run(world, backup)
    [bump] = {int(op.args[6]) for _, op in world.log if op.verb == "restore"}
    assert bump == int((THEN + datetime.timedelta(days=1)).timestamp()) * 1000 - backup.snapshot.top
