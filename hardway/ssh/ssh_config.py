"""~/.ssh/config, read with paramiko's parser plus `Include`, which that parser does not know."""

from __future__ import annotations

import glob
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import ConnectionFailed

_LINE = re.compile(r"^\s*(\w+)(?:\s*=\s*|\s+)(.*?)\s*$")
_DEPTH = 16


def options(path: Path | None, *names: str) -> dict[str, Any]:
    """What the file says of a host known under several names, the first name winning; {} when there is no file.

    `hostname` stands in it only when the file really sets it. ConnectionFailed when the file cannot be understood.
    """
    path = path and path.expanduser()
    if path is None or not path.is_file():
        return {}
    config = _load(path, path.stat().st_mtime_ns)
    found: dict[str, Any] = {}
    for name in names:
        said = dict(config.lookup(name))
        if said.get("hostname") == name:
            del said["hostname"]
        found = {**said, **found}
    return found


@lru_cache(maxsize=16)
def _load(path: Path, _changed: int):
    from paramiko.config import SSHConfig

    try:
        return SSHConfig.from_text("\n".join(_lines(path, 0)))
    except Exception as error:
        raise ConnectionFailed(
            f"cannot read {path}: {error}", hint="correct that file, or set ssh.config in the inventory"
        ) from error


def _lines(path: Path, depth: int) -> list[str]:
    out: list[str] = []
    scope = "Host *"
    for line in path.read_text("utf-8", "replace").splitlines():
        match = _LINE.match(line)
        keyword = match.group(1).lower() if match else ""
        if keyword == "include" and depth < _DEPTH:
            for included in _included(path, match.group(2)):
                out += _lines(included, depth + 1)
            # What follows belongs to the block the Include stands in, not to the last block of the included file.
            out.append(scope)
            continue
        if keyword in ("host", "match"):
            scope = line
        out.append(line)
    return out


def _included(path: Path, patterns: str) -> list[Path]:
    found = []
    for pattern in patterns.split():
        full = os.path.expanduser(pattern.strip('"'))
        found += sorted(glob.glob(full if os.path.isabs(full) else str(path.parent / full)))
    return [Path(name) for name in found if os.path.isfile(name)]
