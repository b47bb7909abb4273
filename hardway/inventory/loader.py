"""From a file to a Cluster, or to every problem in it at once. Nothing here contacts a host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from hardway.cluster import Cluster
from hardway.errors import InventoryError
from hardway.inventory.build import build
from hardway.inventory.draft import Draft
from hardway.inventory.keys import Inventory
from hardway.inventory.problem import Problem, report
from hardway.inventory.rules import WARNINGS, broken_rules
from hardway.inventory.shape import shape
from hardway.inventory.source import MAX_BYTES, Document, parse


@dataclass(frozen=True)
class Review:
    """What reading a file gave: a cluster when there are no problems; both lists hold `file:line: key: text`."""

    cluster: Cluster | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def load(path: Path, state_dir: Path | None = None) -> Cluster:
    """The cluster an inventory file describes; InventoryError with all its problems.

    `state_dir` (default `.hardway/<cluster>` in the current folder) is where a lab's ssh key is; it need not exist yet.
    """
    reviewed = review(path, state_dir)
    if reviewed.cluster is None:
        count = len(reviewed.problems)
        raise InventoryError(
            message=f"{path} has {count} problem{'s' if count > 1 else ''}; no host was contacted",
            problems=reviewed.problems,
            hint=f"correct {'them' if count > 1 else 'it'}, then: hardway validate {quote(str(path))}",
        )
    return reviewed.cluster


def check(path: Path) -> list[str]:
    """All problems of an inventory file; never raises for anything the file holds."""
    return list(review(path).problems)


def review(path: Path, state_dir: Path | None = None) -> Review:
    """Read a file and judge it; see `load` for `state_dir`."""
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        return Review(None, (f"{path}:1: cannot be read: {reason}; `hardway init > FILE` writes one to start from",))
    return reviewed(path, parse(raw), state_dir)


def reviewed(path: Path, document: Document, state_dir: Path | None = None) -> Review:
    """Judge what was read from a file; see `load` for `state_dir`."""
    problems, warnings, cluster = list(document.problems), [], None
    if document.data is not None:
        shaped = shape(document.data)
        problems += shaped.problems
        if shaped.model is not None:
            draft = _draft(shaped.model, shaped.positions, shaped.broken, path)
            problems += broken_rules(draft)
            warnings = broken_rules(draft, WARNINGS)
            cluster = (
                None if problems else build(draft, state_dir or Path.cwd() / ".hardway" / shaped.model.cluster, path)
            )
            problems += _flags(cluster) if cluster else ()
    shown = tuple(report(path, document.lines, problems))
    return Review(None if shown else cluster, shown, tuple(report(path, document.lines, warnings)))


def _draft(model: Inventory, positions: list[int], broken: set, path: Path) -> Draft:
    folder = Path(os.path.abspath(path)).parent
    return Draft(model, tuple(zip(positions, model.hosts, strict=True)), frozenset(broken), folder)


def _flags(cluster: Cluster) -> Iterator[Problem]:
    """A flag the unit sets is overridden in so many words, never given twice."""
    for section, args in (("extra_args", cluster.extra_args), ("override_args", cluster.override_args)):
        for component, flags in args.items():
            known = _unit_flags(component, cluster)
            for flag in flags:
                if (section == "extra_args") == (flag in known):
                    state, home = ("already set", "override_args") if flag in known else ("not set", "extra_args")
                    yield Problem(
                        (section, component, flag), f"is {state} by the unit: write it under {home}.{component} instead"
                    )


def _unit_flags(component: str, cluster: Cluster) -> frozenset[str]:
    from hardway import render  # imported on use: most inventories name no flags

    return render.unit_flags(component, cluster)
