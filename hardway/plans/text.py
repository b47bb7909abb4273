"""A plan for people: what would happen where, hosts on which it is the same told once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ..living.changes import restarting
from ..report import plural
from .plan import ISSUED, Plan, Planned

LEGEND = "+ new   ~ changed   ! restart   ? unknown until the API answers"


def as_text(plan: Plan, verbose: bool = False) -> str:
    """Findings, then phases, hosts, resources and reasons; what is new in whole with `verbose`."""
    total, hosts = len(plan.changes), len({change.host for change in plan.changes})
    refused = _refused(plan)
    if not total:
        nothing = f"no changes, {refused}" if refused else "no changes: the hosts match the inventory"
        return "\n".join([*map(str, plan.findings), nothing])
    phases = (steps(list(changes), verbose) for _, changes in groupby(plan.changes, lambda change: change.phase))
    lines = [*map(str, plan.findings), *(line for phase in phases for line in phase)]
    count = f"{plural(total, 'change')} on {plural(hosts, 'target')}" + (f", {refused}" if refused else "")
    return "\n".join([*lines, count, *_restarts(plan.changes), f"  {LEGEND}"])


def _refused(plan: Plan) -> str:
    """That a run would stop at the findings, "" if it would not."""
    errors = sum(not finding.warning for finding in plan.findings)
    return f"but bootstrap refuses to run: {plural(errors, 'error')}" if errors else ""


def _restarts(changes: Sequence[Planned]) -> list[str]:
    """What the restarts mean to those who use the cluster, a line for each unit, in the table's order."""
    units = {change.resource.removeprefix("unit ").removesuffix(".service") for change in changes if change.restarts}
    return [f"  restart of {unit}: {meaning}" for unit, meaning in restarting().items() if unit in units]


def steps(changes: Sequence[Planned], verbose: bool = False) -> list[str]:
    """The changes of one phase, as lines."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for host, mine in groupby(changes, lambda change: change.host):
        alike.setdefault(tuple(line for change in mine for line in _change(change, verbose)), []).append(host)
    return [line for found, hosts in alike.items() for line in (f"{changes[0].phase} on {', '.join(hosts)}", *found)]


def _change(change: Planned, verbose: bool) -> list[str]:
    new = "new" in change.why or change.unknown
    mark = "?" if change.unknown else "!" if change.restarts else "+" if new else "~"
    reasons, *more = _reasons(change)
    lines = [f"  {mark} {change.resource}: {reasons}", *(f"      {line}" for line in more)]
    # What is issued has no content to show yet, and a program none that anybody could read.
    told = change.issued and new or change.size
    if change.diff and not told and (verbose or not new):
        lines += [f"      {line}" for line in change.diff.splitlines()]
    return lines


def _reasons(change: Planned) -> list[str]:
    """In one line; a list of many in a line each."""
    if len(change.why) > 3:
        return [f"{len(change.why)} to do", *change.why]
    details = [ISSUED] if change.issued else []
    if "new" in change.why and change.mode:
        details.append(f"{change.mode} {change.owner}")
    if change.size:
        details.append(f"{change.size / 1e6:.1f} MB")
    if change.size and "new" not in change.why:
        details.append(change.diff)
    return [", ".join(["; ".join(change.why), *details])]
