"""A cluster as versions alone, on which the passes of an upgrade are played step by step; what must hold at each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hardway.cluster import Cluster, Role
from hardway.living.lives import Node
from hardway.preflight.upgrades import ETCD_FLOORS, Version, parsed
from hardway.settings import Versions
from hardway.upgrading import Pass, Standing, Way, way
from hardway.upgrading.standing import MEMBER, ON_WORKERS, RUNTIME, SERVERS

APISERVER, KUBELET = SERVERS[0], "kubelet"


class Stopped(Exception):
    """The run is killed here."""


def minor(version: str) -> Version:
    return parsed(version)[:2]


@dataclass
class Played:
    """`running` is by host and component; `steps` counts every restart, and `stop` may end the run before one."""

    cluster: Cluster
    running: dict[str, dict[str, str]]
    disk: dict[str, dict[str, str]] = field(default_factory=dict)
    steps: list[tuple[str, str, str]] = field(default_factory=list)
    stop: Callable[[int], bool] = lambda step: False

    @classmethod
    def at(cls, cluster: Cluster, versions: Versions, workers: str = "") -> Played:
        """All hosts at these versions; the workers' Kubernetes may be another."""
        kubernetes = dict.fromkeys(SERVERS, versions.kubernetes)
        of = {Role.ETCD: {MEMBER: versions.etcd}, Role.CONTROL_PLANE: kubernetes}
        of[Role.WORKER] = {RUNTIME: versions.containerd}
        of[Role.WORKER] |= dict.fromkeys(ON_WORKERS[1:], workers or versions.kubernetes)
        running = {
            host.name: {k: v for role in host.roles for k, v in of.get(role, {}).items()} for host in cluster.hosts
        }
        return cls(cluster, running)

    @property
    def standing(self) -> Standing:
        nodes = {host.name: Node(host.name, version=self.running[host.name][KUBELET], ready=True)
                 for host in self.cluster.workers}  # fmt: skip
        return Standing(self.running, self.disk, nodes, frozenset(self.running))

    def way(self) -> Way:
        return way(self.cluster, self.standing)

    def go(self) -> None:
        """All passes and workers, found again after each as the command does it."""
        while passes := self.way().passes:
            self.play(passes[0])
        for name, containerds in self.way().workers:
            for version in (*containerds, self.cluster.versions.containerd):
                self.restart(name, RUNTIME, version)
            for component in ON_WORKERS[1:]:
                self.restart(name, component, self.cluster.versions.kubernetes)

    def play(self, one: Pass) -> None:
        """The members of etcd one after the other, then host by host what runs there of the control plane."""
        hosts = [self.cluster.host(name) for name in one.hosts]
        for host in hosts if Role.ETCD in one.roles else ():
            if host.is_(Role.ETCD):
                self.restart(host.name, MEMBER, one.versions.etcd)
        for host in hosts if Role.CONTROL_PLANE in one.roles else ():
            for component in SERVERS if host.is_(Role.CONTROL_PLANE) else ():
                self.restart(host.name, component, one.versions.kubernetes)

    def restart(self, host: str, component: str, version: str) -> None:
        """The program is swapped, then its unit is restarted; a run may be killed before either."""
        if self.running[host].get(component) == version:
            return
        self.disk.setdefault(host, {})
        for place in (self.disk, self.running):
            if self.stop(len(self.steps)):
                raise Stopped
            self.steps.append((host, component, version))
            before = place[host].get(component, "")
            assert parsed(version) >= parsed(before), f"{component} on {host} goes back from {before} to {version}"
            place[host][component] = version
            self.holds()

    def holds(self) -> None:
        """What must be true at every moment."""
        assert list(self.broken()) == []

    def broken(self) -> Iterator[str]:
        """What does not hold among the processes that run."""
        running = {host.name: self.running.get(host.name, {}) for host in self.cluster.hosts}
        api = [version for own in running.values() if (version := own.get(APISERVER))]
        members = [version for own in running.values() if (version := own.get(MEMBER))]
        yield from _apart("API servers", api)
        yield from _apart("etcd members", members)
        floor = ETCD_FLOORS.get(max(map(minor, members), default=()), "")
        yield from (f"a member runs {one}, and {floor} comes first" for one in members if _below(one, floor))
        for host, own in running.items():
            ahead = [name for name in SERVERS[1:] if parsed(own.get(name, "")) > parsed(own.get(APISERVER, "9.9"))]
            yield from (f"{name} of {host} is ahead of its API server" for name in ahead)
            kubelet = minor(own.get(KUBELET, ""))
            if kubelet and api and (kubelet > min(map(minor, api)) or max(map(minor, api))[1] - kubelet[1] > 3):
                yield f"the kubelet of {host} is {kubelet}, the API servers are {api}"
        least = (3, 7) if (1, 37) in map(minor, api) else (3, 6)
        if members and min(map(minor, members)) < least:
            yield f"an API server of {max(api)} has etcd {min(members)}"


def _apart(kind: str, versions: list[str]) -> Iterator[str]:
    if versions and minor(max(versions, key=parsed))[1] - minor(min(versions, key=parsed))[1] > 1:
        yield f"{kind} are two minors apart: {versions}"


def _below(version: str, floor: str) -> bool:
    return bool(floor) and parsed(version) < parsed(floor) and minor(version) == minor(floor)
