"""Files that are no snapshots: refused before any host is asked, so none is needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import bolt_file

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
