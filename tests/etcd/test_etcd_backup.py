"""`hardway etcd backup`: which member is asked, what is written here and what is never overwritten or removed."""

from __future__ import annotations

import dataclasses
import datetime
import fcntl
import json
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
from fakes.bolt_file import database, snapshot
from test_etcd_looking import HOSTS, LAB, own, three

from hardway.commands.etcd import backup as command
from hardway.commands.etcd import retention
from hardway.commands.etcd.backup import backup
from hardway.errors import ConnectionFailed, NotReadyError, OtherClusterError, QuorumError, SnapshotError, UsageError
from hardway.etcd import sidecar
from hardway.living import Founded, Lives
from hardway.pki.credentials import Credentials
from hardway.snapshots import Said, choose, taking, where
from hardway.state.statedir import Overlay, StateDir

UID = "0a1b2c3d-1111-2222-3333-444455556666"
WHOLE = snapshot(database({70: UID.encode(), 69: b"v"}))


@pytest.fixture
def session(tmp_path, monkeypatch):
    """A session of a cluster that was founded, whose members are healthy; what is `sent` may be replaced."""
    store = Overlay(StateDir(tmp_path / "state"))
    Founded.of(LAB, Lives(etcd="c1", uid=UID), "2026-11-01").bind(store)
    found = SimpleNamespace(cluster=LAB, store=store, credentials=Credentials(LAB, store), sent=WHOLE, said=three())
    found.live = SimpleNamespace(transports={host.name: host for host in HOSTS})
    found.asked = []

    def send(transport, credentials, sink):
        found.asked.append(transport.name)
        for begin in range(0, len(found.sent), 1000):
            sink(found.sent[begin : begin + 1000])

    monkeypatch.setattr(taking.etcd_data, "snapshot", send)
    monkeypatch.setattr(command, "ask", lambda session: session.said)
    return found


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_snapshot_and_its_sidecar_are_private_and_whole(session, folder):
    saved = backup(session, folder / "one.db")
    assert (folder / "one.db").read_bytes() == WHOLE and names(folder) == ["one.db", "one.db.json"]
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in names(folder)} == {0o600}
    about = sidecar.read(folder / "one.db", saved.about.sha256)
    assert about == saved.about
    assert (about.uid, about.revision, about.cluster, about.etcd, about.cluster_id) == (UID, 70, "lab", "3.7.3", "c1")
    assert [key.split(":")[0] for key in about.keys] == [] and about.members == tuple(host.name for host in HOSTS)
    assert "revision 70 from controller-1" in saved.text() and json.loads(saved.json())["about"]["uid"] == UID


def test_the_sidecar_names_keys_and_has_none(session, folder):
    session.credentials.ensure_all()
    about = backup(session, folder).about
    [key] = session.credentials.encryption_keys().values()
    assert about.keys == (key,)
    secrets = [session.store.read(name) for name in session.store.names() if name.endswith(".key")]
    text = about.json()
    assert len(secrets) > 10 and not any(secret.strip().splitlines()[-1] in text for secret in secrets)


def test_in_a_folder_it_is_named_by_cluster_and_moment(session, folder):
    backup(session, folder)
    name = names(folder)[0]
    assert name.startswith("lab-2") and name.endswith("Z.db") and names(folder)[1] == f"{name}.json"


def test_nothing_is_overwritten_and_nobody_is_asked_then(session, folder):
    for name in ("one.db", "two.db.json"):
        (folder / name).write_text("somebody's")
    for name in ("one.db", "two.db"):
        with pytest.raises(UsageError, match="exists already and is not overwritten"):
            backup(session, folder / name)
    assert session.asked == [] and names(folder) == ["one.db", "two.db.json"]
    with pytest.raises(UsageError, match="there is no folder"):
        backup(session, folder / "none/one.db")


def test_a_name_that_is_taken_meanwhile_is_not_overwritten(session, folder, monkeypatch):
    send = taking.etcd_data.snapshot

    def slowly(*arguments):
        send(*arguments)
        (folder / "one.db").write_text("somebody's")

    monkeypatch.setattr(taking.etcd_data, "snapshot", slowly)
    with pytest.raises(UsageError, match="exists already"):
        backup(session, folder / "one.db")
    assert (folder / "one.db").read_text() == "somebody's" and names(folder) == ["one.db"]


def test_a_sidecar_that_a_killed_run_has_left_is_in_nobodys_way(session, folder):
    backup(session, folder / "one.db")
    (folder / "one.db").unlink()
    backup(session, folder / "one.db")
    assert names(folder) == ["one.db", "one.db.json"]


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (WHOLE[:-1], SnapshotError),
        (WHOLE[:-40] + b"x" + WHOLE[-39:], SnapshotError),
        (b"", SnapshotError),
        (snapshot(database({70: b"another cluster's"})), OtherClusterError),
    ],
)
def test_what_is_not_right_leaves_nothing(session, folder, sent, error):
    session.sent = sent
    with pytest.raises(error):
        backup(session, folder)
    assert names(folder) == []


def test_what_a_killed_run_was_writing_is_removed_and_what_lives_is_not(session, folder):
    dead, living = folder / ".one.db.hardway-0123456789ab", folder / ".two.db.hardway-0123456789ab"
    others = folder / ".three.db.hardway-no"
    for path in (dead, living, others):
        path.write_text("half")
    with living.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        backup(session, folder / "new.db")
    assert names(folder) == [others.name, living.name, "new.db", "new.db.json"]


def test_a_folder_without_room_is_told_before_anything_is_sent(session, folder, monkeypatch):
    monkeypatch.setattr(taking.shutil, "disk_usage", lambda path: SimpleNamespace(free=1 << 20))
    with pytest.raises(UsageError, match="MB free, and the snapshot needs 30 MB"):
        backup(session, folder)
    assert session.asked == []


def test_a_follower_is_preferred_and_only_who_is_up_to_date():
    assert choose(three(), LAB).name == "controller-1"
    assert choose(three(raft_applied_index=400), LAB).name == "controller-2"
    far = {"raft_index": 9000, "raft_applied_index": 9000}
    ahead = tuple(dataclasses.replace(one, status=dataclasses.replace(one.status, **far)) for one in three())
    behind = (ahead[0], Said(HOSTS[1], own(1)), Said(HOSTS[2], own(2)))
    assert choose(behind, LAB).name == "controller-0", "the leader, when the others are far behind"


def test_neither_a_learner_nor_a_sick_member_is_asked():
    learner = Said(HOSTS[1], own(1, is_learner=True))
    sick = Said(HOSTS[2], own(2), sick="no leader")
    assert choose(three(learner, sick), LAB).name == "controller-0"


def test_without_a_healthy_member_the_one_that_answers_is_offered():
    lone = (Said(HOSTS[0], own(0, leader=0), sick="no leader"), *three()[1:])
    gone = tuple(Said(host, error=ConnectionFailed(f"{host.name} is off", host.name)) for host in HOSTS[1:])
    with pytest.raises(QuorumError) as error:
        choose((lone[0], *gone), LAB)
    assert "hardway etcd backup INV --member controller-0" in error.value.hint
    assert choose((lone[0], *gone), LAB, "controller-0").name == "controller-0"
    away = tuple(Said(host, error=ConnectionFailed("off", host.name)) for host in HOSTS)
    with pytest.raises(ConnectionFailed):
        choose(away, LAB)


def test_a_member_that_is_named_must_be_one_that_answers():
    with pytest.raises(UsageError, match="there is no etcd host"):
        choose(three(), LAB, "worker-0")
    silent = Said(HOSTS[1], error=NotReadyError("etcd does not answer", HOSTS[1].name))
    with pytest.raises(NotReadyError):
        choose(three(silent), LAB, "controller-1")


def taken(session, folder: Path, *days: int) -> None:
    """Snapshots of some days in November, each in a file of that name."""
    for day in days:
        about = backup(session, folder / f"day-{day:02}.db").about
        then = datetime.datetime(2026, 11, day, tzinfo=datetime.UTC).isoformat(timespec="seconds")
        path = sidecar.beside(folder / f"day-{day:02}.db")
        path.write_bytes(dataclasses.replace(about, taken=then).json())


def test_the_newest_are_kept_whatever_their_names(session, folder):
    taken(session, folder, 1, 5, 3)
    saved = backup(session, folder / "a.db", keep=2)
    assert names(folder) == ["a.db", "a.db.json", "day-05.db", "day-05.db.json"]
    assert sorted(saved.removed) == ["day-01.db", "day-03.db"] and "removed day-01.db" in saved.text()


def test_nothing_of_others_is_ever_removed(session, folder):
    taken(session, folder, 1, 2, 3)
    about = sidecar.parse((folder / "day-01.db.json").read_bytes())
    other = dataclasses.replace(about, cluster="other")
    same_name = dataclasses.replace(about, ca="another CA")
    for number, one in enumerate((other, same_name)):
        (folder / f"others-{number}.db").write_bytes(WHOLE)
        (folder / f"others-{number}.db.json").write_bytes(one.json())
    (folder / "by-hand.db").write_bytes(WHOLE)
    (folder / "note.json").write_text('{"cluster": "lab"}')
    (folder / "day-02.db").write_bytes(b"overwritten by somebody")
    backup(session, folder / "new.db", keep=1)
    assert names(folder) == [
        "by-hand.db", "day-02.db", "day-02.db.json", "new.db", "new.db.json", "note.json",
        "others-0.db", "others-0.db.json", "others-1.db", "others-1.db.json",
    ]  # fmt: skip


def test_a_removal_that_was_killed_is_completed(session, folder):
    taken(session, folder, 1, 2)
    (folder / "day-01.db").unlink()
    about = sidecar.parse((folder / "day-02.db.json").read_bytes())
    assert retention.thin_out(folder, about, 1) == ("day-01.db",)
    assert names(folder) == ["day-02.db", "day-02.db.json"]


def test_where_a_folder_is_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert where(LAB, None).parent == Path() and where(LAB, tmp_path).parent == tmp_path
    assert where(LAB, Path("name")) == Path("name")
    os.mkdir("name")
    assert where(LAB, Path("name")).parent == Path("name")
