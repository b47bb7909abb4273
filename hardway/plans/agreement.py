"""A saved plan held against what would be done: as a whole before the first write, and step by step while it is
done."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ..errors import PlanMovedError
from ..report import plural
from ..resources.base import Change
from ..run.mark import MARK
from ..run.step import Done
from ..state.store import Store
from .masks import Masks
from .plan import Plan, Planned, planned

SHOWN = 19  # an error shows twenty lines of evidence


class Agreement:
    """What a run may do.

    `begun` says that an earlier run has done a part: what is as planned by now counts as done then.
    """

    def __init__(self, plan: Plan, store: Store, begun: bool, next_command: str):
        self.plan, self.begun, self.next_command = plan, begun, next_command
        self.promised = {change.key: change for change in plan.changes}
        self.marks = {change.host: change for change in plan.changes if change.resource == MARK}
        self.masks = Masks(store, plan.issues)
        self.done: set[tuple[str, str, str]] = set()
        self._lock = threading.Lock()

    def confirm(self, now: Plan) -> None:
        """PlanMovedError when anything of what would be done now is new, gone or different."""
        found = {change.key: change for change in now.changes}
        lines = self._unlike(now.changes, self.begun)
        lines += [
            _gone(change) for key, change in self.promised.items() if not (key in found or change.unknown or self.begun)
        ]
        if lines:
            raise self._moved(lines, "nothing was changed")

    def permit(self, phase: str, target: str, changes: Sequence[Change], again: bool = False) -> None:
        """The same for one step, before its first write; see hardway.run.runner.Permit."""
        with self._lock:
            now = planned(Done(phase, target, tuple(changes), 0.0), self.masks)
            lines = self._unlike(now, self.begun or again)
            if lines:
                error = self._moved(lines, "this step was not started")
                error.phase, error.host = phase, target
                raise error
            self.done |= {promise.key for change in now if (promise := self._promise(change))}

    def left(self) -> list[Planned]:
        """What was promised and not done, because it was as wanted already."""
        return [change for key, change in self.promised.items() if key not in self.done]

    def _unlike(self, changes: Sequence[Planned], lenient: bool) -> list[str]:
        return [line for change in changes if (line := difference(self._promise(change), change, lenient))]

    def _promise(self, change: Planned) -> Planned | None:
        """What the plan says of it. Where a phase is skipped, the next one marks the host."""
        found = self.promised.get(change.key)
        return found or (self.marks.get(change.host) if change.resource == MARK else None)

    def _moved(self, lines: list[str], outcome: str) -> PlanMovedError:
        more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        return PlanMovedError(
            f"{plural(len(lines), 'difference')} from the saved plan; {outcome}",
            evidence="\n".join([*lines[:SHOWN], *more]),
            hint=f"make a new plan: {self.next_command}",
        )


def difference(promised: Planned | None, now: Planned, lenient: bool) -> str:
    """Why a change is not the one that was promised, in one line, or nothing.

    With `lenient` a part of what was promised may be done already, and what was to be started may have been.
    """
    if promised is None:
        return f"{_where(now)}: not in the plan, now {_why(now)}"
    if lenient:
        return "" if _acts(now) <= _acts(promised) else _otherwise(promised, now)
    if promised.does == now.does and promised.was == now.was:
        return ""
    return _otherwise(promised, now)


def _acts(change: Planned) -> set[str]:
    """What it does, by the first act of two of which a run that died in between leaves the second for the next one.

    A unit started before its stamp was written is restarted or reloaded then; a folder made before it had its mode is
    given it; an image that was imported in part is dropped before it is imported.
    """
    first = {"restart": "start", "load": "start", "own": "mkdir"}
    words = [line.partition(" ") for line in change.does]
    return {f"{first.get(verb, verb)} {rest}" for verb, _, rest in words if verb != "dropimage"}


def _otherwise(promised: Planned, now: Planned) -> str:
    then, here = _why(promised), _why(now)
    if then == here and promised.was != now.was:
        then, here = (f"found as {change.was or 'absent'}" for change in (promised, now))
    elif then == here:
        then, here = _only(promised, now), _only(now, promised)
    return f"{_where(now)}: planned {then}; now {here}"


def _only(one: Planned, other: Planned) -> str:
    return "; ".join(line for line in one.does if line not in other.does) or "nothing else"


def _gone(change: Planned) -> str:
    return f"{_where(change)}: planned {_why(change)}; now nothing to do"


def _where(change: Planned) -> str:
    return f"{change.phase} on {change.host}: {change.resource}"


def _why(change: Planned) -> str:
    return ", ".join(change.why)
