"""One round of an upgrade: the phases of bootstrap, cut to what the round is about, on its hosts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ...cluster import Role
from ...phase import API, ETCD, OPERATOR, Phase
from ...phases import PHASES, binaries, containers, etcd, kube_proxy, kubelet, load_balancer
from ...preflight import judge
from ...run.runner import Runner
from ...session import Known
from ...settings import Versions
from ...upgrading import Pass
from .view import View

ELSEWHERE = frozenset({OPERATOR.name, ETCD.name, API.name})
WORKER = (binaries.of(Role.WORKER), containers.PHASE, kubelet.PHASE, kube_proxy.PHASE)
RUNTIME = (binaries.of(Role.WORKER), containers.PHASE)


def phases(roles: Sequence[Role]) -> tuple[Phase, ...]:
    """Those that bring the programs of some roles of the control plane, in the order of a bootstrap: etcd first."""
    last = containers.PHASE if Role.CONTROL_PLANE in roles else PHASES[PHASES.index(etcd.PHASE) + 1]
    chosen = PHASES[: PHASES.index(last)]
    kept = [one for one in chosen if one is not load_balancer.PHASE and (Role.ETCD in roles or not _of_etcd(one))]
    instead = {binaries.PHASE.name: binaries.of(*roles), etcd.PHASE.name: etcd.UNNOTICED}
    return tuple(instead.get(one.name, one) for one in kept)


def _of_etcd(phase: Phase) -> bool:
    return phase.name.startswith("etcd")


def gather(view: View) -> None:
    """Have every program of every round, verified, before a host is touched."""
    for one in view.way.passes if view.way else ():
        view.at(one.versions).gather(one.roles)
    for version in runtimes(view):
        view.at(replace(view.cluster.versions, containerd=version)).gather([Role.WORKER])
    view.known.gather()


def runtimes(view: View) -> tuple[str, ...]:
    """The versions of containerd between, on all workers together."""
    found = (version for _, rungs in (view.way.workers if view.way else ()) for version in rungs[:-1])
    return tuple(dict.fromkeys(found))


def carry_out(view: View, one: Pass, again: str) -> None:
    """A pass over the control plane; the error of the first host stops it before the next of its kind."""
    bring(view.at(one.versions, [*one.hosts, *ELSEWHERE]), phases(one.roles), one.hosts, again)


def on_workers(view: View, versions: Versions, chosen: Sequence[Phase], names: Sequence[str], again: str) -> None:
    """A part of the worker phases on workers that are empty, all at once."""
    bring(view.at(versions, [*names, *ELSEWHERE]), chosen, names, again)


def bring(known: Known, chosen: Sequence[Phase], names: Iterable[str], again: str) -> None:
    """Run phases on these hosts and what is elsewhere; `again` is the command that continues. PreflightError before
    anything when they are not fit for it."""
    hosts, session = frozenset(names), known.session
    judge(known.inputs)
    where = (known.inputs, session.live, known.remotes(), chosen, hosts | ELSEWHERE, session.report)
    Runner(*where, session.parallel, workers_at_once=len(hosts), command=again).run()
