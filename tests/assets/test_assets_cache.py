"""The cache notices every change, survives being killed and serves one filler at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap

import pytest
from assets_world import cluster

from hardway.assets import AssetStore, cache
from hardway.assets.asset import Item
from hardway.assets.cache import Cache
from hardway.errors import AssetError

ITEM = Item("runc", "runc", "1.4.2", "amd64")


@pytest.fixture
def filled(tmp_path):
    found = Cache(tmp_path / "cache", "releases")
    put(found, b"runc " * 1000)
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
    assert filled.get(ITEM).size == 5000


def test_verify_reads_it_again_in_any_case(filled, monkeypatch):
    monkeypatch.setattr(cache, "sha256_of", lambda path: "0" * 64)
    with pytest.raises(AssetError, match="damaged"):
        filled.get(ITEM, rehash=True)


def test_a_copied_cache_is_checked_once_and_then_trusted(filled, tmp_path, monkeypatch):
    shutil.copytree(filled.directory, tmp_path / "copy")
    copied = Cache(tmp_path / "copy", "releases")
    assert copied.get(ITEM).sha256 == filled.get(ITEM).sha256
    monkeypatch.setattr(cache, "sha256_of", lambda path: pytest.fail("hashed twice"))
    assert copied.get(ITEM).size == 5000


@pytest.mark.parametrize("record", [None, "", "{", "nonsense"])
def test_a_file_nobody_vouches_for_counts_as_absent_and_is_replaced(filled, record):
    path = filled.path(ITEM)
    record_path = path.with_name(".runc.json")
    record_path.unlink() if record is None else record_path.write_text(record)
    assert filled.get(ITEM) is None
    assert put(filled, b"again").size == 5
    assert filled.get(ITEM).path.read_bytes() == b"again"


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
