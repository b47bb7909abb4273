"""The plan of an upgrade for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ...progress.closing import plural
from .foresight import Foresight, Step

SCHEMA = 1


def as_text(found: Foresight) -> str:
    """Versions, what is wrong, every step, the risks."""
    return "\n".join([*_head(found), *_judged(found), *_steps(found), *_risks(found), *found.edits.splitlines()])


def _head(found: Foresight) -> Iterator[str]:
    moves = (f"{name} {found.now[name]} -> {then}" for name, then in found.then.items() if found.now[name] != then)
    stays = (f"{name} {then}" for name, then in found.then.items() if found.now[name] == then)
    yield f"cluster {found.cluster}: {', '.join([*moves, *stays])}"
    if found.begun:
        yield "an upgrade has been begun; this one continues it"


def _judged(found: Foresight) -> Iterator[str]:
    for finding in found.findings:
        yield from finding.lines()
    yield from (f"[ERROR Health] {line}" for line in found.health.bad)
    yield from (f"[WARNING Health] {line}" for line in found.health.told)
    if found.refused:
        yield "the upgrade would not begin"
    else:
        yield f"healthy: {plural(found.health.checks, 'check')} of verify passed"


def _steps(found: Foresight) -> Iterator[str]:
    for number, step in enumerate(found.steps, 1):
        yield f"{number:2}. {step.title}{_on(step)}"
        yield from (f"      - {line}" for line in step.does)


def _on(step: Step) -> str:
    return f": {', '.join(step.hosts)}" if step.hosts else ""


def _risks(found: Foresight) -> Iterator[str]:
    if found.risks:
        yield "risks:"
        yield from (f"  - {line}" for line in found.risks)


def as_json(found: Foresight) -> str:
    """One object; its names stay, new ones may come."""
    document = {
        "schema": SCHEMA,
        "cluster": found.cluster,
        "now": dict(found.now),
        "then": dict(found.then),
        "begun": found.begun,
        "refused": found.refused,
        "findings": [
            {"name": one.name, "host": one.host, "what": one.what, "next": one.remedy, "warning": one.warning}
            for one in found.findings
        ],
        "health": {"checks": found.health.checks, "bad": found.health.bad, "told": found.health.told},
        "steps": [{"title": step.title, "hosts": step.hosts, "does": step.does} for step in found.steps],
        "risks": found.risks,
        "left_out": {name: error.message for name, error in found.left_out.items()},
    }
    return json.dumps(document, indent=2)
