"""A lock between processes that names its owner and is free again the moment the owner dies."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import InUseError, PkiError
from .owner import Owner

BOOT = Path("/proc/sys/kernel/random/boot_id")


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold `path` exclusively without waiting; InUseError naming pid, host, user and start of the owner when it is
    taken, PkiError when there can be no lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise PkiError(
            f"cannot open the lock {path}: {error.strerror}", hint=f"check the owner and mode of {path.parent}"
        ) from error
    with os.fdopen(descriptor):
        _take(descriptor, path)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, _owner().encode(), 0)
        try:
            yield
        finally:
            # After a crash this text stays behind, but the kernel has let go of the lock.
            os.truncate(descriptor, 0)


def identity(path: Path) -> str:
    """What no other lock file has while this computer runs; empty where the computer does not say since when it does.

    Whoever holds the lock knows by it that all others who name it have ended, wherever they are heard of. A copy of the
    folder has another one, and so has the same file after a reboot or on a copy of the machine.
    """
    try:
        boot, file = BOOT.read_text(encoding="utf-8"), path.stat()
    except OSError:
        return ""
    return hashlib.sha256(f"{boot} {file.st_dev} {file.st_ino}".encode()).hexdigest()[:16]


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 1000, 0).decode(errors="replace").strip()
        process = owner.partition("pid ")[2].split("\n")[0]
        show = f"ps -fp {process}   shows it; wait" if process else "wait"
        hint = f"{show} until it finishes, or stop it; the lock {path} is released when that process exits"
        evidence = owner or "owner unknown: it has just started"
        raise InUseError(f"another hardway process is using {path.parent}", evidence=evidence, hint=hint) from None


def _owner() -> str:
    started, owner = datetime.datetime.now().astimezone().isoformat(timespec="seconds"), Owner.of_this_run()
    return f"pid {owner.pid}\nhost {owner.computer}\nuser {owner.user}\nstarted {started}\n"
