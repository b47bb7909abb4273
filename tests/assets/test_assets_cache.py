"""The cache notices every change, survives being killed and serves one filler at a time."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap

import pytest
from assets_world import cluster, program

from hardway.assets import AssetStore, cache, pins
from hardway.assets.asset import Item
from hardway.assets.cache import Cache
from hardway.assets.table import table
from hardway.errors import AssetError

ITEM = Item("runc", "runc", "1.4.2", "amd64")
RUNC, AGAIN = program(b"runc 1.4.2 " * 500), program(b"1.4.2, again")


@pytest.fixture
def filled(tmp_path):
    found = Cache(tmp_path / "cache", "releases")
    put(found, RUNC)
    return found


def put(found: Cache, content: bytes):
    with found.workspace() as scratch:
        (scratch / "x").write_bytes(content)
        return found.put(ITEM, scratch / "x", "a test")


def flip_byte_and_hide_it(path) -> None:
    """Change one byte and put size, mtime and inode back: all an ordinary tool can put back."""
    before = path.stat()
    with path.open("r+b") as stream:
        stream.seek(77)
        stream.write(b"!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns and path.stat().st_ino == before.st_ino


def test_a_flipped_byte_is_named_with_its_remedy(filled):
    path = filled.path(ITEM)
    flip_byte_and_hide_it(path)
    with pytest.raises(AssetError) as caught:
        filled.get(ITEM)
    assert caught.value.exit_code == 8
    assert str(path) in caught.value.message
    assert caught.value.hint == f"rm {path} && hardway assets fetch INV"


def test_a_damaged_file_stops_gathering_and_is_listed(tmp_path, server):
    found = AssetStore(cluster(server.url), tmp_path / "cache")
    found.gather()
    flip_byte_and_hide_it(found.binary("kubelet").path)
    server.log.clear()
    for refused in (found.gather, lambda: found.binary("kubelet")):
        with pytest.raises(AssetError, match="kubelet is damaged"):
            refused()
    assert [row.name for row in found.list() if row.state == "damaged"] == ["kubelet"]
    assert len(found.verify()) == 1
    assert server.log == []


def test_an_unchanged_file_is_not_read_again(filled, monkeypatch):
    monkeypatch.setattr(cache, "sha256_of", lambda path: pytest.fail("hashed again"))
    assert filled.get(ITEM).size == len(RUNC)


def test_verify_reads_it_again_in_any_case(filled, monkeypatch):
    monkeypatch.setattr(cache, "sha256_of", lambda path: "0" * 64)
    with pytest.raises(AssetError, match="damaged"):
        filled.get(ITEM, rehash=True)


def copied(filled, tmp_path, origin="releases", own="") -> Cache:
    shutil.copytree(filled.directory, tmp_path / "copy")
    return Cache(tmp_path / "copy", origin, own)


def by_hand(tmp_path, content: bytes) -> str:
    """A file of the user's with the checksum of such a content."""
    (tmp_path / "sums.yaml").write_text(f"runc 1.4.2 amd64: {hashlib.sha256(content).hexdigest()}\n")
    return str(tmp_path / "sums.yaml")


def forge(found: Cache, item: Item, **more: str) -> None:
    """Another content, with a record that matches it in all it says."""
    path = found.path(item)
    path.write_bytes(b"forged")
    record, stat = path.with_name(f".{path.name}.json"), path.stat()
    known = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "ctime_ns": stat.st_ctime_ns, "inode": stat.st_ino}
    told = {"sha256": hashlib.sha256(b"forged").hexdigest(), "stat": known, **more}
    record.write_text(json.dumps({**json.loads(record.read_text()), **told}))


def test_a_copied_cache_does_not_vouch_for_itself(filled, tmp_path):
    found = copied(filled, tmp_path)
    assert found.holds(ITEM) and not found.has(ITEM) and found.get(ITEM) is None


def test_a_copied_cache_is_checked_once_by_checksums_of_the_users(filled, tmp_path, monkeypatch):
    found = copied(filled, tmp_path, own=by_hand(tmp_path, RUNC))
    assert found.has(ITEM) and found.get(ITEM).sha256 == filled.get(ITEM).sha256
    monkeypatch.setattr(cache, "sha256_of", lambda path: pytest.fail("hashed twice"))
    assert found.get(ITEM).size == len(RUNC)


def test_a_forged_file_with_a_matching_record_is_not_what_was_stored(filled):
    forge(filled, ITEM)
    for rehash in (False, True):
        with pytest.raises(AssetError, match="is not the file that hardway stored") as caught:
            filled.get(ITEM, rehash=rehash)
    assert caught.value.hint == f"rm {filled.path(ITEM)} && hardway assets fetch INV"
    filled.path(ITEM).unlink()
    assert put(filled, AGAIN).size == len(AGAIN) == filled.get(ITEM).size


def test_a_forged_file_is_not_what_the_user_says_it_is(filled, tmp_path):
    found = copied(filled, tmp_path, own=by_hand(tmp_path, RUNC))
    forge(found, ITEM)
    with pytest.raises(AssetError, match="does not have its pinned checksum"):
        found.get(ITEM)


@pytest.fixture
def kubelet(tmp_path, monkeypatch):
    """A program built from modules, and its pin: of made-up content, so that no real program is needed."""
    item = Item("kubernetes", "kubelet", "1.37.2", "amd64")
    right = program(b"1.37.2")
    sums = {"go1.26.8": {"amd64": {"kubelet": hashlib.sha256(right).hexdigest()}}}
    monkeypatch.setattr(pins, "sums", lambda component, version: sums if component == "kubernetes" else {})
    found = Cache(tmp_path / "built", "modules")
    with found.workspace() as scratch:
        (scratch / "x").write_bytes(right)
        found.put(item, scratch / "x", "a test", "go1.26.8")
    return found, item


def test_a_pinned_program_is_known_wherever_its_cache_comes_from(kubelet, tmp_path):
    found, item = kubelet
    other = copied(found, tmp_path, "modules")
    assert other.has(item) and other.get(item).sha256 == found.get(item).sha256 == other.pin(item)


def test_a_forged_program_is_found_by_the_pin_of_its_toolchain(kubelet, tmp_path):
    other = copied(kubelet[0], tmp_path, "modules")
    forge(other, kubelet[1])
    with pytest.raises(AssetError, match="does not have its pinned checksum"):
        other.get(kubelet[1])


def test_a_record_that_names_the_pin_does_not_make_its_file_right(kubelet, tmp_path):
    other = copied(kubelet[0], tmp_path, "modules")
    forge(other, kubelet[1], sha256=kubelet[0].get(kubelet[1]).sha256)
    with pytest.raises(AssetError, match="is damaged"):
        other.get(kubelet[1])


def test_a_forged_program_of_a_toolchain_that_nobody_knows_is_gathered_again(kubelet, tmp_path):
    other = copied(kubelet[0], tmp_path, "modules")
    forge(other, kubelet[1], made_with="go9.9.9")
    assert not other.has(kubelet[1]) and other.get(kubelet[1]) is None and not other.pin(kubelet[1])


def test_every_program_of_every_supported_set_is_pinned_as_a_module():
    for versions in table()["sets"].values():
        for component in table()["components"]:
            known = pins.sums(component, versions[component])
            assert known, f"{component} {versions[component]} has no pin"
            for toolchain in known.values():
                assert set(table()["components"][component]["files"]) <= set(toolchain["amd64"]), component
        for image in ("pause", "coredns"):
            assert f"{image}-{versions[image]}" in table()["building"]["archives"]


def test_what_a_host_gets_after_a_forgery_is_refused_or_fetched_again(tmp_path, server):
    found = AssetStore(cluster(server.url), tmp_path / "cache")
    found.gather()
    assert found.verify() == [] and "kubelet 1.36.90 amd64" in found.unpinned()
    forge(found.cache, next(item for item in found.needed() if item.name == "kubelet"))
    assert "is not the file that hardway stored" in "".join(found.verify())
    for refused in (found.gather, lambda: found.binary("kubelet")):
        with pytest.raises(AssetError, match="is not the file that hardway stored"):
            refused()
    shutil.move(tmp_path / "cache", tmp_path / "elsewhere")
    moved = AssetStore(cluster(server.url), tmp_path / "elsewhere")
    assert "no checksum for it is known" in moved.verify()[0]
    assert {row.state for row in moved.list()} == {"unknown"}
    moved.gather()
    assert moved.verify() == [] and moved.binary("kubelet").path.read_bytes() != b"forged"


def test_where_nothing_can_be_noted_what_is_pinned_is_read_each_time(kubelet, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    found, item = kubelet
    assert found.get(item).sha256 == found.pin(item)
    with pytest.raises(AssetError, match="cannot note") as caught:
        put(found, RUNC)
    assert "XDG_STATE_HOME" in caught.value.hint


@pytest.mark.parametrize("record", [None, "", "{", "nonsense"])
def test_a_file_nobody_vouches_for_counts_as_absent_and_is_replaced(filled, record):
    path = filled.path(ITEM)
    record_path = path.with_name(".runc.json")
    record_path.unlink() if record is None else record_path.write_text(record)
    assert filled.get(ITEM) is None
    assert put(filled, AGAIN).size == len(AGAIN)
    assert filled.get(ITEM).path.read_bytes() == AGAIN


def test_origins_never_mix(filled):
    assert Cache(filled.directory, "modules").get(ITEM) is None


def test_missing_assets_name_the_command_that_brings_them(tmp_path):
    found = AssetStore(cluster("/nowhere"), tmp_path)
    for refused in (lambda: found.binary("kubelet"), lambda: found.image("pause")):
        with pytest.raises(AssetError, match="is not in the cache") as caught:
            refused()
        assert caught.value.hint == "hardway assets fetch INV"
    with pytest.raises(AssetError, match="no component has a binary 'kubeadmin'"):
        found.binary("kubeadmin")


def test_the_cache_directory_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("HARDWAY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.default_directory() == tmp_path / "hardway"
    monkeypatch.setenv("HARDWAY_CACHE", str(tmp_path / "mine"))
    assert cache.default_directory() == tmp_path / "mine"


def test_a_second_filler_waits_and_what_a_killed_one_left_is_swept(tmp_path):
    script = """
        import sys, pathlib
        from hardway.assets.cache import Cache
        cache = Cache(pathlib.Path(sys.argv[1]), "releases")
        with cache.lock(print), cache.workspace() as scratch:
            (scratch / "half-built").write_text("x")
            print("held", flush=True)
            sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        waited = []

        def kill_once_we_wait(line):
            waited.append(line)
            holder.kill()

        found = Cache(tmp_path, "releases")
        assert list((tmp_path / "work").glob("*/half-built"))
        with found.lock(kill_once_we_wait):
            assert waited == [f"waiting for another hardway that is filling {tmp_path}"]
            assert not (tmp_path / "work").exists()
