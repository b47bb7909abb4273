"""An inventory file without some of its hosts: which lines those are, and whether the rest is an inventory still."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from hardway.inventory.loader import reviewed
from hardway.inventory.problem import Lines
from hardway.inventory.source import MAX_BYTES, Document, parse


def lines_of(path: Path, names: Collection[str]) -> Mapping[str, tuple[int, int]]:
    """The first and the last line (from 1) of each host's entry; those that are not in the file are left out."""
    document = _read(path)
    return {name: _span(document.lines, number) for number, name in _hosts(document) if name in names}


def without(path: Path, names: Collection[str]) -> tuple[str, ...]:
    """The problems that the file would have without these hosts; no line numbers, since lines would have moved."""
    document = _read(path)
    hosts = (document.data or {}).get("hosts")
    if not isinstance(hosts, list):
        return ()
    leaving = {number for number, name in _hosts(document) if name in names}
    rest = [host for number, host in enumerate(hosts) if number not in leaving]
    shorter = replace(document, data={**(document.data or {}), "hosts": rest}, lines={})
    found = reviewed(path, shorter).problems
    return tuple(re.sub(r"^hosts(\[\d+\][^:]*)?: ", "", problem.removeprefix(f"{path}:1: ")) for problem in found)


def _read(path: Path) -> Document:
    with open(path, "rb") as stream:
        return parse(stream.read(MAX_BYTES + 1))


def _hosts(document: Document) -> list[tuple[int, str]]:
    hosts = (document.data or {}).get("hosts")
    found = enumerate(hosts if isinstance(hosts, list) else ())
    return [(number, str(host["name"])) for number, host in found if isinstance(host, dict) and "name" in host]


def _span(lines: Lines, number: int) -> tuple[int, int]:
    mine = [line for path, line in lines.items() if path[:2] == ("hosts", number)]
    return min(mine), max(mine)
