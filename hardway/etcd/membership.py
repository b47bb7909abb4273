"""etcd's member list against the inventory: who votes, which host a member runs on, who is not in the inventory.

Membership is what etcd itself says: an edited inventory changes nothing about who must agree.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..cluster import Cluster, Host
from ..ports import ETCD_CLIENT
from .interface import Member, tls_flags


def voting(members: Iterable[Member]) -> tuple[Member, ...]:
    """Those that count for the quorum: also one that was added and has never started, but no learner."""
    return tuple(member for member in members if not member.learner)


def host_of(cluster: Cluster, member: Member) -> Host | None:
    """The etcd host of the inventory that a member runs on, or is to run on.

    By its name, or by the peer URL where it has no name yet or its host was renamed.
    """
    hosts = cluster.etcd_members
    named = (host for host in hosts if host.name == member.name)
    return next(named, next((host for host in hosts if host.peer_url in member.peer_urls), None))


def strangers(cluster: Cluster, members: Iterable[Member]) -> tuple[Member, ...]:
    """Members that the inventory does not name."""
    return tuple(member for member in members if not host_of(cluster, member))


def member_on(cluster: Cluster, members: Iterable[Member], host: Host) -> Member | None:
    """The member of a host, or None."""
    return next((member for member in members if host_of(cluster, member) == host), None)


def called(member: Member) -> str:
    """What a person knows a member by."""
    return member.name or f"a member that never started ({', '.join(member.peer_urls)})"


def removal(member: Member) -> str:
    """The command by which a member leaves that no inventory names; one that never started is called by its address,
    where nobody answers."""
    if member.name:
        return f"hardway node remove INV {member.name}   (with --gone if its machine is gone for good)"
    return f"hardway node remove INV {member.peer_urls[0].removeprefix('https://').rpartition(':')[0]} --gone"


def typed(*words: str) -> str:
    """An etcdctl command with its flags, to be typed on a member."""
    return " ".join(["etcdctl", f"--endpoints=https://127.0.0.1:{ETCD_CLIENT}", tls_flags(), *words])


REMOVE = typed("member", "remove")
