"""What stood on a host and is no longer wanted there: taken away in a run, by the same ops as in a reset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..vocabulary import Answers, Op, Probe
from .base import Change, Resource, Situation
from .file import Directory


@dataclass(frozen=True)
class Gone:
    """The opposite of a resource. `why` is told of the change; until it is `due` nothing is changed."""

    of: Resource
    why: str
    due: bool = True

    @property
    def key(self) -> str:
        return self.of.key

    def probes(self) -> tuple[Probe, ...]:
        return self.of.probes()

    def compare(self, now: Situation) -> Change | None:
        ops = self.of.removal(now.answers) if self.due else ()
        return Change(self.key, (self.why,), ops) if ops else None

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return self.of.removal(answers)


def gone(resources: Iterable[Resource], why: str, due: bool = True) -> list[Resource]:
    """None of these, the last taken away first: a unit before its package, a file before its folder.

    A folder that is left does no harm, and others may keep something in it: only a reset tries to remove it.
    """
    return [Gone(one, why, due and not isinstance(one, Directory)) for one in reversed(list(resources))]
