"""What a command of `hardway node` would do, for people and programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from ...plans import Plan as Changes

SCHEMA = 1


@dataclass(frozen=True)
class HostPlan:
    """`steps` are (name, what is left to do, why) of one host, in their order."""

    host: str
    steps: tuple[tuple[str, tuple[str, ...], str], ...]

    @property
    def left(self) -> list[tuple[str, tuple[str, ...], str]]:
        return [step for step in self.steps if step[1]]


@dataclass(frozen=True)
class Plan:
    """`elsewhere` is what changes on the hosts that stay, `inventory` are (host, first line, last line) to delete."""

    command: str
    hosts: tuple[HostPlan, ...]
    elsewhere: tuple[str, ...] = ()
    inventory: tuple[tuple[str, int, int], ...] = ()
    schema: int = field(default=SCHEMA)


def as_json(plan: Plan) -> str:
    """One object; its names stay, new ones may come."""
    hosts = [
        {"host": one.host, "steps": [{"step": name, "does": does, "why": why} for name, does, why in one.left]}
        for one in plan.hosts
    ]
    lines = [{"host": name, "first": first, "last": last} for name, first, last in plan.inventory]
    return json.dumps({**asdict(plan), "hosts": hosts, "inventory": lines}, indent=2)


def changes(plan: Changes) -> dict[str, Any]:
    """What a host that joins changes, with the findings of preflight."""
    findings = [{**vars(one), "severity": one.severity} for one in plan.findings]
    return {"changes": [asdict(one) for one in plan.changes], "findings": findings, "issues": list(plan.issues)}


def as_text(plan: Plan, inventory: str) -> str:
    """Each host's steps, then what changes on the others, then the lines of the inventory."""
    return "\n".join(_lines(plan, inventory))


def _lines(plan: Plan, inventory: str) -> Iterator[str]:
    for one in plan.hosts:
        yield f"{one.host}:" if one.left else f"{one.host}: nothing left to do"
        for number, (name, does, why) in enumerate(one.left, 1):
            yield f"  {number}. {name}: {why}"
            yield from (f"       {line}" for line in does)
    if plan.elsewhere:
        yield "on the other hosts:"
        yield from (f"  {line}" for line in plan.elsewhere)
    for name, first, last in plan.inventory:
        yield f"afterwards delete lines {first} to {last} of {inventory} ({name})"
