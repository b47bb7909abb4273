"""What known_hosts files say, read once while they stay as they are: they may name hundreds of hosts, and each is
looked up."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .known_hosts import REVOKED, Entry, read

# What makes a pattern stand for more than the one name that is written there.
NOT_PLAIN = frozenset("*?!|")


@dataclass(frozen=True)
class OnRecord:
    """Every entry of some files.

    `plain` holds those that can be looked up by a name in small letters, each with its number in the files' order;
    the others must be asked.
    """

    revoked: tuple[Entry, ...]
    plain: Mapping[str, list[tuple[int, Entry]]]
    others: tuple[tuple[int, Entry], ...]

    def of(self, name: str) -> list[Entry]:
        """The entries that speak of this name, with all markers, in the files' order."""
        found = [*self.plain.get(name.lower(), ()), *(one for one in self.others if one[1].names(name))]
        return [entry for _, entry in sorted(found, key=lambda one: one[0])]


def on_record(paths: Iterable[Path]) -> OnRecord:
    """What is on record in those of the files that exist."""
    return _read(tuple((path, _state(path)) for path in paths if path.is_file()))


def _state(path: Path) -> tuple[int, int, int]:
    """It is another one whenever a file has been written or replaced."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


@functools.lru_cache(maxsize=16)
def _read(files: tuple[tuple[Path, tuple[int, int, int]], ...]) -> OnRecord:
    plain: dict[str, list[tuple[int, Entry]]] = {}
    others: list[tuple[int, Entry]] = []
    entries = read(path for path, _ in files)
    for one in enumerate(entries):
        if any(NOT_PLAIN & set(pattern) for pattern in one[1].patterns):
            others.append(one)
            continue
        for name in {pattern.lower() for pattern in one[1].patterns}:
            plain.setdefault(name, []).append(one)
    return OnRecord(tuple(entry for entry in entries if entry.marker == REVOKED), plain, tuple(others))
