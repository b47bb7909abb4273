"""Files on this machine's disk, each beside a record of its sha256 and of where it came from.

The record is a claim. What counts is a pin (`pins`), or that this user's hardway has stored or checked the file
(`checked`): that is remembered elsewhere, since a cache can be copied, shared and changed. Reading a gigabyte at every
run would be slow, so a file is hashed again only when its size, inode, mtime or ctime moved.
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
from . import checked, pins
from .asset import Asset, Item, Report

CHANGED = "is damaged: its checksum has changed since it was stored"
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

    The same version from two origins is not the same file, so origins never mix. `own` is the user's file of
    checksums.
    """

    def __init__(self, directory: Path, origin: str, own: str = ""):
        self.directory = directory
        self.origin = origin
        self.own = own

    def path(self, item: Item) -> Path:
        """Where the item lies or would lie."""
        component = f"image-{item.name}" if item.is_image else item.component
        name = f"{item.name}.tar" if item.is_image else item.name
        return self.directory / self.origin / component / item.version / item.arch / name

    def holds(self, item: Item) -> bool:
        """Whether the item and its record are there, checked or not."""
        return self.path(item).is_file() and _record_path(self.path(item)).is_file()

    def has(self, item: Item) -> bool:
        """Whether the item is there and something says what it must be."""
        record = _record(self.path(item))
        return self.path(item).is_file() and record is not None and self._known(item, record)

    def pin(self, item: Item) -> str:
        """The sha256 that is known of the item as it lies here, whoever stored it; "" when there is none."""
        record = _record(self.path(item)) or {"sha256": "", "made_with": ""}
        known = item.is_image and pins.known_image(item, record["sha256"])
        return record["sha256"] if known else self._pinned(item, record)

    def get(self, item: Item, reference: str = "", rehash: bool = False) -> Asset | None:
        """The item when it is there and intact; AssetError naming the file when it was changed.

        None when it is not there, or nobody knows what it must be: then it is gathered again.
        """
        path = self.path(item)
        record = _record(path)
        if record is None or not path.is_file() or not self._known(item, record):
            return None
        _refuse_other(item, path, record["sha256"], self._pinned(item, record), "does not have its pinned checksum")
        before, now = checked.remembered(path), checked.seen(path, record["sha256"])
        if before and not self.pin(item):
            _refuse_other(item, path, record["sha256"], before.sha256, "is not the file that hardway stored")
        if rehash or before != now:
            _refuse_other(item, path, sha256_of(path), record["sha256"], CHANGED)
            with contextlib.suppress(AssetError):  # Where nothing can be noted, it is merely slower.
                checked.remember(path, now)
        return self._asset(item, record, now.size, reference)

    def put(self, item: Item, source: Path, provenance: str, made_with: str = "") -> Asset:
        """Move a finished file on the same file system into its place, recording its sha256; the asset.

        A program for other processors or of another version is an AssetError. `made_with` names the compilers.
        """
        _refuse_other_program(item, source, provenance)
        path = self.path(item)
        path.parent.mkdir(parents=True, exist_ok=True)
        source.chmod(0o644 if item.is_image else 0o755)
        record = {"sha256": sha256_of(source), "provenance": provenance, "made_with": made_with}
        # The old record goes first: a crash in between leaves a file nobody vouches for, not a wrong record.
        _record_path(path).unlink(missing_ok=True)
        source.replace(path)
        now = checked.seen(path, record["sha256"])
        checked.remember(path, now)
        _write_record(path, record)
        return self._asset(item, record, now.size)

    def _asset(self, item: Item, record: dict, size: int, reference: str = "") -> Asset:
        known = (item.component, item.name, item.version, item.arch, self.path(item), record["sha256"], size)
        return Asset(*known, record["provenance"], reference, record["made_with"])

    def _pinned(self, item: Item, record: dict) -> str:
        return pins.pinned(item, self.origin, record["made_with"], self.own)

    def _known(self, item: Item, record: dict) -> bool:
        if self._pinned(item, record) or checked.remembered(self.path(item)) is not None:
            return True
        return item.is_image and pins.known_image(item, record["sha256"])

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


def _refuse_other(item: Item, path: Path, found: str, right: str, why: str) -> None:
    """AssetError for a file whose sha256 is not the one that is known; nothing known (`right` is empty) is no
    difference."""
    if right and found != right:
        raise AssetError(
            f"{path} {why}",
            evidence=f"{item}\nexpected sha256 {right}\nfound    sha256 {found}",
            hint=f"rm {path} && hardway assets fetch INV",
        )


def _refuse_other_program(item: Item, source: Path, provenance: str) -> None:
    """A program for other processors or of another version is refused here: on a host it would be a unit that fails, or
    lies."""
    if item.is_image:
        return
    with source.open("rb") as stream:
        head = stream.read(20)
    hint = "provide the right file and its checksum, then: hardway assets fetch INV"
    if not head.startswith(b"\x7fELF"):
        raise AssetError(
            f"{item.name} {item.version} for {item.arch} is no program: the file begins with {head!r}",
            evidence=provenance,
            hint=hint,
        )
    machine = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
    found = MACHINES.get(machine, f"another processor (ELF machine {machine})")
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


def _record(path: Path) -> dict[str, str] | None:
    """What is claimed of a file: its sha256, provenance and compilers; None when nothing can be read."""
    try:
        found = json.loads(_record_path(path).read_text(encoding="utf-8"))
        return {name: str(found[name]) for name in ("sha256", "provenance")} | {"made_with": found.get("made_with", "")}
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write_record(path: Path, record: dict) -> None:
    temporary = path.with_name(f".{path.name}.json.{os.getpid()}")
    temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    temporary.replace(_record_path(path))


def free_gigabytes(directory: Path) -> float:
    """Free space of the file system that holds, or would hold, `directory`."""
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    return shutil.disk_usage(existing).free / 1e9
