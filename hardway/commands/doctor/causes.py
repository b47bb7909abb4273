"""Which finding explains which: consequences stand beneath the cause from which all of them come. Pure."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from .diagnosis import Diagnosis, Finding
from .hosts import AWAY, FORWARDING


@dataclass(frozen=True)
class Cause:
    """A finding that nothing else explains, with all that follows from it."""

    finding: Finding
    consequences: tuple[Finding, ...] = ()


def order(diagnoses: Sequence[Diagnosis]) -> list[str]:
    """The diagnoses' names, each after those that can explain it; ValueError when two explain each other."""
    return list(TopologicalSorter({one.name: _explaining(one) for one in diagnoses}).static_order())


def _explaining(one: Diagnosis) -> tuple[str, ...]:
    """The diagnoses that can explain it, in the order in which they are asked."""
    return (*_of_its_host(one), *one.here, *one.anywhere)


def _of_its_host(one: Diagnosis) -> tuple[str, ...]:
    """A host that is away, or lets nobody ask through it, explains whatever is said of it."""
    general = (AWAY.name, FORWARDING.name)
    return general[: general.index(one.name)] if one.name in general else general


def causes(diagnoses: Sequence[Diagnosis], findings: Sequence[Finding], hosts: Sequence[str] = ()) -> list[Cause]:
    """The findings as causes with their consequences, in the diagnoses' order; a warning explains nothing.

    Which of several explains another is decided by the diagnoses and the order of the hosts, never by who answered
    first.
    """
    by_name = {one.name: one for one in diagnoses}
    rank = {name: number for number, name in enumerate(order(diagnoses))}
    where = {name: number for number, name in enumerate(("", *hosts))}
    place_of = lambda one: (rank[one.name], where.get(one.host, len(where)), dataclasses.astuple(one))  # noqa: E731
    arranged = sorted(findings, key=place_of)
    found: Mapping[str, list[int]] = _by_diagnosis(arranged)
    roots: list[int] = []
    beneath: dict[int, list[int]] = defaultdict(list)
    for number, one in enumerate(arranged):
        cause = _explained(by_name[one.name], one, arranged, found)
        root = number if cause is None else roots[cause]
        roots.append(root)
        if root != number:
            beneath[root].append(number)
    place = {one.name: number for number, one in enumerate(diagnoses)}
    first = sorted(
        (number for number, root in enumerate(roots) if number == root), key=lambda number: place[arranged[number].name]
    )
    return [Cause(arranged[number], tuple(arranged[each] for each in beneath[number])) for number in first]


def _by_diagnosis(arranged: Sequence[Finding]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(arranged):
        if not one.warning:
            found[one.name].append(number)
    return found


def _explained(
    diagnosis: Diagnosis, one: Finding, arranged: Sequence[Finding], found: Mapping[str, list[int]]
) -> int | None:
    """The first finding that explains this one."""
    if one.warning:
        return None
    for name in (*_of_its_host(diagnosis), *diagnosis.here):
        for number in found.get(name, ()):
            if arranged[number].host in ("", one.host):
                return number
    for name in diagnosis.anywhere:
        if found.get(name):
            return found[name][0]
    return None
