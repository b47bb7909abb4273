"""The passes of an upgrade, from what runs and what is wanted. Pure.

Rules (Kubernetes' version skew policy, etcd's upgrade guides): etcd first, one minor at a time; then the API servers,
one minor at a time and never two apart, with the controller manager and the scheduler of a host after its API server;
kubelets last, at most three minors behind and never ahead. So the control plane climbs minor by minor, and each worker
takes all of them in one step, at the end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..assets.versions import default_versions
from ..cluster import Cluster, Host, Role
from ..preflight.upgrades import Version, parsed
from ..settings import Versions
from .rungs import CONTAINERD, ETCD, KUBERNETES, Ladder, newest, oldest
from .standing import MEMBER, ON_WORKERS, RUNTIME, SERVERS, Standing

Wanted = Mapping[str, str]


@dataclass(frozen=True)
class Pass:
    """One round over hosts of the control plane, by name, which brings the programs of these roles to these versions.

    It has `begun` when one of the programs is there already.
    """

    versions: Versions
    roles: tuple[Role, ...]
    hosts: tuple[str, ...]
    begun: bool = False

    @property
    def title(self) -> str:
        named = {Role.ETCD: f"etcd {self.versions.etcd}", Role.CONTROL_PLANE: f"Kubernetes {self.versions.kubernetes}"}
        return ", ".join(named[role] for role in self.roles)


@dataclass(frozen=True)
class Way:
    """All that is to be done, in order: the passes, then the workers, each with the versions that its containerd takes
    on the way to the last one."""

    passes: tuple[Pass, ...] = ()
    workers: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the workers."""
        return tuple(name for name, _ in self.workers)

    def __bool__(self) -> bool:
        return bool(self.passes or self.workers)


def way(cluster: Cluster, standing: Standing, first: Collection[str] = ()) -> Way:
    """The way from what runs to the versions of this cluster; NoWay where a version would have to be skipped.

    `first` are workers whose turn had begun when an earlier run ended.
    """
    return Way(tuple(_passes(cluster, standing)), tuple(_workers(cluster, standing, first)))


def _passes(cluster: Cluster, standing: Standing) -> Iterator[Pass]:
    target = cluster.versions
    there = standing.versions(cluster.etcd_members, MEMBER).values()
    members, highest = _climb(ETCD, there, target.etcd), parsed(newest(there))
    for version in _servers(cluster, standing):
        last, least = version == target.kubernetes, _least(version)
        due = [one for one in members if last or parsed(one)[:2] <= least or parsed(one) <= highest]
        members = members[len(due) :]
        # All but the last of them have a round of their own; in a round etcd comes before the API servers anyway.
        yield from _round(cluster, standing, [replace(target, etcd=one) for one in due[:-1]], Role.ETCD)
        versions = replace(target, kubernetes=version, etcd=due[-1] if due else target.etcd)
        yield from _round(cluster, standing, [versions], *([Role.ETCD] if due else []), Role.CONTROL_PLANE)
    yield from _round(cluster, standing, [replace(target, etcd=one) for one in members], Role.ETCD)


def _servers(cluster: Cluster, standing: Standing) -> tuple[str, ...]:
    """The versions that the API servers take, from the oldest one on: where an earlier run stopped in the middle, the
    first is the one that the others have."""
    there, wanted = standing.versions(cluster.control_plane, *SERVERS).values(), cluster.versions.kubernetes
    return tuple(one if one == wanted else _kept(one, there) for one in _climb(KUBERNETES, there, wanted))


def _climb(ladder: Ladder, there: Collection[str], wanted: str) -> tuple[str, ...]:
    """From the oldest of those that are there; none where nothing is."""
    return ladder.rungs(oldest(there), wanted) if there else ()


def _kept(rung: str, there: Collection[str]) -> str:
    """A minor between, in the newest patch that runs somewhere already: nobody goes back."""
    return newest([rung, *(one for one in there if parsed(one)[:2] == parsed(rung)[:2])])


def _least(kubernetes: str) -> Version:
    """The minor of etcd that an API server of this version needs."""
    minor = ".".join(map(str, parsed(kubernetes)[:2]))
    return parsed(default_versions(minor).etcd)[:2]


def _round(cluster: Cluster, standing: Standing, steps: Sequence[Versions], *roles: Role) -> Iterator[Pass]:
    """A pass for each of these versions in which there is anything to do."""
    names = {Role.ETCD: (MEMBER,), Role.CONTROL_PLANE: SERVERS}
    for versions in steps:
        each = {Role.ETCD: versions.etcd, Role.CONTROL_PLANE: versions.kubernetes}
        wanted = {name: each[role] for role in roles for name in names[role]}
        concerned = cluster.with_role(*roles)
        hosts = tuple(host.name for host in concerned if _belongs(standing, host, wanted))
        if hosts and any(_differs(standing, host, wanted) for host in concerned):
            yield Pass(versions, roles, hosts, any(_has(standing, host, wanted) for host in concerned))


def _mine(host: Host, wanted: Wanted) -> Iterator[tuple[str, str]]:
    """The components among these that run on a host, each with its version."""
    kinds = {MEMBER: Role.ETCD} | dict.fromkeys(SERVERS, Role.CONTROL_PLANE) | dict.fromkeys(ON_WORKERS, Role.WORKER)
    return ((name, version) for name, version in wanted.items() if host.is_(kinds[name]))


def _differs(standing: Standing, host: Host, wanted: Wanted) -> bool:
    """Whether a program on it is older. What does not run, and would start in the right version, is no matter of
    versions."""
    there = ((standing.version(host.name, name), version) for name, version in _mine(host, wanted))
    return any(found and parsed(found) < parsed(version) for found, version in there)


def _belongs(standing: Standing, host: Host, wanted: Wanted) -> bool:
    """Whether it takes part: something is older or does not run, and nothing would be lowered."""
    running = [(standing.running.get(host.name, {}).get(name, ""), version) for name, version in _mine(host, wanted)]
    ahead = any(parsed(found) > parsed(version) for found, version in running)
    unlike = any(parsed(found) != parsed(version) for found, version in running)
    return host.name in standing.built and unlike and not ahead


def _has(standing: Standing, host: Host, wanted: Wanted) -> bool:
    """Whether a new program is there, started or not."""
    disk, running = standing.disk.get(host.name, {}), standing.running.get(host.name, {})
    return any(version in (disk.get(name), running.get(name)) for name, version in _mine(host, wanted))


def _workers(cluster: Cluster, standing: Standing, first: Collection[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Those that are behind: where a turn had begun, or the node is not Ready, it comes first."""
    target, nodes = cluster.versions, standing.nodes or {}
    wanted = {RUNTIME: target.containerd} | dict.fromkeys(ON_WORKERS[1:], target.kubernetes)

    def place(host: Host) -> tuple[bool, bool]:
        return host.name not in first, not (host.name in nodes and not nodes[host.name].ready)

    answering = [host for host in cluster.workers if host.name in standing.built]
    behind = [host for host in answering if _differs(standing, host, wanted) or host.name in first]
    for host in sorted(behind, key=place):
        there = standing.version(host.name, RUNTIME)
        yield host.name, CONTAINERD.rungs(there, target.containerd) if there else ()
