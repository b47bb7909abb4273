"""Making a plan of a cluster: every host asked, nothing written anywhere."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import HardwayError
from ..phase import Phase
from ..preflight import continuity
from ..run.selection import Scope, Selection, everything
from ..session import Known, Session
from .plan import Plan, foresee


def look(session: Session, selection: Selection, anew: bool = False) -> tuple[Plan, list[HardwayError]]:
    """The plan: what a bootstrap would change, and what preflight finds; the errors of workers that it leaves out.

    Nothing is written anywhere. With `anew` the plan of a new cluster in place of one whose data is lost.
    """
    known = permitted(session.assemble(selection), selection, anew)
    known.gather()
    return foreseen(known, selection.phases()), list(known.left_out.values())


def permitted(known: Known, selection: Selection, anew: bool = False) -> Known:
    """What a run may be based on; QuorumError where it would found a cluster beside the one that was founded, or work
    on another one."""
    if anew:
        selection.require_whole(known.session.cluster)
        continuity.require_gone(known.inputs)
        return known.founding_anew()
    continuity.require(known.inputs, selection.founds)
    return known


def foreseen(
    known: Known,
    phases: Sequence[Phase],
    issues: Sequence[str] = (),
    hosts: frozenset[str] | None = None,
    scope: Scope = everything,
) -> Plan:
    """What these phases would change on hosts that were asked already; `issues` are those of an earlier plan. `hosts`
    are those it is about, where a `scope` reaches further than what was asked for."""
    looking = known.looking()
    hosts = known.wanted or frozenset() if hosts is None else hosts
    return foresee(looking.inputs, looking.readers(), phases, hosts, issues, known.session.parallel, scope)
