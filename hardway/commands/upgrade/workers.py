"""The workers, last and once each: emptied, brought to all of their new versions, and filled again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...cluster import Host
from ...drain import Drain, Options, uncordon
from ...errors import NotReadyError
from ...parallel import each
from ...progress.events import NodeStep, PassStarted
from ...targets.live import wait
from ...targets.patience import patiently
from . import rounds
from .view import COMMAND, View

READY_SECONDS = 300.0


def batches(names: Sequence[str], at_once: int) -> list[tuple[str, ...]]:
    return [tuple(names[start : start + at_once]) for start in range(0, len(names), at_once)]


def upgrade(view: View, names: Sequence[str], options: Options, again: str, number: int, total: int) -> None:
    """Some workers at a time. A drain that is refused or stops leaves their programs as they are.

    What we cordoned and nothing else may have pods again, once the API says that its kubelet is new and Ready.
    """
    session = view.session
    title = f"workers to Kubernetes {view.cluster.versions.kubernetes}"
    session.report.emit(PassStarted(number, total, title, list(names)))
    hosts = [view.cluster.host(name) for name in names]
    empty(view, [host for host in hosts if host.name in view.nodes], options, again)
    for version in rounds.runtimes(view):
        due = [name for name, rungs in view.way.workers if name in names and version in rungs[:-1]] if view.way else []
        if due:
            rounds.on_workers(view, replace(view.cluster.versions, containerd=version), rounds.RUNTIME, due, again)
    rounds.on_workers(view, view.cluster.versions, rounds.WORKER, names, again)
    for host in hosts:
        await_new(view, host, again)
        there = patiently(session.live.kube, lambda api, host=host: uncordon(api, host.name, of=COMMAND))
        if there and there.command == COMMAND:
            session.report.emit(NodeStep(host.name, "uncordon", "may have pods again"))
        elif there:
            session.report.emit(NodeStep(host.name, "uncordon", f"stays {there}, not by this upgrade"))


def empty(view: View, hosts: Sequence[Host], options: Options, again: str) -> None:
    """Cordon all of them first, so that no evicted pod comes to the next one; then drain them at the same time."""
    live, report = view.session.live, view.session.report
    drains = {host.name: Drain(live.kube, host.name, options, COMMAND, again, report.emit) for host in hosts}
    for one in drains.values():
        one.require(one.look())
    for one in drains.values():
        report.emit(NodeStep(one.node, "cordon", str(one.cordon())))
    each(lambda host: drains[host.name].empty(), hosts)
    for one in drains.values():
        report.emit(NodeStep(one.node, "drain", f"drained: {one.evicted} evicted"))


def await_new(view: View, host: Host, again: str) -> None:
    """Until the API says that a worker's kubelet is new and Ready; NotReadyError with the command that continues."""
    try:
        wait(lambda: _missing(view, host), READY_SECONDS, str)
    except NotReadyError as error:
        error.host, error.hint = host.name, f"hardway doctor INV   shows the cause; then: {again}"
        raise


def _missing(view: View, host: Host) -> str:
    """What the API does not say yet of a worker that was upgraded."""
    node = view.session.live.node(host)
    status, wanted = node.get("status", {}), view.cluster.versions.kubernetes
    ready = {one["type"]: one["status"] for one in status.get("conditions", [])}.get("Ready")
    version = status.get("nodeInfo", {}).get("kubeletVersion", "").removeprefix("v")
    if ready == "True" and version == wanted:
        return ""
    return f"node {host.name} to be Ready with v{wanted} (it says {'v' + version if version else 'no version'})"
