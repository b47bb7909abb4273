"""The result as a table: for the terminal, and as Markdown that can be put into a document as it is."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .suite import Names
from .verdicts import Kind, Verdict


@dataclass(frozen=True)
class About:
    """Of what a table is: what was tested, when, on what, for how long, and what the reader has to know besides."""

    kubernetes: str
    day: datetime.date
    processors: int
    seconds: float
    note: str

    def __str__(self) -> str:
        cores = f"{self.processors} cores" if self.processors > 1 else "1 core"
        took = f"{self.seconds / 60:.0f} min"
        return f"Conformance tests of Kubernetes {self.kubernetes}, {self.day.isoformat()}, on {cores}, {took}"


def counts(tests: Names, verdicts: Iterable[Verdict]) -> list[tuple[str, int, int, int]]:
    """(what, how many of those that run together, of those that run alone, of all), the sum last."""
    alone, given = set(tests.alone), list(verdicts)
    rows = []
    for kind in Kind:
        of = [verdict.test in alone for verdict in given if verdict.kind is kind]
        rows.append((str(kind), len(of) - sum(of), sum(of), len(of)))
    return [*rows, ("all", *(sum(row[column] for row in rows) for column in (1, 2, 3)))]


def explained(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Those that did not pass at once, the worst first."""
    order = list(Kind)
    rest = (one for one in verdicts if one.kind is not Kind.PASSED)
    return sorted(rest, key=lambda one: (-order.index(one.kind), one.test))


def text(about: About, tests: Names, verdicts: Sequence[Verdict]) -> str:
    """For a terminal."""
    lines = [str(about), "", f"{'':24}{'together':>10}{'alone':>10}{'all':>10}"]
    lines += [f"{what:24}{one:>10}{two:>10}{every:>10}" for what, one, two, every in counts(tests, verdicts)]
    for one in explained(verdicts):
        lines += ["", f"{one.kind}: {one.test}", f"    {one.why}"]
    return "\n".join(lines)


def markdown(about: About, tests: Names, verdicts: Sequence[Verdict]) -> str:
    """For a document."""
    lines = [f"{about}:", "", "| | together | alone | all |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in counts(tests, verdicts)]
    if rest := explained(verdicts):
        lines += ["", "| test | outcome | why |", "|---|---|---|"]
        lines += [f"| {_cell(one.test)} | {one.kind} | {_cell(one.why)} |" for one in rest]
    return "\n".join([*lines, "", about.note]) + "\n"


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
