"""`hardway backup`: what is in the file, and that it is there whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import stat
from pathlib import Path

import pyrage
import pytest
from test_etcd_backup import UID, WHOLE, session  # noqa: F401
from test_etcd_looking import LAB

from hardway import archive
from hardway.archive import Key, Lock
from hardway.commands.whole import backup as command
from hardway.errors import InUseError, NotReadyError, OtherClusterError, UsageError


@pytest.fixture
def desk(session, tmp_path, monkeypatch):  # noqa: F811
    """A session whose inventory is a file, with keys, logs and a lab's key in the state directory."""
    source = tmp_path / "lab.yaml"
    source.write_text("cluster: lab\n")
    session.cluster = dataclasses.replace(LAB, source=source)
    session.credentials.ensure_all()
    session.store.create("lab/id_ed25519", b"of the lab")
    session.store.create("lock", b"")
    monkeypatch.setattr(command, "ask", lambda session: session.said)
    (tmp_path / "backups").mkdir()
    session.folder = tmp_path / "backups"
    return session


def test_it_has_all_that_a_restore_needs(desk):
    identity = pyrage.x25519.Identity.generate()
    final = command.where(desk, desk.folder)
    saved = command.backup(desk, final, archive.lock_of([str(identity.to_public())]))
    assert [path.name for path in desk.folder.iterdir()] == [final.name] and final.name.startswith("lab-")
    assert stat.S_IMODE(final.stat().st_mode) == 0o600
    with archive.opened(final, Key((identity,))) as backup:
        assert backup.inventory == b"cluster: lab\n" and backup.snapshot.path.read_bytes() == WHOLE
        assert backup.state["pki/ca.key"] == desk.store.read("pki/ca.key") and "founded.json" in backup.state
        assert not {"lock", "lab/id_ed25519"} & backup.state.keys() and len(backup.state) == saved.files
        assert backup.sidecar.uid == UID and backup.manifest.hosts["controller-0"]
        assert backup.manifest.kubernetes == LAB.versions.kubernetes and backup.manifest.api == LAB.api_url
    assert json.loads(saved.json())["about"]["revision"] == 70 and "from controller-1" in saved.text()


def lock() -> Lock:
    return archive.lock_of([str(pyrage.x25519.Identity.generate().to_public())])


def test_nothing_is_overwritten_and_nothing_is_left_of_a_failure(desk, monkeypatch):
    mine = desk.folder / "mine"
    mine.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        command.where(desk, mine)
    with pytest.raises(UsageError, match="exists already"):
        command.backup(desk, mine, lock())
    assert mine.read_text() == "mine"
    monkeypatch.setattr(archive, "write", fails_half_way)
    with pytest.raises(NotReadyError):
        command.backup(desk, desk.folder / "new", lock())
    assert [path.name for path in desk.folder.iterdir()] == ["mine"]


def fails_half_way(lock, file, backup):
    file.write(b"half of it")
    raise NotReadyError("no more")


def test_keys_that_change_meanwhile_are_not_saved_half(desk, monkeypatch):
    """Another run puts a CA in the place of the one that was read a moment ago."""
    before, read = desk.store.read("pki/ca.key"), []

    def changing(store) -> dict[str, bytes]:
        read.append(store)
        return {"pki/ca.key": before if len(read) == 1 else b"another one"}

    monkeypatch.setattr(command, "kept", changing)
    with pytest.raises(InUseError, match="is being changed by another run"):
        command.backup(desk, desk.folder / "new", lock())
    assert list(desk.folder.iterdir()) == []


def test_the_data_of_another_cluster_is_not_saved_with_these_keys(desk):
    desk.store._written["founded.json"] = desk.store.read("founded.json").replace(UID.encode(), b"another-one")
    with pytest.raises(OtherClusterError, match="has the data of another cluster"):
        command.backup(desk, desk.folder / "new", lock())
    assert list(desk.folder.iterdir()) == []


def test_a_folder_that_is_not_there(desk):
    with pytest.raises(UsageError, match="there is no folder"):
        command.where(desk, Path("/nonexistent/lab.age"))
