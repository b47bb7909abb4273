"""What runs: the version of every process that hardway installed, as its host says it, and of every kubelet, as its
Node says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..cluster import Cluster, Host, Role
from ..facts import Facts
from ..living import Lives
from ..living.lives import Node
from ..parallel import each
from ..render import COMPONENTS
from ..targets.live import Live
from ..vocabulary import Probe

SERVERS = tuple(name for name, role in COMPONENTS.items() if role is Role.CONTROL_PLANE)
MEMBER, KUBELET, RUNTIME = "etcd", "kubelet", "containerd"
# containerd before what talks to it.
ON_WORKERS = (RUNTIME, KUBELET, "kube-proxy")


def components(host: Host) -> tuple[str, ...]:
    """The programs of ours that run on a host as units, and have a version."""
    return tuple(name for name, role in COMPONENTS.items() if host.is_(role))


@dataclass(frozen=True)
class Standing:
    """`running` holds by host and component the version of the process, nothing of one that does not run; `disk` that
    of the program which would start next, as far as a survey says it; `nodes` what the API says of all Nodes, None when
    it could not be asked. `built` are the hosts that hardway has installed something on, of those that answer."""

    running: Mapping[str, Mapping[str, str]]
    disk: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    nodes: Mapping[str, Node] | None = None
    built: frozenset[str] = frozenset()

    def version(self, host: str, component: str) -> str:
        """Of the process, or of the program where none runs; empty when neither is there."""
        return self.running.get(host, {}).get(component, "") or self.disk.get(host, {}).get(component, "")

    def versions(self, hosts: Iterable[Host], *names: str) -> dict[tuple[str, str], str]:
        """What is known of these components, by host and component."""
        pairs = ((host.name, name) for host in hosts for name in names)
        return {pair: version for pair in pairs if (version := self.version(*pair))}


def stand(live: Live, cluster: Cluster, facts: Mapping[str, Facts], lives: Lives) -> Standing:
    """Ask every host that answers which versions run there, in a round trip each."""
    running: dict[str, Mapping[str, str]] = {}
    hosts = [host for host in cluster.hosts if facts[host.name].known and facts[host.name].cluster]

    def ask(host: Host) -> None:
        probes = {name: Probe("version", (f"{name}.service",)) for name in components(host)}
        answers = live.remotes[host.name].probe(list(probes.values()))
        running[host.name] = {name: version for name, probe in probes.items() if (version := answers[probe])}

    each(ask, hosts)
    disk = {host.name: _on_disk(host, facts[host.name]) for host in hosts}
    return Standing(running, disk, lives.nodes, frozenset(host.name for host in hosts))


def _on_disk(host: Host, facts: Facts) -> dict[str, str]:
    """A survey says one version of Kubernetes: the API server's where there is one."""
    kubernetes = SERVERS[0] if host.is_(Role.CONTROL_PLANE) else KUBELET
    said = {MEMBER: facts.etcd, RUNTIME: facts.containerd, kubernetes: facts.kubernetes}
    return {name: version for name, version in said.items() if version and name in components(host)}


def kubelets(cluster: Cluster, standing: Standing) -> dict[str, str]:
    """The version of every kubelet that is known: of the process, or what the Node says. Nodes that the inventory does
    not name count too."""
    said = {name: node.version for name, node in (standing.nodes or {}).items() if node.version}
    asked = {name: version for (name, _), version in standing.versions(cluster.workers, KUBELET).items()}
    return said | asked
