"""What `hardway etcd members` finds: etcd's own member list, held against the inventory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ...cluster import Cluster
from ...etcd.interface import Member
from ...etcd.membership import host_of, member_on, removal
from ...session import Session
from ...snapshots.asking import first

SCHEMA = 1


@dataclass(frozen=True)
class Row:
    """One member as etcd knows it. `host` is that of the inventory it runs on, empty when there is none; `problem` is
    what is wrong with it, and `next` a command."""

    name: str
    id: str
    started: bool
    learner: bool
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    host: str = ""
    problem: str = ""
    next: str = ""


@dataclass(frozen=True)
class Members:
    """`missing` are etcd hosts of the inventory that are no members."""

    cluster: str
    members: tuple[Row, ...]
    missing: tuple[str, ...] = ()
    schema: int = field(default=SCHEMA)

    @property
    def expected(self) -> bool:
        """Whether etcd has just the members of the inventory, all of them started and counting for the quorum."""
        return not self.missing and not any(row.problem for row in self.members)


def collect(session: Session) -> Members:
    """Asked of the first member that answers; NotReadyError without a quorum, since then nobody knows."""
    return judge(session.cluster, first(session, lambda etcd: etcd.members()))


def judge(cluster: Cluster, members: Sequence[Member]) -> Members:
    """The list held against the inventory. Pure."""
    missing = (host.name for host in cluster.etcd_members if not member_on(cluster, members, host))
    return Members(cluster.name, tuple(_row(cluster, member) for member in members), tuple(missing))


def _row(cluster: Cluster, member: Member) -> Row:
    host = host_of(cluster, member)
    problem, remedy = next(_problems(cluster, member), ("", ""))
    about = (member.name, f"{member.id:x}", member.started, member.learner, member.peer_urls, member.client_urls)
    return Row(*about, host.name if host else "", problem, remedy)


def _problems(cluster: Cluster, member: Member) -> Iterator[tuple[str, str]]:
    """What is wrong with a member, the worst first, and what to do."""
    host = host_of(cluster, member)
    if host is None:
        yield "not in the inventory", removal(member)
    elif not member.started:
        yield "has never started", f"on {host.name}: systemctl status etcd; journalctl -u etcd -n 50"
    elif member.learner:
        yield "is still a learner", "hardway bootstrap INV   promotes it as soon as it has caught up"
    elif member.peer_urls != (host.peer_url,):
        yield f"the inventory has it at {host.peer_url}", "hardway plan INV"
