"""The configuration files themselves, of which only two things are read: whether they can mean a name, and on which
line an option stands.

Both answers only ever err on the safe side: a name that may be meant is asked for.
"""

from __future__ import annotations

import contextlib
import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_LINE = re.compile(r'^[\s"]*([A-Za-z0-9]+)["\s]*=?(.*)$')

State = tuple[int, int, int] | None


@dataclass(frozen=True)
class Line:
    """One setting: its keyword in small letters, and the rest without quotes."""

    path: Path
    number: int
    keyword: str
    rest: str


@dataclass(frozen=True)
class Files:
    """What some files say, None when one of them cannot be read."""

    lines: tuple[Line, ...] | None
    anyone: bool
    patterns: frozenset[str]

    def may_mean(self, name: str, unknown: str) -> bool:
        """Whether they may treat a name otherwise than one that nobody has: whatever matches that one too cannot be
        told apart here."""
        return self.anyone or any(_matches(pattern, one) for pattern in self.patterns for one in (name, unknown))

    def set(self, keyword: str) -> bool:
        """Whether some line sets this option, for whomever."""
        return self.lines is None or any(line.keyword == keyword for line in self.lines)


def state(path: Path) -> State:
    """It is another one whenever a file has been written or replaced; None when there is none."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
    return None


def read(files: Iterable[Path]) -> Files:
    """The files as they are now."""
    return _read(tuple((path, state(path)) for path in files))


@lru_cache(maxsize=64)
def _read(files: tuple[tuple[Path, State], ...]) -> Files:
    try:
        lines = tuple(line for path, _ in files for line in _lines(path))
    except OSError:
        return Files(None, True, frozenset())
    words = (word.lstrip("!") for line in lines if line.keyword == "host" for word in line.rest.split())
    return Files(lines, any(map(_only_ssh_can_say, lines)), frozenset(words) - {"*"})


def _lines(path: Path) -> Iterable[Line]:
    for number, text in enumerate(path.read_text("utf-8", "replace").split("\n"), 1):
        if match := _LINE.match(text):
            yield Line(path, number, match[1].lower(), re.sub(r"[\"']", "", match[2]).strip())


def _only_ssh_can_say(line: Line) -> bool:
    if line.keyword == "match":
        return line.rest.lower() != "all"
    if line.keyword == "include":
        return bool(set("%$") & set(line.rest))
    return line.keyword == "host" and bool(set("\\=") & set(line.rest))


def _matches(pattern: str, name: str) -> bool:
    return fnmatch.fnmatchcase(name.lower(), pattern.lower().replace("[", "[[]"))


def place(files: Iterable[Path], keyword: str, value: str = "", name: str = "") -> str:
    """Where an option stands, as `FILE line N` when there is one such line, or one that says this value of this name,
    else the files that have some, else all."""
    files = tuple(files)
    found = [line for line in read(files).lines or () if line.keyword == keyword]
    found = [line for line in found if line.rest.replace("%h", name).lower() == value.lower()] or found
    if len(found) == 1:
        return f"{found[0].path} line {found[0].number}"
    return ", ".join(dict.fromkeys(str(line.path) for line in found)) or ", ".join(map(str, files))
