"""Files on this machine's disk, each beside a record of its sha256 and of the stat that was current when it was
checked.

Reading a gigabyte at every run would be slow, so a file is hashed again only when its size, inode,
mtime or ctime moved. Nobody but root can change content and keep the ctime, so a flipped byte is seen.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import AssetError
from .asset import Asset, Item, Report

# What an ELF header calls the processors hardway knows.
MACHINES = {62: "amd64", 183: "arm64", 3: "386", 40: "arm"}


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def default_directory() -> Path:
    """$HARDWAY_CACHE, else hardway below $XDG_CACHE_HOME or ~/.cache."""
    chosen = os.environ.get("HARDWAY_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(chosen) if chosen else Path(base) / "hardway").expanduser().absolute()


@contextlib.contextmanager
def usable(directory: Path) -> Iterator[None]:
    """A cache on a disk that is full, read-only or not accessible is an AssetError, whatever was being done in it."""
    try:
        yield
    except OSError as error:
        ours = str(error.filename or "").startswith(str(directory))
        if not ours and error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        raise AssetError(
            f"the cache {directory} cannot be used: {error.strerror}",
            evidence=str(error.filename or ""),
            hint="fix that, or use another folder with 12 GB free: export HARDWAY_CACHE=DIR",
        ) from error


class Cache:
    """One origin's files below `directory`: "releases" for what projects publish, "modules" for what is built here.

    The same version from two origins is not the same file, so origins never mix.
    """

    def __init__(self, directory: Path, origin: str):
        self.directory = directory
        self.origin = origin

    def path(self, item: Item) -> Path:
        """Where the item lies or would lie."""
        component = f"image-{item.name}" if item.is_image else item.component
        name = f"{item.name}.tar" if item.is_image else item.name
        return self.directory / self.origin / component / item.version / item.arch / name

    def has(self, item: Item) -> bool:
        """Whether the item and its record are there, checked or not."""
        return self.path(item).is_file() and _record_path(self.path(item)).is_file()

    def get(self, item: Item, reference: str = "", rehash: bool = False) -> Asset | None:
        """The item when it is there and intact, None when it is not there; AssetError naming the file when it was
        changed."""
        path = self.path(item)
        try:
            record = json.loads(_record_path(path).read_text(encoding="utf-8"))
            stat = _stat(path)
        except (FileNotFoundError, ValueError):
            # Without a readable record nobody vouches for the file: it counts as absent and is gathered again.
            return None
        if rehash or record["stat"] != stat:
            self._check(item, path, record)
        known = (record["sha256"], stat["size"], record["provenance"])
        return Asset(
            item.component, item.name, item.version, item.arch, path, *known, reference, record.get("made_with", "")
        )

    def put(self, item: Item, source: Path, provenance: str, made_with: str = "") -> Asset:
        """Move a finished file on the same file system into its place, recording its sha256; the asset.

        A program for other processors or of another version is an AssetError. `made_with` names the compilers.
        """
        _refuse_other_program(item, source, provenance)
        path = self.path(item)
        path.parent.mkdir(parents=True, exist_ok=True)
        source.chmod(0o644 if item.is_image else 0o755)
        sha256 = sha256_of(source)
        # The old record goes first: a crash in between leaves a file nobody vouches for, not a wrong record.
        _record_path(path).unlink(missing_ok=True)
        source.replace(path)
        _write_record(path, {"sha256": sha256, "provenance": provenance, "made_with": made_with, "stat": _stat(path)})
        asset = self.get(item)
        assert asset is not None
        return asset

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """A scratch directory on the cache's file system, removed afterwards."""
        base = self.directory / "work"
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=base, ignore_cleanup_errors=True) as path:
            yield Path(path)

    @contextlib.contextmanager
    def lock(self, report: Report) -> Iterator[None]:
        """Wait for other processes that fill this cache; whoever dies lets go of the lock."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w", encoding="utf-8") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                report(f"waiting for another hardway that is filling {self.directory}")
                fcntl.flock(stream, fcntl.LOCK_EX)
            # Holding the lock, any scratch directory here is what a killed process left.
            shutil.rmtree(self.directory / "work", ignore_errors=True)
            yield

    def _check(self, item: Item, path: Path, record: dict) -> None:
        found, stat = sha256_of(path), _stat(path)
        if found != record["sha256"]:
            raise AssetError(
                f"{path} is damaged: its checksum has changed since it was stored",
                evidence=f"{item}\nexpected sha256 {record['sha256']}\nfound    sha256 {found}",
                hint=f"rm {path} && hardway assets fetch INV",
            )
        with contextlib.suppress(OSError):  # A cache that cannot be written is merely slower.
            _write_record(path, {**record, "stat": stat})


def _refuse_other_program(item: Item, source: Path, provenance: str) -> None:
    """A program for other processors or of another version is refused here: on a host it would be a unit that fails, or
    lies."""
    if item.is_image:
        return
    with source.open("rb") as stream:
        head = stream.read(20)
    if not head.startswith(b"\x7fELF"):
        return
    machine = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
    found = MACHINES.get(machine, f"another processor (ELF machine {machine})")
    hint = "provide the right file and its checksum, then: hardway assets fetch INV"
    if found != item.arch:
        raise AssetError(
            f"{item.name} {item.version} for {item.arch} is a program for {found}",
            evidence=f"{provenance}\nexpected {item.arch}, found {found} in the file's ELF header",
            hint=hint,
        )
    # Each of them can say its version, so it has it somewhere in its data.
    if item.version.encode() not in source.read_bytes():
        raise AssetError(
            f"{item.name} {item.version} is another program or version: the file does not contain the text"
            f" {item.version}",
            evidence=provenance,
            hint=hint,
        )


def _record_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.json")


def _stat(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "ctime_ns": stat.st_ctime_ns, "inode": stat.st_ino}


def _write_record(path: Path, record: dict) -> None:
    temporary = path.with_name(f".{path.name}.json.{os.getpid()}")
    temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    temporary.replace(_record_path(path))


def free_gigabytes(directory: Path) -> float:
    """Free space of the file system that holds, or would hold, `directory`."""
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    return shutil.disk_usage(existing).free / 1e9
