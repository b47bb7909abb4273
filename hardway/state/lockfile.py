"""A lock between processes that names its owner and is free again the moment the owner dies."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import getpass
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from ..errors import PkiError


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold `path` exclusively without waiting; PkiError naming pid, host, user and start of the owner when it is taken."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise PkiError(f"cannot open the lock {path}: {error.strerror}", hint=f"check the owner and mode of {path.parent}") from error
    with os.fdopen(descriptor):
        _take(descriptor, path)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, _owner().encode(), 0)
        try:
            yield
        finally:
            # After a crash this text stays behind, but the kernel has let go of the lock.
            os.truncate(descriptor, 0)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 1000, 0).decode(errors="replace").strip()
        process = owner.partition("pid ")[2].split("\n")[0]
        show = f"ps -fp {process}   shows it; wait" if process else "wait"
        hint = f"{show} for its end, or stop it; the lock {path} is freed by itself when that process dies"
        evidence = owner or "owner unknown: it has just started"
        raise PkiError(f"another hardway is at work on {path.parent}", evidence=evidence, hint=hint) from None


def _owner() -> str:
    started = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"pid {os.getpid()}\nhost {socket.gethostname()}\nuser {user}\nstarted {started}\n"
