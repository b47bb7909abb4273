"""What an upgrade would do now: every step in its order, and what it risks. Nothing is changed, nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ... import snapshots
from ...cluster import Cluster, Role
from ...drain import Drain
from ...errors import HardwayError
from ...preflight.finding import Finding
from ...preflight.upgrades import parsed
from ...progress.closing import plural
from ...session import Session
from ...upgrading import Pass
from ...upgrading.rungs import oldest
from ...upgrading.standing import MEMBER, RUNTIME, SERVERS, kubelets
from . import checks, room, rounds, workers
from .aim import Aim
from .conduct import Options
from .health import Health, health
from .view import COMMAND, View, first


@dataclass(frozen=True)
class Step:
    """`does` are its parts in their order, a line each."""

    title: str
    hosts: tuple[str, ...] = ()
    does: tuple[str, ...] = ()


@dataclass(frozen=True)
class Foresight:
    """`now` and `then` are versions by component, the oldest where several run. With findings that are no warnings, or
    bad health, the upgrade would not begin."""

    cluster: str
    now: Mapping[str, str]
    then: Mapping[str, str]
    steps: tuple[Step, ...]
    risks: tuple[str, ...]
    findings: tuple[Finding, ...]
    health: Health
    left_out: Mapping[str, HardwayError]
    edits: str = ""
    begun: bool = False

    @property
    def refused(self) -> bool:
        return bool(self.health.bad) or any(not one.warning for one in self.findings)


def foresee(session: Session, aim: Aim, options: Options) -> Foresight:
    """The plan; the session cannot write."""
    view = first(session.about(aim.cluster), options.of_preflight)
    found = checks.findings(view, aim, options.drain, options.typed, options.ignore)
    found += room.lacking(view)
    now, then = running(view), wanted(aim.cluster)
    steps = tuple(_steps(view, options)) if view.way is not None else ()
    about = (session.cluster.name, now, then, steps, tuple(_risks(view)) if view.way else ())
    return Foresight(*about, tuple(found), health(view, view.apart), view.known.left_out, aim.note, view.begun)


def wanted(cluster: Cluster) -> dict[str, str]:
    versions = cluster.versions
    return {
        "Kubernetes": versions.kubernetes,
        "kubelets": versions.kubernetes,
        MEMBER: versions.etcd,
        RUNTIME: versions.containerd,
    }


def running(view: View) -> dict[str, str]:
    """The oldest version of each that runs; empty where that is not known."""
    cluster, standing = view.cluster, view.standing
    return {
        "Kubernetes": oldest(standing.versions(cluster.control_plane, *SERVERS).values()),
        "kubelets": oldest(kubelets(cluster, standing).values()),
        MEMBER: oldest(standing.versions(cluster.etcd_members, MEMBER).values()),
        RUNTIME: oldest(standing.versions(cluster.workers, RUNTIME).values()),
    }


def _steps(view: View, options: Options) -> Iterator[Step]:
    way = view.way
    if not way:
        yield Step("bring everything else to the inventory, if anything differs, and remove programs that were kept")
        return
    if way.passes:
        yield Step(f"save a snapshot of etcd in {_where(view, options.snapshot)} and verify it")
    for one in way.passes:
        yield Step(_title(one), one.hosts, tuple(_parts(view.cluster, one)))
    for names in workers.batches(way.names, options.workers_at_once):
        yield Step(
            f"Kubernetes {view.cluster.versions.kubernetes} on workers", names, tuple(_worker(view, names, options))
        )
    yield Step("bring everything else to the inventory: cluster DNS, images, kubeconfigs; nothing must differ then")
    if not options.keep:
        yield Step("remove the programs that were kept for a way back")


def _where(view: View, target: Path | None) -> str:
    return str(snapshots.where(view.cluster, target).parent.absolute())


def _title(one: Pass) -> str:
    return f"{'complete ' if one.begun else ''}{one.title}, one host at a time"


def _parts(cluster: Cluster, one: Pass) -> Iterator[str]:
    hosts = [cluster.host(name) for name in one.hosts]
    yield f"send the programs of {' and '.join(one.roles)}; they wait beside those that run"
    if Role.ETCD in one.roles:
        members = [host.name for host in hosts if host.is_(Role.ETCD)]
        yield f"restart etcd {one.versions.etcd} on {', then '.join(members)}: each has caught up before the next"
        if len(cluster.control_plane) > 1 and any(
            host.is_(Role.CONTROL_PLANE) for host in hosts if host.is_(Role.ETCD)
        ):
            yield "its API server pauses meanwhile, so that the load balancer sends no call there"
    if Role.CONTROL_PLANE in one.roles:
        servers = [host.name for host in hosts if host.is_(Role.CONTROL_PLANE)]
        yield f"restart {', '.join(SERVERS)} on {', then '.join(servers)}: each is ready before the next"


def _worker(view: View, names: tuple[str, ...], options: Options) -> Iterator[str]:
    for name in names:
        yield f"{name}: {_drained(view, name, options)}"
    steps = [*rounds.runtimes(view), view.cluster.versions.containerd]
    runs = {view.standing.version(name, RUNTIME) for name in names}
    if runs != {view.cluster.versions.containerd}:
        yield f"restart containerd {', then '.join(steps)}, with runc and the CNI plugins"
    yield f"restart kubelet and kube-proxy {view.cluster.versions.kubernetes}"
    yield "wait until the node is Ready with the new version, then let pods come again if this upgrade cordoned it"


def _drained(view: View, name: str, options: Options) -> str:
    if name not in view.nodes:
        return "has no node, so nothing is drained"
    try:
        choice = Drain(view.session.live.kube, name, options.drain, COMMAND, options.typed).look().choice
    except HardwayError as error:
        return f"nobody knows its pods: {error.message}"
    if not choice.evict:
        return "cordon; no pod to evict"
    owners = dict.fromkeys(f"{pod} ({pod.owner})" for pod in choice.evict)
    return f"cordon, then evict {plural(len(choice.evict), 'pod')}: {', '.join(owners)}"


def _risks(view: View) -> Iterator[str]:
    """What users may notice, in this very cluster."""
    cluster, way = view.cluster, view.way
    if not way:
        return
    if way.passes and len(cluster.control_plane) == 1:
        yield "one control-plane host: the API does not answer while it restarts; pods keep running"
    if way.passes and any(Role.ETCD in one.roles for one in way.passes):
        yield "etcd never goes back by itself: after all members have a new minor the way back is the snapshot"
    if way.names and len(cluster.workers) == 1:
        yield "one worker: its pods have nowhere to go, and wait until it is back"
    if way.names and _minors(view) > 1:
        yield f"kubelets come up {_minors(view)} minors at once: containers of pods that stay there are restarted"
    for name, error in view.known.left_out.items():
        yield f"{name} is left out and keeps its old versions: {error.message}"


def _minors(view: View) -> int:
    found = running(view)["kubelets"]
    return parsed(view.cluster.versions.kubernetes)[1] - parsed(found)[1] if found else 0
