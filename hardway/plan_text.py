"""A plan for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .phases.preflight import Finding
from .report import plural
from .runner import Done


def as_text(done: Sequence[Done], findings: Sequence[Finding], verbose: bool = False) -> str:
    """Phases, hosts, resources and reasons; contents with `verbose`."""
    out = [str(finding) for finding in findings]
    for step in done:
        if not step.changes:
            continue
        out.append(f"{step.phase} on {step.target}")
        for change in step.changes:
            out.append(f"  {'?' if change.unknown else '~' if change.restarts else '+'} {change.key}: {'; '.join(change.why)}")
            if change.diff and (verbose or "new" not in change.why):
                out += [f"      {line}" for line in change.diff.splitlines()]
    total = sum(len(step.changes) for step in done)
    hosts = len({step.target for step in done if step.changes})
    out.append(f"{plural(total, 'change')} on {plural(hosts, 'target')}" if total else "no changes: the hosts are as the inventory says")
    return "\n".join(out)


def as_json(done: Sequence[Done], findings: Sequence[Finding]) -> str:
    """The same as one JSON document; `diff` never holds a secret's content."""
    steps = [
        {"phase": step.phase, "host": step.target,
         "changes": [{"resource": c.key, "why": list(c.why), "restarts": c.restarts, "unknown": c.unknown, "diff": c.diff}
                     for c in step.changes]}
        for step in done if step.changes
    ]  # fmt: skip
    return json.dumps(
        {"schema": 1, "changes": sum(len(step["changes"]) for step in steps), "steps": steps, "findings": [vars(f) for f in findings]},
        indent=2,
    )
