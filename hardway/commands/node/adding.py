"""`hardway node add`: hosts join a cluster that lives. All phases for them, and on the others only what a newcomer
changes there, so that it costs the same in a small cluster and in a large one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ...cluster import Cluster, Host, Role
from ...drain import uncordon
from ...errors import HardwayError, PreflightError
from ...facts import Facts, etcd_born
from ...phase import API, ETCD, OPERATOR, Phase, Target
from ...phases import PHASES
from ...plans import Plan, cached, foreseen, permitted
from ...preflight import judge
from ...progress.events import NodeStep
from ...run.failures import of_left_out
from ...run.runner import Runner
from ...run.selection import Scope, Selection
from ...session import Known, Session
from ...targets.patience import patiently
from .elsewhere import of_newcomers

COMMAND = "node add"
# What a newcomer needs of targets that are no hosts.
ELSEWHERE = {OPERATOR.name: ("pki",), ETCD.name: ("etcd-members", "etcd-promotion"), API.name: ("node-marks",)}


@dataclass(frozen=True)
class Joining:
    """What a person asked for: the names of hosts, the checks of preflight to ignore, and the command as typed. Hosts
    that are `aside`, since they leave afterwards, are told nothing."""

    names: tuple[str, ...]
    ignore: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    command: str = COMMAND
    again: str = ""


def _scope(facts: Mapping[str, Facts], group: Sequence[Host], aside: Sequence[str]) -> Scope:
    """All phases for a group; `aside` are hosts that are left as they are."""
    names, others = frozenset(host.name for host in group), of_newcomers(facts, group)

    def scope(phase: Phase, target: Target) -> bool:
        if not isinstance(target, Host):
            return phase.name in ELSEWHERE[target.name]
        return target.name in names or (target.name not in aside and others(phase, target))

    return scope


def groups(cluster: Cluster, names: Sequence[str]) -> list[tuple[Host, ...]]:
    """Those that join together: each member of etcd by itself, since etcd accepts one new member at a time."""
    hosts = [host for host in cluster.hosts if host.name in names]
    members = [(host,) for host in hosts if host.is_(Role.ETCD)]
    rest = tuple(host for host in hosts if not host.is_(Role.ETCD))
    return [*members, *([rest] if rest else [])]


def plan(session: Session, asked: Joining) -> list[Plan]:
    """What it would change, a plan for each group; nothing is changed."""
    found = []
    for group in _groups(session, asked):
        known = cached(_assembled(session, asked, group))
        found.append(foreseen(known, PHASES, hosts=_all(known), scope=_scope(known.facts, group, asked.aside)))
    return found


def add(session: Session, asked: Joining) -> None:
    """Have them join, or go on with it where an earlier run was interrupted."""
    session.report.run_started(asked.command, session.cluster, PHASES, " ".join(asked.names))
    with session.report.watched(), session.locked(asked.command):
        left_out = join(session, asked)
    session.report.summary()
    if left_out:
        raise of_left_out(left_out, f"hardway bootstrap {session.cluster.source or 'INV'}")


def join(session: Session, asked: Joining) -> list[HardwayError]:
    """The same within a run; the errors of workers that do not answer, and so do not know the newcomers yet."""
    left_out: dict[str, HardwayError] = {}
    for group in _groups(session, asked):
        known = _assembled(session, asked, group)
        for warning in judge(known.inputs):
            session.report.note(str(warning))
        known.gather()
        where = (known.inputs, session.live, known.remotes(), PHASES, _all(known), session.report)
        Runner(*where, session.parallel, scope=_scope(known.facts, group, asked.aside), command=asked.again).run()
        left_out |= known.away
    for host in session.cluster.workers:
        if host.name in asked.names:
            _open(session, host)
    return list(left_out.values())


def _groups(session: Session, asked: Joining) -> list[tuple[Host, ...]]:
    """UsageError for a name that is not in the inventory."""
    Selection(limit=asked.names).hosts(session.cluster)
    return groups(session.cluster, asked.names)


def _assembled(session: Session, asked: Joining, group: Sequence[Host]) -> Known:
    """Every host asked; PreflightError when there is no cluster to join, and the error of a newcomer that is away."""
    selection = Selection(limit=tuple(host.name for host in group), ignore=asked.ignore)
    known = permitted(session.assemble(selection), selection)
    for host in group:
        if host.name in known.away:
            raise known.away[host.name]
    if not etcd_born(known.facts):
        raise PreflightError("there is no cluster yet that hosts could join", hint="hardway bootstrap INV")
    return known


def _all(known: Known) -> frozenset[str]:
    """Every host that answers, and what else is worked on."""
    hosts = {host.name for host in known.session.cluster.hosts} - known.away.keys()
    return frozenset({*hosts, OPERATOR.name, ETCD.name, API.name})


def _open(session: Session, host: Host) -> None:
    """A removal of it may have been begun and thought better of."""
    found = patiently(session.live.kube, partial(uncordon, name=host.name, of="node remove"))
    if found and found.command == "node remove":
        session.report.emit(NodeStep(host.name, "uncordon", f"may have pods again (it was {found})"))
