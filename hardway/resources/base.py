"""What a resource is: a desired state that can be compared with a target's answers, giving a change or nothing."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Protocol

from ..vocabulary import Answers, Op, Probe

# What a target answers whose server does not answer yet; only a plan is told so.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Change:
    """The difference between desired and actual, and the ops that remove it.

    `before` runs ahead of every other op of the step (see Unit). `diff` is unified text, or
    digests for secrets. `was` says in a line what is there now, where it is to be replaced.
    `uses` are the paths of a unit's files, and `process` is systemd's id of its present run, where there is one.
    """

    key: str
    why: tuple[str, ...]
    ops: tuple[Op, ...]
    before: tuple[Op, ...] = ()
    diff: str = ""
    restarts: bool = False
    unknown: bool = False
    was: str = ""
    uses: frozenset[str] = frozenset()
    process: str = ""


@dataclass(frozen=True)
class Situation:
    """What a resource is compared against: the answers, and which paths change in the same run."""

    answers: Answers
    changed: frozenset[str] = field(default_factory=frozenset)


def unified(old: str, new: str, name: str, where: str, context: int = 2) -> str:
    """Two texts as a unified diff: what stands on the host, or in the cluster (`where`), and what is wanted."""
    before, after, names = old.splitlines(), new.splitlines(), (f"{name} ({where})", f"{name} (wanted)")
    if not before and len(after) > 1:  # nothing to compare: long files are new on hundreds of hosts at once
        return "\n".join(
            [f"--- {names[0]}", f"+++ {names[1]}", f"@@ -0,0 +1,{len(after)} @@", *(f"+{line}" for line in after)]
        )
    return "\n".join(difflib.unified_diff(before, after, *names, lineterm="", n=context))


class Resource(Protocol):
    """`key` is what people see, for example "file /etc/crictl.yaml"; it is unique on a target within a phase."""

    @property
    def key(self) -> str: ...

    def probes(self) -> tuple[Probe, ...]:
        """What must be asked to know the actual state."""

    def compare(self, now: Situation) -> Change | None:
        """The difference, or None when the actual state is as desired. Pure."""

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        """Ops that take it away; empty when it is not there. Pure."""
