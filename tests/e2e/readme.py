"""The commands of README.md for your own machines, typed into a shell as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from stage import Ran

README = Path(__file__).parents[2] / "README.md"
INSTALL = "python3 -m venv .venv && .venv/bin/pip install . && . .venv/bin/activate"
EDITED = "hardway validate cluster.yaml"


def block() -> list[str]:
    """The first block of commands below "Your own machines", line by line."""
    chapter = README.read_text().partition("## Your own machines\n")[2]
    return [line.strip() for line in re.findall(r"(?:^    .*\n)+", chapter, re.MULTILINE)[0].splitlines()]


def typed(lines: Sequence[str], folder: Path, home: Path, timeout: float) -> list[Ran]:
    """Each line of one bash, as somebody types it who has nothing set but HOME.

    Only the installation is not done: `.venv` is the environment that runs these tests, with hardway in it.
    """
    (folder / ".venv").symlink_to(sys.prefix)
    each = (f"exec >{n}.out 2>{n}.err\n{_without_pip(line)}\necho $? >{n}.code\n" for n, line in enumerate(lines))
    environment = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(home), **_cache()}
    bash = ["bash", "-c", "".join(each)]
    subprocess.run(bash, cwd=folder, env=environment, stdin=subprocess.DEVNULL, timeout=timeout, check=True)
    return [_ran(line, folder, number) for number, line in enumerate(lines)]


def _without_pip(line: str) -> str:
    return line.replace(INSTALL, ". .venv/bin/activate")


def _cache() -> Mapping[str, str]:
    """The cache of whoever runs the tests: binaries take long to build."""
    from hardway.assets.cache import default_directory

    return {"HARDWAY_CACHE": str(default_directory())}


def _ran(line: str, folder: Path, number: int) -> Ran:
    code, out, err = ((folder / f"{number}.{kind}").read_text() for kind in ("code", "out", "err"))
    return Ran((line,), int(code), out, err, 0.0)


def edit(script: Sequence[str], lines: str) -> list[str]:
    """The commands with more lines written into the inventory where README says to edit it."""
    at = next(number for number, line in enumerate(script) if line.startswith(EDITED))
    return [*script[: at + 1], f"cat >>cluster.yaml <<'END'\n{lines}END", *script[at:]]
