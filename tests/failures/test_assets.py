"""Binaries from mirrors that lack, break or forge them.

The remedy is carried out each time, and the same command goes on.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from assets_world import VERSIONS, everything, module_downloads, write_folder
from assets_world import Server as Mirror

from .cases import case
from .desk import Desk

RUNC = f"github.com/opencontainers/runc/releases/download/v{VERSIONS.runc}/runc.amd64"
PINNED = {name: getattr(VERSIONS, name) for name in vars(VERSIONS) if name != "kubernetes"}


@pytest.fixture
def world() -> dict[str, bytes]:
    """All that a mirror holds, by HOST/PATH."""
    files = everything()
    assert RUNC in files
    return files


@pytest.fixture
def mirror(world: dict[str, bytes]) -> Iterator[Mirror]:
    server = Mirror(world)
    yield server
    server.close()


def fetch(desk: Desk, mirror: str | Path):
    inventory = desk.inventory(
        kubernetes=VERSIONS.kubernetes,
        versions=PINNED,
        assets={"source": "mirror", "mirror": str(mirror), "images": "pull"},
    )
    return desk.hardway("assets", "fetch", inventory, environment={"HARDWAY_CACHE": str(desk.folder / "cache")})


@case("mirror-without-the-file")
def test_mirror_without_the_file(desk: Desk, world, told):
    folder = desk.folder / "mirror"
    write_folder(folder, {name: content for name, content in world.items() if name != RUNC})
    told(fetch(desk, folder))
    write_folder(folder, world)
    fetch(desk, folder).ok()


@case("download-breaks-off")
def test_download_breaks_off(desk: Desk, mirror: Mirror, told):
    mirror.break_after[RUNC] = [1000, 0]
    told(fetch(desk, mirror.url))
    fetch(desk, mirror.url).ok()
    assert mirror.requests(RUNC)[-1]["Range"] == "bytes=1000-", "what had arrived is not asked for again"


@case("forged-binary")
def test_forged_binary(desk: Desk, mirror: Mirror, told):
    right = mirror.files[RUNC]
    mirror.files[RUNC] = right + b"!"
    told(fetch(desk, mirror.url))
    mirror.files[RUNC] = right
    fetch(desk, mirror.url).ok()


@case("binary-for-another-processor")
def test_binary_for_another_processor(desk: Desk, mirror: Mirror, told):
    put(mirror, elf(183))
    told(fetch(desk, mirror.url))
    put(mirror, elf(62))
    fetch(desk, mirror.url).ok()


@case("program-of-another-version")
def test_program_of_another_version(desk: Desk, mirror: Mirror, told):
    put(mirror, elf(62, "0.9.9"))
    told(fetch(desk, mirror.url))
    put(mirror, elf(62))
    fetch(desk, mirror.url).ok()


@case("forged-binary-in-the-cache")
def test_forged_binary_in_the_cache(desk: Desk, mirror: Mirror, told):
    fetch(desk, mirror.url).ok()
    [path] = (desk.folder / "cache/releases/runc").rglob("runc")
    right, record = path.read_bytes(), path.with_name(".runc.json")
    path.write_bytes(b"forged")
    forged = {"sha256": hashlib.sha256(b"forged").hexdigest()}
    record.write_text(json.dumps({**json.loads(record.read_text()), **forged}))
    told(fetch(desk, mirror.url))
    path.unlink()
    fetch(desk, mirror.url).ok()
    assert path.read_bytes() == right


def put(mirror: Mirror, content: bytes) -> None:
    mirror.files[RUNC] = content
    mirror.files[f"{RUNC.rpartition('/')[0]}/runc.sha256sum"] = (
        f"{hashlib.sha256(content).hexdigest()}  runc.amd64\n".encode()
    )


def elf(machine: int, version: str = VERSIONS.runc) -> bytes:
    """A program's header: 64 bits, little endian, executable, for this processor; and its version, as each has it
    somewhere."""
    return b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + struct.pack("<HHI", 2, machine, 1) + bytes(40) + version.encode()


FORGED = "github.com/blang/semver/v4"  # a small one that Kubernetes is made of


@pytest.fixture
def proxy(desk: Desk) -> Iterator[dict[str, str]]:
    """The environment of somebody whose first module proxy changes one module, and whose others do not."""
    downloads, others = module_downloads()
    forged = desk.folder / "proxy"
    shutil.copytree(downloads / FORGED, forged / FORGED)
    for archive in (forged / FORGED).rglob("*.zip"):
        archive.chmod(0o644)
        with zipfile.ZipFile(archive, "a") as content:
            content.writestr(f"{FORGED}@{archive.stem}/forged.go", "package semver\n")
    proxies = ",".join((f"file://{forged}", f"file://{downloads}", others))
    modules = desk.folder / "modules"
    yield {"GOPROXY": proxies, "GOMODCACHE": str(modules), "HARDWAY_CACHE": str(desk.folder / "cache")}
    for path in modules.rglob("*"):  # Go leaves its folders closed to writing.
        if path.is_dir():
            path.chmod(0o755)


@case("forged-module")
def test_forged_module(desk: Desk, proxy: dict[str, str], told):
    inventory = desk.inventory(assets={"source": "modules", "images": "pull"})
    told(desk.hardway("assets", "fetch", inventory, environment=proxy))
    assert not list((desk.folder / "cache/modules").rglob("kube*"))
