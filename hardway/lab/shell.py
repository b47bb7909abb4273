"""Running a program of the host: its output, or a LabError that shows what it said."""

from __future__ import annotations

import ctypes
import errno
import os
import shlex
import subprocess
from pathlib import Path

from ..errors import LabError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


DETACH = 2  # MNT_DETACH of <sys/mount.h>


def is_mounted(place: Path) -> bool:
    """Whether something is mounted exactly here; unlike Path.is_mount it also sees a folder bound to itself.

    The kernel's list of mounts is not asked: while others mount and unmount, a reader misses lines of it.
    """
    return place.is_dir() and _mount_of(place) != _mount_of(place.parent)


def _mount_of(folder: Path) -> str:
    """The kernel's number of the mount that a folder is seen through."""
    descriptor = os.open(folder, os.O_PATH)
    try:
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="utf-8").splitlines()
    finally:
        os.close(descriptor)
    return next(line.partition(":")[2].strip() for line in lines if line.startswith("mnt_id:"))


def unmount(place: Path, lazy: bool = False) -> None:
    """Unmount what is mounted there, if anything is; LabError where it is in use, unless `lazy`.

    By the kernel's own call: the program umount looks a place up in the list of mounts first.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(place), DETACH if lazy else 0) == 0:
        return
    number = ctypes.get_errno()
    if number not in (errno.EINVAL, errno.ENOENT):  # EINVAL: nothing is mounted there
        raise LabError(f"cannot unmount {place}: {os.strerror(number)}", hint=f"fuser -vm {place}")


def run(
    *argv: str | os.PathLike[str], stdin: str = "", timeout: float = 60.0, env: dict[str, str] | None = None
) -> str:
    """Standard output of a program; LabError with its output when it fails, is missing, or takes longer than `timeout`
    seconds."""
    words = [os.fspath(word) for word in argv]
    environment = {**os.environ, "PATH": PATH, "LC_ALL": "C", **(env or {})}
    try:
        done = subprocess.run(
            words, input=stdin, env=environment, timeout=timeout, text=True, errors="replace", capture_output=True
        )
    except FileNotFoundError:
        raise LabError(f"the program {words[0]} is missing on this host", command=shlex.join(words)) from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{words[0]} did not finish within {timeout:.0f} s", command=shlex.join(words)) from None
    if done.returncode:
        raise LabError(
            f"{words[0]} failed with exit code {done.returncode}",
            command=shlex.join(words),
            evidence=done.stderr + done.stdout,
        )
    return done.stdout
