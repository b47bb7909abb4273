"""Building a cluster, or bringing it back to what its inventory says."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Sequence

from ...living import Founded, Lives, what_lives
from ...phase import Phase
from ...phases import control_plane
from ...plans import Agreement, Saved, foreseen, permitted
from ...preflight import judge
from ...report import plural
from ...run.failures import of_left_out
from ...run.runner import Runner
from ...run.selection import Selection
from ...run.step import Done
from ...session import Known, Session
from .anew import clear_way, require_name
from .stepping import Conversation


def bootstrap(
    session: Session,
    selection: Selection,
    saved: Saved | None = None,
    conversation: Conversation | None = None,
    workers_at_once: int = 0,
    anew: str | None = None,
) -> list[Done]:
    """Bring the selected phases about: exactly what a saved plan says when there is one, phase by phase when there is a
    conversation.

    `workers_at_once`: see hardway.run.runner.Runner. `anew` is the name of the cluster when it is lost and to be
    created again.
    """
    phases = selection.phases()
    if anew is not None:
        require_name(session.cluster, anew)
    session.report.run_started("bootstrap", session.cluster, phases, str(selection))
    # A conversation wants the terminal for itself.
    with contextlib.nullcontext() if conversation else session.report.watched(), session.locked():
        found = session.assemble(selection)
        known, hosts = permitted(found, selection, anew is not None), found.wanted or frozenset()
        answering = len(session.cluster.hosts) - len(known.away)
        session.report.note(f"{plural(answering, 'host')} answer{'s' if answering == 1 else ''}")
        for warning in judge(known.inputs):
            session.report.note(str(warning))
        _bind(session, known.lives)
        known.gather()
        if known.anew:
            clear_way(found, hosts)
        agreement = _agreed(known, phases, saved) if saved else None
        permit = {"permit": agreement.permit} if agreement else {}

        def work(some: Sequence[Phase]) -> list[Done]:
            where = (known.inputs, session.live, known.remotes())
            more = {**permit, "workers_at_once": workers_at_once}
            return Runner(*where, some, hosts, session.report, session.parallel, **more).run()

        issues = saved.plan.issues if saved else ()
        done = (
            conversation.lead(known.inputs, phases, lambda one: foreseen(known, [one], issues), work)
            if conversation
            else work(phases)
        )
        if agreement and (left := agreement.left()):
            total = len(saved.plan.changes)
            session.report.note(f"{len(left)} of {total} planned changes were not needed or were skipped")
        if control_plane.PHASE in phases:
            _bind(session)
    session.report.summary()
    if known.left_out:
        raise of_left_out(list(known.left_out.values()), f"hardway bootstrap {session.cluster.source or 'INV'}")
    return done


def _bind(session: Session, lives: Lives | None = None) -> None:
    """Bind what was founded as soon as a cluster answers, and for ever: later runs compare what lives with it."""
    if Founded.read(session.store):
        return
    lives = lives or what_lives(session.live)
    if lives.etcd and lives.uid:
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        Founded.of(session.cluster, lives, today).bind(session.store)


def _agreed(known: Known, phases: Sequence[Phase], saved: Saved) -> Agreement:
    """What a saved plan allows, once it is confirmed that nothing has moved; that its run has begun is noted before the
    first write."""
    session = known.session
    mark = f"plans/{saved.name}"
    begun = session.store.read(mark) is not None
    again = f"hardway plan {session.cluster.source or 'INV'} --save FILE"
    agreement = Agreement(saved.plan, session.store, begun, again)
    agreement.confirm(foreseen(known, phases, saved.plan.issues))
    if not begun:
        session.store.create(mark, b"begun\n")
    return agreement
