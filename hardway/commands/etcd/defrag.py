"""`hardway etcd defrag`: each member in its turn gives back the space that its file no longer uses, the leader last."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from ...cluster import Host
from ...errors import QuorumError
from ...phase import ETCD, Phase
from ...phases import etcd as members
from ...plans import steps
from ...plans.plan import Planned
from ...resources import Defragmented
from ...run.runner import Runner
from ...session import Known, Session
from ...snapshots.asking import Said, ask, names
from ...vocabulary import Op

COMMAND = "etcd defrag"
DEADLINE = 300.0  # seconds until a member that was busy with a large file counts as lost


def phase(order: Sequence[Host], always: bool) -> Phase:
    """The members in this order, each healthy and caught up again before the next. None leads while it is busy.

    With `always` also those that seem to have nothing to give back.
    """
    event = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
    return Phase(
        name="etcd-defrag",
        title="Give back the space that etcd's files do not use",
        targets=lambda cluster: tuple(order),
        desired=lambda inputs, host: [Defragmented(host.name, event, always)],
        ready=members.ready,
        deadline=DEADLINE,
        rolling=True,
        before_restart=members.before_restart,
        caught_up=members.caught_up,
        beside=members.api_server,
        marks=False,
    )


def in_order(said: Sequence[Said]) -> list[Host]:
    """The inventory's order, but the leader last."""
    return [one.host for one in sorted(said, key=lambda one: bool(one.status and one.status.is_leader))]


def require_healthy(said: Sequence[Said]) -> None:
    """QuorumError unless all members are: the one whose turn it is answers nobody, and then each of the rest counts."""
    problems = {one.host.name: _problem(one) for one in said if not one.healthy}
    if problems:
        raise QuorumError(
            f"nothing was defragmented, because {', '.join(problems)} is not healthy",
            host=next(iter(problems)),
            evidence="\n".join(f"{name}: {problem}" for name, problem in problems.items()),
            hint="repair it first: hardway etcd status INV; hardway doctor INV",
        )


def _problem(one: Said) -> str:
    if one.status and one.status.is_learner:
        return "it is still a learner"
    return one.sick or str(one.error)


@dataclass(frozen=True)
class Foreseen:
    """What would be done: `compact` is the revision up to which old ones are forgotten first, 0 for none."""

    compact: int
    found: list[Planned]

    def text(self, verbose: bool = False) -> str:
        first = [f"etcd forgets all revisions before {self.compact}"] * bool(self.compact)
        rest = steps.text(self.found, verbose) if self.found else "no member has unused space worth a defragmentation"
        return "\n".join([*first, rest])


def foresee(session: Session, compact: bool) -> Foreseen:
    """The steps, by reading alone."""
    known = session.survey(names(session)).looking()
    said = ask(session)
    require_healthy(said)
    found = steps.foresee(known, known.inputs, [phase(in_order(said), compact)], names(session))
    return Foreseen(_revision(said) if compact else 0, found)


def defrag(session: Session, compact: bool) -> None:
    """Do it; QuorumError when a member is not healthy."""
    session.report.run_started(COMMAND, session.cluster)
    with session.report.watched(), session.locked(COMMAND):
        known = session.survey(names(session))
        before = ask(session)
        require_healthy(before)
        if compact:
            _compact(known, _revision(before))
        _run(known, phase(in_order(before), compact))
        for line in gained(before, ask(session)):
            session.report.note(line)
    session.report.summary()


def _compact(known: Known, revision: int) -> None:
    known.session.report.note(f"etcd forgets all revisions before {revision}")
    known.remotes()[ETCD.name].change([Op("compact", (str(revision),))])


def _run(known: Known, wanted: Phase) -> None:
    session = known.session
    command = f"hardway {COMMAND} {session.cluster.source or 'INV'}"
    where = (known.inputs, session.live, known.remotes())
    Runner(*where, [wanted], names(session), session.report, session.parallel, command=command).run()


def _revision(said: Sequence[Said]) -> int:
    return min((one.status.revision for one in said if one.status), default=0)


def gained(before: Sequence[Said], after: Sequence[Said]) -> list[str]:
    """What each member's file was and is now, as sentences."""
    now = {one.host.name: one.status.db_size for one in after if one.status}
    lines = []
    for one in before:
        with contextlib.suppress(KeyError):
            size = one.status.db_size if one.status else 0
            left = now[one.host.name]
            lines.append(f"{one.host.name}: {size / 1e6:.1f} MB before, {left / 1e6:.1f} MB now")
    total = sum(one.status.db_size - now.get(one.host.name, one.status.db_size) for one in before if one.status)
    return [*lines, f"{max(total, 0) / 1e6:.1f} MB given back"]
