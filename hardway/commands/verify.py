"""`hardway verify`: the proof that a cluster works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .. import checks
from ..checks import Check, Outcome, identity
from ..phases import PHASES
from ..preflight import continuity
from ..preflight.other_run import OTHER_RUN
from ..resources.base import Change
from ..run.planning import plan
from ..run.selection import Selection
from ..run.step import Done
from ..session import Session


def verify(session: Session, only: Sequence[str], ignore: Sequence[str] = ()) -> list[tuple[Check, Outcome]]:
    """No drift, health and smoke checks; reads everywhere, writes in one namespace of its own.

    `ignore` are checks of preflight that a bootstrap was told to ignore too.
    """
    ignored = frozenset(Selection(ignore=tuple(ignore)).ignored(session.cluster))
    session.report.run_started("verify", session.cluster)
    known = session.survey(frozenset(), living=True, trial=True)
    inputs = replace(known.inputs, ignored=ignored)
    if continuity.fault(inputs):  # the remedies of all other checks are for a cluster that is there
        return checks.verify(session.live, inputs, (), frozenset({identity.SAME.name}), session.report)
    for warning in OTHER_RUN.findings(inputs, list(session.cluster.hosts)):
        session.report.note(str(warning))
    known.gather()
    there = Selection().hosts(session.cluster) - known.away.keys()
    drift = plan(inputs, known.readers(), PHASES, there, session.parallel)
    drift += [
        Done("preflight", name, (Change(f"host {name}", (error.message,), ()),), 0.0)
        for name, error in known.away.items()
    ]
    return checks.verify(session.live, inputs, drift, frozenset(only), session.report)
