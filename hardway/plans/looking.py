"""Making a plan of a cluster: every host asked, nothing written anywhere."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

from ..assets.placeholders import Placeholders
from ..errors import AssetError, HardwayError
from ..phase import Phase
from ..preflight import Finding, continuity
from ..run.selection import Scope, Selection, everything
from ..session import Known, Session
from .plan import Plan, foresee

SHOWN = 3
DAMAGED = "damaged"
HERE = "this computer"


def look(
    session: Session, selection: Selection, anew: bool = False, exact: bool = False
) -> tuple[Plan, list[HardwayError]]:
    """The plan: what a bootstrap would change, and what preflight finds; the errors of workers that it leaves out.

    Nothing is written anywhere, and nothing fetched: see `cached`. With `anew` the plan of a new cluster in place of
    one whose data is lost.
    """
    known = cached(permitted(session.assemble(selection), selection, anew), exact)
    return foreseen(known, selection.phases()), list(known.left_out.values())


def cached(known: Known, exact: bool = False) -> Known:
    """The same with the binaries and images of the cache alone: one that is on a host and not in the cache cannot be
    compared, which is said. AssetError for that where the plan must be `exact`."""
    lacking = [row for row in known.session.assets.list(known.archs) if row.state != "cached"]
    if not lacking:
        return known
    only_names = replace(known, session=replace(known.session, assets=Placeholders(known.session.assets)))
    missing = [f"{row.name} {row.version}" for row in lacking if row.state != DAMAGED]
    if exact and (found := _damaged(only_names)):
        raise AssetError(f"a saved plan names every checksum: {found[0].what}", hint=found[0].remedy)
    if not missing:
        return only_names
    names = ", ".join(missing[:SHOWN]) + (f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else "")
    if exact:
        hint = "hardway assets fetch INV   then run the same command again"
        raise AssetError(f"a saved plan names every checksum, and these are not in the cache: {names}", hint=hint)
    known.session.report.note(f"not in the cache, so bootstrap fetches it first: {names}")
    return only_names


def _damaged(known: Known) -> list[Finding]:
    """The files of the cache that make a run stop, since hardway replaces none by itself."""
    store = known.session.assets.store if isinstance(known.session.assets, Placeholders) else None
    fetch = f"hardway assets fetch {known.session.cluster.source or 'INV'}"
    return [
        Finding(
            "Cache",
            HERE,
            f"{row.path} ({row.name} {row.version}) is damaged, or not the file that its checksum names",
            f"rm {shlex.quote(str(row.path))} && {fetch}",
        )
        for row in (store.list(known.archs) if store else ())
        if row.state == DAMAGED
    ]


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
    plan = foresee(looking.inputs, looking.readers(), phases, hosts, issues, known.session.parallel, scope)
    return replace(plan, findings=(*_damaged(known), *plan.findings))
