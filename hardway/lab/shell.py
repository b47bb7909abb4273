"""Running a program of the host: its output, or a LabError that shows what it said."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from ..errors import LabError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def is_mounted(place: Path) -> bool:
    """Whether something is mounted exactly here; unlike Path.is_mount it also sees a folder bound to itself."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return any(line.split()[4].replace("\\040", " ") == str(place) for line in lines)


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
