"""A machine's whole appearance, and how two looks at it differ."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stage import Stage

SCRIPT = (Path(__file__).parent / "machine.sh").read_text()


@dataclass(frozen=True)
class Look:
    """`files` maps a path to its kind, mode, owner, size, time, link target and digest; `rest` is all else as "section:
    line"."""

    files: dict[str, tuple[str, ...]]
    rest: frozenset[str]


def look(stage: Stage, host: str) -> Look:
    """How a machine appears from inside."""
    sections = parse(stage.ssh(host, "sh -s", stdin=SCRIPT))
    digests = dict(reversed(line.split("  ", 1)) for line in sections.pop("contents"))
    files = {}
    for line in sections.pop("files"):
        kind, mode, owner, size, when, target, path = line.split("\t", 6)
        # A folder's size only ever grows, whatever is taken out of it again.
        files[path] = (kind, mode, owner, "" if kind == "d" else size, when, target, digests.get(path, ""))
    assert len(files) > 1000, "the machine was hardly looked at"
    return Look(files, frozenset(f"{name}: {line}" for name, lines in sections.items() for line in lines))


def parse(text: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("# "):
            current = sections.setdefault(line[2:], [])
        else:
            current.append(line)
    return sections


def differences(before: Look, after: Look, but: Iterable[str] = (), times: bool = True) -> list[str]:
    """What was not so before, as lines; `but` are patterns of paths and of lines that may differ, without `times`
    nobody asks when."""
    found = []
    for path in sorted(before.files.keys() | after.files.keys()):
        was, now = (_without_time(side.files.get(path), times) for side in (before, after))
        if was != now:
            found.append((path, f"{path}: {was or 'absent'} -> {now or 'absent'}"))
    found += [(line, f"gone   {line}") for line in sorted(before.rest - after.rest)]
    found += [(line, f"came   {line}") for line in sorted(after.rest - before.rest)]
    allowed = tuple(but)
    return [shown for key, shown in found if not any(fnmatch.fnmatchcase(key, pattern) for pattern in allowed)]


def _without_time(fields: tuple[str, ...] | None, times: bool) -> tuple[str, ...] | None:
    return fields if times or fields is None else (*fields[:4], *fields[5:])
