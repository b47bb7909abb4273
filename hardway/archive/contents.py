"""What is in the file: an archive that `tar` unpacks, with a manifest that says what it holds.

Entries are written one after the other, so that no second copy of the snapshot is ever on a disk. When it is read, what
is decrypted lies in files without a name: they are gone when the process ends, however it ends.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ..errors import BackupError, SnapshotError
from ..etcd import sidecar, snapshot
from ..etcd.sidecar import Sidecar
from ..etcd.snapshot import Snapshot
from ..foreign.objects import words
from ..foreign.understanding import OTHERWISE, text
from ..state.statedir import IGNORE_EVERYTHING
from .sealing import TAKE, Key, Lock, Reader, seal, unseal

KIND, SCHEMA = "backup of a cluster by hardway", 1
README, MANIFEST, INVENTORY, SNAPSHOT, STATE = "README.txt", "backup.json", "inventory.yaml", "etcd.db", "state/"
BESIDE = f"{SNAPSHOT}.json"
BLOCK, CHUNK = 512, 1 << 20
ABOUT = """The whole of one Kubernetes cluster, as hardway backup has written it.

backup.json     which cluster, when, which versions
inventory.yaml  its inventory
etcd.db         a snapshot of etcd: every object; etcd.db.json says of what
state/          the state directory (.hardway/CLUSTER): CAs, keys, the encryption key of Secrets

To restore all of it:      hardway restore INV FILE
To restore etcd alone:     hardway etcd restore INV etcd.db
These files give full access to the cluster: keep them private.
"""


@dataclass(frozen=True)
class Manifest:
    """`taken` is the moment (UTC, ISO 8601), `hosts` the address of each host of that day, `api` the API's URL."""

    cluster: str
    taken: str
    hardway: str
    kubernetes: str
    etcd: str
    api: str
    hosts: Mapping[str, str] = field(default_factory=dict)
    kind: str = KIND
    schema: int = SCHEMA

    def json(self) -> bytes:
        return f"{json.dumps(dataclasses.asdict(self), indent=2)}\n".encode()


@dataclass(frozen=True)
class Backup:
    """A whole backup in the file `path`; `state` are the files of the state directory, by their names there."""

    path: Path
    manifest: Manifest
    inventory: bytes
    snapshot: Snapshot
    sidecar: Sidecar
    state: Mapping[str, bytes] = field(repr=False)


def write(lock: Lock, target: BinaryIO, backup: Backup) -> None:
    """Encrypt all of it into `target`."""
    small = {README: ABOUT.encode(), MANIFEST: backup.manifest.json(), INVENTORY: backup.inventory}
    # With it the folder that is unpacked by hand is a state directory.
    small |= {BESIDE: backup.sidecar.json(), f"{STATE}.gitignore": IGNORE_EVERYTHING}
    small |= {f"{STATE}{name}": data for name, data in sorted(backup.state.items())}
    seal(lock, io.BufferedReader(_Pieces(_archive(small, backup.snapshot)), CHUNK), target)


def _archive(small: Mapping[str, bytes], found: Snapshot) -> Iterator[bytes]:
    moment = int(time.time())
    for name, data in small.items():
        yield _head(name, len(data), moment) + data + bytes(-len(data) % BLOCK)
    yield _head(SNAPSHOT, found.size, moment)
    with found.path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
    yield bytes(-found.size % BLOCK)
    yield bytes(2 * BLOCK)


def _head(name: str, size: int, moment: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, moment
    return info.tobuf()


class _Pieces(io.RawIOBase):
    """Bytes that come piece by piece, as a file."""

    def __init__(self, pieces: Iterator[bytes]):
        self._pieces, self._held = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._held = memoryview(piece)
        size = min(len(buffer), len(self._held))
        buffer[:size], self._held = self._held[:size], self._held[size:]
        return size


@contextmanager
def nameless() -> Iterator[tuple[Path, BinaryIO]]:
    """A private file without a name, and a path by which this process reads it; in $TMPDIR, or /tmp."""
    with tempfile.TemporaryFile() as file:
        yield Path(f"/proc/{os.getpid()}/fd/{file.fileno()}"), file


@contextmanager
def opened(path: Path, key: Key) -> Iterator[Backup]:
    """What is in a backup, all of it verified before any of it is used; BackupError when it is not whole or no backup.

    The snapshot is there as long as this lasts.
    """
    with nameless() as (place, database):
        with tempfile.TemporaryFile() as plain:
            unseal(key, path, plain)
            plain.seek(0)
            small = _read(path, plain, database)
        database.flush()
        yield _understood(path, small, place)


def _read(path: Path, plain: BinaryIO, database: BinaryIO) -> dict[str, bytes]:
    """The small entries; the snapshot goes to a file."""
    small: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=plain, mode="r:") as archive:
            for entry in archive:
                file: Reader | None = archive.extractfile(entry) if entry.isfile() else None
                if file is None:
                    raise tarfile.TarError(f"{entry.name} is not a file")
                if entry.name == SNAPSHOT:
                    shutil.copyfileobj(file, database, CHUNK)
                else:
                    small[entry.name] = file.read()
    except tarfile.TarError as error:
        raise _no_backup(path, str(error)) from error
    return small


def _understood(path: Path, small: Mapping[str, bytes], place: Path) -> Backup:
    missing = [name for name in (MANIFEST, INVENTORY, BESIDE) if name not in small]
    if missing:
        raise _no_backup(path, f"it has no {missing[0]}")
    about = sidecar.parse(small[BESIDE])
    manifest = _manifest(path, small[MANIFEST])
    try:
        found = snapshot.read(place)
    except SnapshotError as error:
        raise _no_backup(path, f"{SNAPSHOT} is no snapshot of etcd") from error
    if about is None or about.sha256 != found.sha256:
        raise _no_backup(path, f"{BESIDE} is not that of {SNAPSHOT}")
    found = dataclasses.replace(found, called=f"{path}: {SNAPSHOT}")
    return Backup(path, manifest, small[INVENTORY], found, about, dict(_state(path, small)))


def _manifest(path: Path, content: bytes) -> Manifest:
    try:
        said = json.loads(content)
        if (said["kind"], said["schema"]) == (KIND, SCHEMA):
            return _checked(Manifest(**said))
    except OTHERWISE as error:
        raise _no_backup(path, f"{MANIFEST} is not what hardway writes") from error
    raise BackupError(
        f"{path} was written by another version of hardway",
        evidence=f"{said['kind']}, format {said['schema']}; this hardway reads format {SCHEMA}",
        hint=f"use that version: {said.get('hardway', 'unknown')}",
    )


def _checked(said: Manifest) -> Manifest:
    """The same; ValueError where something in it is no text."""
    for name in ("cluster", "taken", "hardway", "kubernetes", "etcd", "api"):
        text(getattr(said, name))
    return dataclasses.replace(said, hosts=words(said.hosts))


def _state(path: Path, small: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """What is kept there by names that lead nowhere else."""
    for name, data in small.items():
        if name.startswith(STATE):
            own = PurePosixPath(name.removeprefix(STATE))
            if own.is_absolute() or ".." in own.parts or not own.parts:
                raise _no_backup(path, f"{name} is no name of a file in a state directory")
            if not own.name.startswith("."):
                yield str(own), data


def _no_backup(path: Path, said: str) -> BackupError:
    return BackupError(f"{path} is no backup of a cluster: {said}", hint=TAKE)
