"""Binaries from mirrors that lack, break or forge them. The remedy is carried out each time, and the same command goes on."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from assets_world import VERSIONS, everything, write_folder
from assets_world import Server as Mirror

from .cases import case
from .desk import Desk

KUBELET = f"dl.k8s.io/release/v{VERSIONS.kubernetes}/bin/linux/amd64/kubelet"
PINNED = {name: getattr(VERSIONS, name) for name in vars(VERSIONS) if name != "kubernetes"}


@pytest.fixture
def world() -> dict[str, bytes]:
    """All that a mirror holds, by HOST/PATH."""
    files = everything()
    assert KUBELET in files
    return files


@pytest.fixture
def mirror(world: dict[str, bytes]) -> Iterator[Mirror]:
    server = Mirror(world)
    yield server
    server.close()


def fetch(desk: Desk, mirror: str | Path):
    inventory = desk.inventory(
        kubernetes=VERSIONS.kubernetes, versions=PINNED, assets={"source": "mirror", "mirror": str(mirror), "images": "push"}
    )
    return desk.hardway("assets", "fetch", inventory, environment={"HARDWAY_CACHE": str(desk.folder / "cache")})


@case("mirror-without-the-file")
def test_mirror_without_the_file(desk: Desk, world, told):
    folder = desk.folder / "mirror"
    write_folder(folder, {name: content for name, content in world.items() if name != KUBELET})
    told(fetch(desk, folder))
    write_folder(folder, world)
    fetch(desk, folder).ok()


@case("download-breaks-off")
def test_download_breaks_off(desk: Desk, mirror: Mirror, told):
    mirror.break_after[KUBELET] = [1000, 0]
    told(fetch(desk, mirror.url))
    fetch(desk, mirror.url).ok()
    assert mirror.requests(KUBELET)[-1]["Range"] == "bytes=1000-", "what had arrived is not asked for again"


@case("forged-binary")
def test_forged_binary(desk: Desk, mirror: Mirror, told):
    right = mirror.files[KUBELET]
    mirror.files[KUBELET] = right + b"!"
    told(fetch(desk, mirror.url))
    mirror.files[KUBELET] = right
    fetch(desk, mirror.url).ok()


@case("binary-for-another-processor")
def test_binary_for_another_processor(desk: Desk, mirror: Mirror, told):
    put(mirror, elf(183))
    told(fetch(desk, mirror.url))
    put(mirror, elf(62))
    fetch(desk, mirror.url).ok()


def put(mirror: Mirror, content: bytes) -> None:
    mirror.files[KUBELET] = content
    mirror.files[f"{KUBELET}.sha256"] = hashlib.sha256(content).hexdigest().encode()


def elf(machine: int) -> bytes:
    """A program's header: 64 bits, little endian, executable, for this processor."""
    return b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + struct.pack("<HHI", 2, machine, 1) + bytes(40)
