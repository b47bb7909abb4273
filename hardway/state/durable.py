"""Writing files so that neither a crash nor a power cut leaves half of one, and their content is never seen with a
wrong mode."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def synced(path: Path, mode: int) -> Iterator[BinaryIO]:
    """A new file to write, its mode set before any content, which is on disk at the end; FileExistsError when it is
    there.

    What cannot be written as a whole is not left in part.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            yield file
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def write_synced(path: Path, data: bytes, mode: int) -> None:
    """Such a file with this content."""
    with synced(path, mode) as file:
        file.write(data)


def sync_directory(path: Path) -> None:
    """Make a rename or link in this folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
