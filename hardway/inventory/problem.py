"""What is wrong with an inventory, where, and what is allowed instead."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Path = tuple[str | int, ...]
Lines = Mapping[Path, int]


@dataclass(frozen=True)
class Problem:
    """One finding; `path` is the chain of keys and list positions, `line` is known for syntax errors only."""

    path: Path
    message: str
    line: int | None = None


def dotted(path: Path) -> str:
    """`("hosts", 2, "pod_cidr")` as a person writes it: `hosts[2].pod_cidr`; odd keys are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if re.fullmatch(r"[\w-]{1,64}", part, re.ASCII) else show(part))
    return text


def show(value: object) -> str:
    """A value of the user's, quoted on one short line of plain ASCII."""
    text = json.dumps(str(value))
    return text if len(text) <= 60 else text[:56] + '..."'


def line_of(path: Path, lines: Lines) -> int:
    """The line of the key, or of the nearest parent that is in the file."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def report(file: object, lines: Lines, problems: Iterable[Problem]) -> list[str]:
    """Every problem once, in the order of the file, as `file:line: key.path: message`."""
    placed = {
        (problem.line or line_of(problem.path, lines), dotted(problem.path), problem.message) for problem in problems
    }
    return [f"{file}:{line}: {f'{key}: ' if key else ''}{message}" for line, key, message in sorted(placed)]
