"""Files that are no snapshots: refused before any host is asked, so none is needed."""

from __future__ import annotations

from pathlib import Path

import pyrage
import pytest
from fakes import bolt_file

from hardway import archive
from hardway.archive import Backup, Lock, Manifest
from hardway.etcd import snapshot as snapshots
from hardway.etcd.sidecar import Sidecar
from hardway.pki.secret import Secret

from .cases import case
from .desk import Desk, keys_of


@pytest.fixture
def snapshot(desk: Desk) -> Path:
    """A whole one, on the desk of somebody who has the keys."""
    keys_of(desk.inventory(), desk.folder / ".hardway/refused")
    return bolt_file.write(desk.folder / "snapshot.db", b"a namespace")


def restore(desk: Desk, snapshot: Path, *options: str):
    return desk.hardway("etcd", "restore", desk.inventory(), snapshot, "--yes", *options)


@case("snapshot-damaged")
def test_one_byte_has_changed(desk: Desk, snapshot: Path, told):
    whole = bytearray(snapshot.read_bytes())
    whole[4096] ^= 1
    snapshot.write_bytes(whole)
    told(restore(desk, snapshot))
    told(restore(desk, snapshot, "--dry-run"))


@case("snapshot-without-checksum")
def test_the_end_is_missing(desk: Desk, snapshot: Path, told):
    snapshot.write_bytes(snapshot.read_bytes()[:-32])
    told(restore(desk, snapshot))


# Backups of a whole cluster.


def backup_of(desk: Desk, lock: Lock) -> Path:
    """One of the cluster that the desk's inventory describes."""
    found = snapshots.read(bolt_file.write(desk.folder / "whole.db", b"a namespace"))
    about = Sidecar("refused", "2026-11-28T12:00:00+00:00", "node-1", 1, found.size, found.sha256, "3.7.3", "3.7.0",
                    "1.37.2", "c1", "a namespace", "ca", "tokens")  # fmt: skip
    said = Manifest("refused", about.taken, "0", "1.37.2", "3.7.3", "https://10.0.0.1:6443")
    path = desk.folder / "cluster.age"
    with path.open("wb") as file:
        archive.write(lock, file, Backup(path, said, b"cluster: refused\n", found, about, {"cluster": b"refused\n"}))
    return path


@pytest.fixture
def identity(desk: Desk) -> tuple[Path, Lock]:
    """A private key in a file, and the lock that it opens."""
    key = pyrage.x25519.Identity.generate()
    (desk.folder / "key.txt").write_text(f"{key}\n")
    return desk.folder / "key.txt", archive.lock_of([str(key.to_public())])


@case("backup-damaged")
def test_a_byte_of_a_backup_has_changed_or_its_end_is_missing(desk: Desk, identity, told):
    path, key = backup_of(desk, identity[1]), identity[0]
    content = path.read_bytes()
    for wrong in (content[:-40] + bytes([content[-40] ^ 1]) + content[-39:], content[:-40]):
        path.write_bytes(wrong)
        told(desk.hardway("restore", desk.inventory(), path, "-i", key, "--yes"))
        told(desk.hardway("restore", desk.inventory(), path, "-i", key, "--dry-run"))


@case("backup-other-key")
def test_the_key_is_of_somebody_else(desk: Desk, identity, told):
    path = backup_of(desk, identity[1])
    identity[0].write_text(f"{pyrage.x25519.Identity.generate()}\n")
    told(desk.hardway("restore", desk.inventory(), path, "-i", identity[0], "--yes"))


@case("backup-wrong-passphrase")
def test_the_passphrase_is_another_one(desk: Desk, told):
    path = backup_of(desk, Lock(passphrase=Secret(b"correct horse")))
    (desk.folder / "phrase").write_text("correct mouse\n")
    told(desk.hardway("restore", desk.inventory(), path, "--passphrase-file", desk.folder / "phrase", "--yes"))
