"""`hardway node replace`: a new host joins, then an old one leaves.

A host that answers leaves last, so that the others never have less to do with. One that is gone leaves first: a member
of etcd counts for the quorum without being there.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as changed

from ...drain import Options
from ...errors import UsageError
from ...plans import Plan as Changes
from ...run.selection import Selection
from ...session import Session
from . import adding, removing
from .adding import Joining
from .former import with_former, without
from .plan import Plan
from .refusals import require
from .removing import Leaving

COMMAND = "node replace"


@dataclass(frozen=True)
class Replacing:
    """The `new` host takes the place of the only one that is `leaving`; `ignore` as in Joining."""

    leaving: Leaving
    new: str
    ignore: tuple[str, ...] = ()

    @classmethod
    def of(cls, old: str, new: str, gone: bool, options: Options, ignore: tuple[str, ...], again: str) -> Replacing:
        """As it is typed. Pods that no node takes yet wait for the new host, where that joins only afterwards."""
        forced = changed(options, force=options.force or gone)
        return cls(Leaving((old,), gone, forced, COMMAND, again, () if gone else (new,)), new, ignore)

    @property
    def old(self) -> str:
        return self.leaving.names[0]

    @property
    def joining(self) -> Joining:
        return Joining((self.new,), self.ignore, (self.old,), COMMAND, self.leaving.again)


def plan(session: Session, asked: Replacing) -> tuple[list[Changes], Plan]:
    """What joins and what leaves, as things are now; nothing is changed."""
    both = _beside(session, asked)
    leaving = removing.plan(_leaving_of(both, asked), asked.leaving)
    return adding.plan(session if asked.leaving.gone else both, asked.joining), leaving


def replace(session: Session, asked: Replacing) -> None:
    """Have one take the other's place, or go on with it where an earlier run was interrupted."""
    session.report.run_started(COMMAND, session.cluster, options=f"{asked.old} {asked.new}")
    with session.report.watched(), session.locked(COMMAND):
        both = _beside(session, asked)
        if not asked.leaving.gone:
            require(removing.look(both, asked.leaving))  # what refuses it is told before anything has joined
            adding.join(both, asked.joining)
        scene = removing.leave(_leaving_of(both, asked), asked.leaving)
        if asked.leaving.gone:
            adding.join(session, asked.joining)
    session.report.summary()
    removing.part(scene)


def _beside(session: Session, asked: Replacing) -> Session:
    """About the inventory, and about the old host, which it may no longer name; UsageError without a new one."""
    Selection(limit=(asked.new,)).hosts(session.cluster)
    if asked.old == asked.new:
        raise UsageError(
            f"{asked.new} cannot take its own place",
            hint=f"to build it again on an empty machine: hardway bootstrap INV --limit {asked.new}",
        )
    if asked.old in {host.name for host in session.cluster.hosts}:
        return session
    return session.about(with_former(session.cluster, session.lives(), (asked.old,)))


def _leaving_of(both: Session, asked: Replacing) -> Session:
    """What the removal is about: without the new host, where that joins only afterwards."""
    return both.about(without(both.cluster, (asked.new,))) if asked.leaving.gone else both
