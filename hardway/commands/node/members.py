"""The members of etcd on hosts that leave: who may go without the others losing their quorum, and the going itself."""

from __future__ import annotations

from collections.abc import Sequence

from ...cluster import Cluster, Host, Role
from ...errors import HardwayError, QuorumError
from ...etcd.interface import Member, quorum
from ...etcd.membership import called, host_of, member_on, voting
from ...phases.etcd import hand_over
from ...targets.live import Live
from .former import without
from .scene import Scene

RESTORE = "repair the unhealthy members first: hardway status INV; hardway bootstrap INV"


def members(scene: Scene, host: Host) -> tuple[Member, ...]:
    """etcd's list, as a member on another host says it, else the host's own; QuorumError when nobody does."""
    errors = []
    own = () if host.name in scene.gone or not host.is_(Role.ETCD) else (host,)
    for other in (*scene.rest(host).cluster.etcd_members, *own):
        try:
            return scene.before.live.etcd(other).members()
        except HardwayError as error:
            errors.append(f"{other.name}: {error.message}")
    raise QuorumError(
        "etcd's member list cannot be read, so nobody knows whether a member may go",
        evidence="\n".join(errors),
        hint=RESTORE,
    )


def mine(scene: Scene, host: Host) -> Member | None:
    """The member on a host that leaves; None when it has none, any more or ever."""
    if not host.is_(Role.ETCD):
        return None
    found = members(scene, host)
    own = member_on(scene.before.cluster, found, host)
    # One that never started is known by its address alone.
    return own or next((one for one in found if not one.name and host.peer_url in one.peer_urls), None)


def require_quorum(scene: Scene) -> None:
    """QuorumError unless the members that leave may go one after the other, each while the others agree to it."""
    leaving = [host for host in scene.leave if host.is_(Role.ETCD)]
    if not leaving:
        return
    found = members(scene, leaving[-1])
    coming = _joining(scene, found)
    left = [*voting(found), *coming]
    problems = {member.id: "" for member in coming}
    problems.update({member.id: _problem(scene.before.live, member) for member in found})
    for host in leaving:
        own = member_on(scene.before.cluster, left, host)
        if own:
            left = _without(left, own, problems)


def _joining(scene: Scene, found: Sequence[Member]) -> list[Member]:
    """Those that will vote before the first one leaves, and do not yet; no real member has such an id."""
    cluster, voters = scene.before.cluster, voting(found)
    coming = [host for host in cluster.etcd_members if host.name in scene.joining]
    hosts = [host for host in coming if not member_on(cluster, voters, host)]
    return [Member(-at, host.name, (host.peer_url,), ()) for at, host in enumerate(hosts, 1)]


def _without(there: Sequence[Member], own: Member, problems: dict[int, str]) -> list[Member]:
    """The members without one of them; QuorumError when they could not agree to that, or to anything afterwards."""
    left = [member for member in there if member.id != own.id]
    evidence = "\n".join(f"{called(member)}: {problems[member.id] or 'healthy'}" for member in there)
    healthy = sum(not problems[member.id] for member in there)
    if healthy < quorum(len(there)):
        what = f"etcd has no quorum: {healthy} of {len(there)} members are healthy, so it removes none"
        raise QuorumError(what, evidence=evidence, hint=RESTORE)
    if not left:
        raise QuorumError(
            f"{called(own)} is the last etcd member: without it all data of the cluster is lost",
            hint="to delete the whole cluster: hardway reset INV",
        )
    staying = sum(not problems[member.id] for member in left)
    if staying < quorum(len(left)):
        what = f"without {called(own)} etcd would lose its quorum: {staying} of {len(left)} members would be healthy"
        raise QuorumError(what, evidence=evidence, hint=RESTORE)
    return left


def _problem(live: Live, member: Member) -> str:
    host = host_of(live.cluster, member)
    return live.etcd_health(host) if host else "it is not in the inventory, so hardway cannot ask it"


def leave(scene: Scene, host: Host, own: Member) -> None:
    """Have another one lead, then remove the member; it is asked again whether the others keep their quorum."""
    live = scene.before.live
    now = members(scene, host)
    if own in voting(now):
        _without(voting(now), own, {member.id: _problem(live, member) for member in now})
        if host.name not in scene.gone:
            # To one that stays: another one that leaves would have to hand over again.
            others = [one.name for one in scene.leave if one != host]
            hand_over(scene.before.about(without(scene.before.cluster, others)).live, host)
    speaker(scene, host).remove_member(own.id)


def speaker(scene: Scene, host: Host):
    """A client by way of a healthy member on a host that stays."""
    live, others = scene.before.live, scene.rest(host).cluster.etcd_members
    healthy = [other for other in others if not live.etcd_health(other)]
    return live.etcd((healthy or list(others))[0])


def pointing(cluster: Cluster) -> tuple[Host, ...]:
    """The control-plane hosts whose API server talks to members on other hosts."""
    return tuple(host for host in cluster.control_plane if not host.is_(Role.ETCD))
