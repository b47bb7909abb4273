"""A new private file that is written piece by piece: it has its name only once it is whole and on the disk."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..errors import UsageError
from .durable import sync_directory

PRIVATE = 0o600
PART = re.compile(r"\..+\.hardway-[0-9a-f]{12}")
# A file system that has no links: there a rename must do, after a look.
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@contextlib.contextmanager
def growing(final: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A file to write beside its `final` name, and where it is; removed at the end if `place` has not moved it.

    It is locked while this lasts, so that `sweep` knows what nobody writes any more. UsageError where it cannot be
    private.
    """
    path = final.with_name(f".{final.name}.hardway-{secrets.token_hex(6)}")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if stat.S_IMODE(os.fstat(descriptor).st_mode) != PRIVATE:
                raise UsageError(
                    f"the file system of {final.parent} cannot keep a file private: it does not keep mode 0600",
                    hint="choose a folder on a native file system of this machine with -o",
                )
            yield path, file
    finally:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def place(part: Path, file: BinaryIO, final: Path) -> None:
    """Give it its name, once its content is on the disk; UsageError when the name is taken."""
    file.flush()
    os.fsync(file.fileno())
    try:
        # A link, unlike a rename, fails when the name is taken.
        os.link(part, final)
    except FileExistsError:
        raise taken(final) from None
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if final.exists():
            raise taken(final) from None
        os.rename(part, final)
    sync_directory(final.parent)


def taken(path: Path) -> UsageError:
    """The error for a name that somebody's file has already."""
    return UsageError(f"{path} exists already and is not overwritten", hint="name a new file, or a folder, with -o")


def sweep(folder: Path) -> None:
    """Remove what killed runs were writing in a folder; what is still being written is locked."""
    for path in folder.glob(".*"):
        if PART.fullmatch(path.name):
            with contextlib.suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
