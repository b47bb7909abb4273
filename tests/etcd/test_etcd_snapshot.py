"""A snapshot as a file: what is read in it, and what is refused."""

from __future__ import annotations

import os

import pytest
from fakes.bolt_file import database, revision, snapshot, stored, write

from hardway.errors import SnapshotError
from hardway.etcd import sidecar
from hardway.etcd import snapshot as snapshots
from hardway.etcd.sealed import last_of_each

UID = "0a1b2c3d-1111-2222-3333-444455556666"


def test_what_is_in_it_is_read(tmp_path):
    found = snapshots.read(write(tmp_path / "one.db", b"small", UID.encode(), last=1234))
    assert (found.revision, found.top, found.storage, found.minor) == (1234, 1234, "3.7.0", (3, 7))
    assert found.holds(UID) and not found.holds(UID.replace("0", "9"))
    assert found.size == (tmp_path / "one.db").stat().st_size


@pytest.mark.parametrize("count", [1, 20, 21, 500], ids=lambda count: f"{count}-keys")
def test_the_last_change_is_found_in_a_tree_of_any_size(tmp_path, count):
    values = [b"v" * (number % 97) for number in range(count)]
    assert snapshots.read(write(tmp_path / "one.db", *values, last=10_000)).revision == 10_000


def test_a_value_over_several_pages_is_no_obstacle(tmp_path):
    found = snapshots.read(write(tmp_path / "one.db", b"x" * 20_000, UID.encode(), last=9))
    assert found.revision == 9 and found.holds(UID)


def test_a_revision_that_was_compacted_away_counts(tmp_path):
    about = {b"finishedCompactRev": revision(99), b"storageVersion": b"3.6.0"}
    found = snapshots.read(write(tmp_path / "one.db", about=about, last=70))
    assert (found.revision, found.top, found.minor) == (99, 70, (3, 6))


def test_one_from_before_3_6_says_no_format(tmp_path):
    assert snapshots.read(write(tmp_path / "one.db", about={})).minor == (3, 5)


SECRETS = "/registry/secrets/"
OLD, NEW, CLEAR = b"k8s:enc:aescbc:v1:key1:\x00", b"k8s:enc:aescbc:v1:key2:\xff", b"k8s\x00\n\x0c"


@pytest.mark.parametrize("count", [1, 30, 700])
def test_the_keys_that_its_secrets_are_under_are_known(tmp_path, count):
    """What lies elsewhere, what was written again and what is no object have no say."""
    values = [stored(f"{SECRETS}default/s{number}", NEW + b"v" * (number * 50)) for number in range(count)]
    values += [stored(f"{SECRETS}default/s0", OLD), stored("/registry/configmaps/a/b", OLD), b"\xff" * 50, b""]
    found = snapshots.read(write(tmp_path / "one.db", *values, last=10_000))
    assert found.keys_of(SECRETS) == {"aescbc:key2"}, "the greatest revision is the first of these values"
    more = snapshots.read(write(tmp_path / "two.db", stored(f"{SECRETS}a/plain", CLEAR), *reversed(values)))
    assert more.keys_of(SECRETS) >= {"identity"} and snapshots.read(write(tmp_path / "3.db")).keys_of(SECRETS) == set()


def test_a_secret_that_was_deleted_needs_no_key():
    path = f"{SECRETS}default/s"
    changes = [
        (revision(1), stored(path, OLD)),
        (revision(2) + b"t", stored(path, b"")),
        (revision(3), stored(path + "2", NEW)),
    ]
    assert last_of_each(changes, SECRETS.encode()) == {f"{path}2".encode(): "aescbc:key2"}
    assert last_of_each(changes[:1], SECRETS.encode()) == {path.encode(): "aescbc:key1"}
    assert last_of_each([(revision(1), stored(path, OLD)[:-30])], SECRETS.encode()) is not None


def refused(path, said: str) -> SnapshotError:
    with pytest.raises(SnapshotError, match=said) as caught:
        snapshots.read(path)
    assert caught.value.exit_code == 8 and caught.value.hint
    return caught.value


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.999])
def test_one_forged_byte_anywhere_is_noticed(tmp_path, place):
    path = write(tmp_path / "one.db", *[b"v" * 50] * 100)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    error = refused(path, "is damaged: its checksum is not that of its content")
    assert len(error.evidence.splitlines()) == 2


def test_what_is_not_whole_is_refused(tmp_path):
    path = write(tmp_path / "one.db", *[b"v" * 50] * 100)
    whole = path.read_bytes()
    for size in (0, 1, 31, 32, 512, len(whole) - 1, len(whole) - 32):
        path.write_bytes(whole[:size])
        with pytest.raises(SnapshotError):
            snapshots.read(path)
    path.write_bytes(whole[:-32])
    assert "openssl dgst -sha256 -binary" in refused(path, "checksum is missing").hint


def test_what_is_cut_and_given_a_checksum_again_is_refused(tmp_path):
    """The checksum says that it is as it was sent, not that it is a database."""
    content = database({number: b"v" * 50 for number in range(1, 200)})
    path = tmp_path / "one.db"
    for wrong in (content[: len(content) // 2 // 512 * 512], b"", bytes(4096), os.urandom(8192), b"text" * 1024):
        path.write_bytes(snapshot(wrong))
        refused(path, "is no database of etcd")


def test_another_bolt_database_is_none_of_etcds(tmp_path):
    content = database({1: b"v"}).replace(b"meta", b"mate")
    path = tmp_path / "one.db"
    path.write_bytes(snapshot(content))
    refused(path, "it has no keys")


def test_a_file_that_is_not_there_or_a_folder_is_told(tmp_path):
    refused(tmp_path / "none.db", "cannot read")
    refused(tmp_path, "is not a file")


def example(**changes) -> sidecar.Sidecar:
    about = {"cluster": "lab", "taken": "2026-11-30T12:00:00+00:00", "member": "controller-1", "revision": 70,
             "size": 20512, "sha256": "ab", "etcd": "3.7.3", "storage": "3.7.0", "kubernetes": "1.37.2",
             "cluster_id": "c1", "uid": UID, "ca": "cc", "tokens": "dd", "keys": ("aescbc:key1=1f",)}  # fmt: skip
    return sidecar.Sidecar(**{**about, **changes})


def test_a_sidecar_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "one.db"
    sidecar.beside(path).write_bytes(example().json())
    assert sidecar.read(path, "ab") == example()
    assert sidecar.read(tmp_path / "other.db", "ab") is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"not json", b'{"kind": "snapshot of etcd by hardway"}'])
def test_a_sidecar_of_anybody_else_is_none(tmp_path, content):
    assert sidecar.parse(content) is None
    sidecar.beside(tmp_path / "one.db").write_bytes(content)
    with pytest.raises(SnapshotError, match="is damaged"):
        sidecar.read(tmp_path / "one.db", "ab")


def test_a_sidecar_of_another_snapshot_is_refused(tmp_path):
    sidecar.beside(tmp_path / "one.db").write_bytes(example().json())
    with pytest.raises(SnapshotError, match="belongs to another snapshot"):
        sidecar.read(tmp_path / "one.db", "another")
