"""A snapshot of etcd as a file on this computer: whether it is whole, and what it holds.

etcd appends the sha256 of the database to it, so that it can be verified anywhere.
"""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass
from pathlib import Path

from ..errors import SnapshotError
from .bolt import Bolt
from .sealed import last_of_each

TRAILER = 32
SECTOR = 512  # a database is a multiple of it, so that a file with a checksum can be told from one without
CHUNK = 1 << 20
KEYS, ABOUT = b"key", b"meta"
AGAIN = "take another snapshot"
STORAGE, COMPACTED = b"storageVersion", b"finishedCompactRev"


@dataclass(frozen=True)
class Snapshot:
    """`sha256` is that of the whole file, `revision` the last that it knows of, `top` that of its last change.

    `storage` is the version of its format, empty before 3.6; `called` is its name for people where that is not `path`.
    """

    path: Path
    size: int
    sha256: str
    revision: int
    top: int
    storage: str
    called: str = ""

    def __str__(self) -> str:
        return self.called or str(self.path)

    def holds(self, text: str) -> bool:
        """Whether these bytes stand anywhere in it."""
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(text.encode()) >= 0

    def keys_of(self, prefix: str) -> frozenset[str]:
        """The encryption keys under which it has objects whose path in etcd begins like this, as `aescbc:key1`, and
        `identity` for those in the clear. SnapshotError when it cannot be read."""
        try:
            with self.path.open("rb") as file:
                bolt = Bolt(file, self.size - TRAILER)
                keys = bolt.bucket(KEYS)
                changes = bolt.pairs(keys) if keys else ()
                return frozenset(last_of_each(changes, prefix.encode()).values())
        except (OSError, ValueError) as error:
            raise SnapshotError(f"cannot read the objects in {self.path}: {error}", hint=AGAIN) from error

    @property
    def minor(self) -> tuple[int, int]:
        """(major, minor) of etcd whose format it has; (3, 5) where it does not say."""
        major, minor = (self.storage or "3.5").split(".")[:2]
        return int(major), int(minor)


def read(path: Path) -> Snapshot:
    """The snapshot in a file, verified; SnapshotError when it is none, not whole, or not as etcd has sent it."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise SnapshotError(f"{path} is not a file", hint="name a snapshot that hardway etcd backup has written")
        if size % SECTOR != TRAILER:
            raise _no_checksum(path, size)
        digest = _verified(path, size)
        return Snapshot(path, size, digest, *_content(path, size - TRAILER))
    except OSError as error:
        raise SnapshotError(f"cannot read {path}: {error.strerror}", hint="check the file's name and mode") from error
    except ValueError as error:
        raise SnapshotError(f"{path} is no database of etcd: {error}", hint=AGAIN) from error


def _no_checksum(path: Path, size: int) -> SnapshotError:
    return SnapshotError(
        f"{path} is not a whole snapshot: etcd's checksum is missing at its end",
        evidence=f"{size} bytes; a whole snapshot has 32 bytes more than a multiple of {SECTOR}",
        hint=(
            "use another snapshot; if it is a copy of the file member/snap/db of a member that was stopped, add the"
            f" checksum: (cat {path}; openssl dgst -sha256 -binary {path}) > NEW"
        ),
    )


def _verified(path: Path, size: int) -> str:
    """The sha256 of the whole file, once the one at its end is found to be that of the rest."""
    digest, left = hashlib.sha256(), size - TRAILER
    with path.open("rb") as file:
        while left:
            chunk = file.read(min(CHUNK, left))
            if not chunk:
                raise ValueError("it became shorter while it was read")
            digest.update(chunk)
            left -= len(chunk)
        trailer = file.read(TRAILER)
    if trailer != digest.digest():
        raise SnapshotError(
            f"{path} is damaged: its checksum is not that of its content",
            evidence=f"at its end {trailer.hex()}\nfound     {digest.hexdigest()}",
            hint="use another snapshot; this one has changed since etcd sent it",
        )
    digest.update(trailer)
    return digest.hexdigest()


def _content(path: Path, size: int) -> tuple[int, int, str]:
    """(revision, last change, storage version) of the database in the first `size` bytes."""
    with path.open("rb") as file:
        bolt = Bolt(file, size)
        keys, about = bolt.bucket(KEYS), bolt.bucket(ABOUT)
        if keys is None or about is None:
            raise ValueError("it has no keys")
        top = _main(bolt.last_key(keys))
        # The changes up to there may be gone, and are counted all the same.
        compacted = _main(bolt.get(about, COMPACTED))
        return max(top, compacted), top, (bolt.get(about, STORAGE) or b"").decode("utf-8", "replace")


def _main(revision: bytes | None) -> int:
    return int.from_bytes((revision or b"")[:8], "big")
