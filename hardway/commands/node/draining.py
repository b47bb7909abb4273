"""`hardway node drain` and `uncordon`: nodes that are to have no pods for a while, and that may have them again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ...drain import Drain, Options, View, uncordon
from ...drain.cordon import cordon_of
from ...errors import UsageError
from ...progress.events import NodeStep
from ...removal import course
from ...report import plural
from ...run.failures import together
from ...run.selection import meant
from ...session import Session
from ...targets.patience import patiently
from .plan import HostPlan, Plan

COMMAND = "node drain"
SOON = 10.0  # seconds in which an API server answers, if there is one
WHY = {"cordon": course.CORDON.why, "drain": course.DRAIN.why, "stay": "These pods belong to the node."}


def drain(session: Session, names: Sequence[str], options: Options, again: str) -> None:
    """Cordon the nodes, then drain one after the other; nothing is changed when one of them cannot be drained."""
    session.report.run_started(COMMAND, session.cluster, options=" ".join(names))
    with session.report.watched(), session.locked(COMMAND):
        drains = [_drain(session, name, options, again) for name in _known(session, names)]
        for one in drains:
            one.require(one.look())
        for one in drains:
            session.report.emit(NodeStep(one.node, "cordon", str(one.cordon())))
        for one in drains:
            one.empty()
            left = len(one.look().choice.left)
            told = f"drained: {plural(one.evicted, 'pod')} evicted, {left} of the node's own stay"
            session.report.emit(NodeStep(one.node, "drain", told))
    session.report.summary()


def plan(session: Session, names: Sequence[str], options: Options, again: str) -> Plan:
    """What a drain would do now; nothing is changed. DrainRefused where it would be refused."""
    hosts = []
    for name in _known(session, names):
        one = _drain(session, name, options, again)
        view = one.look()
        one.require(view)
        hosts.append(HostPlan(name, tuple((step, lines, WHY[step]) for step, lines in _steps(view).items())))
    return Plan(COMMAND, tuple(hosts))


def _steps(view: View) -> dict[str, tuple[str, ...]]:
    there = cordon_of(view.node)
    return {
        "cordon": () if there else ("keep new pods off it",),
        "drain": tuple(f"evict {pod} ({pod.owner})" for pod in view.choice.evict),
        "stay": tuple(f"{pod}: {why}" for pod, why in view.choice.left) if view.choice.evict else (),
    }


def uncordon_all(session: Session, names: Sequence[str]) -> None:
    """Let pods come to these nodes again, whoever cordoned them."""
    session.report.run_started("node uncordon", session.cluster, options=" ".join(names))
    with session.locked("node uncordon"):
        known = _known(session, names)
        for name in known:
            there = patiently(session.live.kube, partial(uncordon, name=name))
            told = f"may have pods again (it was {there})" if there else "was not cordoned"
            session.report.emit(NodeStep(name, "uncordon", told))


def _drain(session: Session, name: str, options: Options, again: str) -> Drain:
    return Drain(session.live.kube, name, options, COMMAND, again, session.report.emit)


def _known(session: Session, names: Sequence[str]) -> list[str]:
    """The names, each once; UsageError when there is no such node. Every host that answers is asked for the lease, the
    error of the control-plane hosts when none of them does."""
    away = session.survey(frozenset()).away
    if away.keys() >= {host.name for host in session.cluster.control_plane}:
        raise together([away[host.name] for host in session.cluster.control_plane])
    found = patiently(session.live.kube, lambda api: api.get("/api/v1/nodes"), SOON) or {}
    nodes = [one["metadata"]["name"] for one in found.get("items") or ()]
    for name in names:
        if name not in nodes:
            raise UsageError(f"there is no node {name}", hint=meant(name, nodes, "hardway node list INV"))
    return list(dict.fromkeys(names))
