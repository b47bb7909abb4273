"""etcd as hardway needs it: who the members are, whether they are well, and one key's raw value.

Two ways lead there, with the same answers: the etcd3 library through an SSH tunnel (`etcd_library`), and etcdctl on a
member (`etcd_command`) where the library cannot be used. `open_etcd` chooses.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..cluster import Cluster, Host
from ..errors import NotReadyError, RemoteCommandError

if TYPE_CHECKING:
    from ..pki.credentials import Credentials
    from ..transport import Transport

CLIENT_PORT = 2379
CALL_SECONDS = 5.0
PROBE_SECONDS = 3.0


@dataclass(frozen=True)
class Member:
    """A member as etcd knows it; one that was added but never started has no name and no client URLs."""

    id: int
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    learner: bool = False

    @property
    def started(self) -> bool:
        return bool(self.name)


@dataclass(frozen=True)
class Health:
    """Whether the member on host `name` can serve a read that the whole cluster agrees on; `error` says why not."""

    name: str
    healthy: bool
    error: str = ""


@dataclass(frozen=True)
class Status:
    """What the member on host `name` says of itself; `db_size` in bytes, `leader` 0 while there is none."""

    name: str
    member_id: int
    leader: int
    revision: int
    raft_term: int
    db_size: int
    version: str

    @property
    def is_leader(self) -> bool:
        return self.member_id == self.leader


class EtcdClient(AbstractContextManager, Protocol):
    """A connection to a cluster's etcd. `how` tells a person which way was taken.

    Errors: NotReadyError when no member answers in time, RemoteCommandError when etcd refuses, ConnectionFailed from the transport.
    """

    how: str

    def members(self) -> tuple[Member, ...]:
        """The members, sorted by name, those not started first."""

    def health(self) -> tuple[Health, ...]:
        """One entry for each etcd host of the inventory, in its order; a silent one is an entry, not an error."""

    def status(self) -> tuple[Status, ...]:
        """One entry for each etcd host that answers, in the inventory's order."""

    def add_member(self, name: str, peer_urls: tuple[str, ...]) -> Member:
        """Announce a member that will start afterwards; the caller sees to the quorum."""

    def remove_member(self, member_id: int) -> None:
        """Take a member out; the caller sees to the quorum."""

    def get(self, key: str) -> bytes | None:
        """The value as etcd stores it, or None when there is no such key."""

    def close(self) -> None:
        """Give up connections and tunnels."""


def open_etcd(cluster: Cluster, transport: Transport, credentials: Credentials) -> EtcdClient:
    """A client of the cluster's etcd by way of `transport`, an etcd host: the library, or else etcdctl on that host.

    Raises nothing because etcd is down: the calls do that.
    """
    from .command import Etcdctl
    from .library import Unusable, open_library

    try:
        return open_library(cluster, transport, credentials)
    except Unusable as unusable:
        return Etcdctl(transport, cluster.etcd_members, reason=str(unusable))


def silent(action: str, members: tuple[Host, ...], evidence: str) -> NotReadyError:
    """The error for a cluster that does not answer."""
    names = ", ".join(host.name for host in members)
    return NotReadyError(
        f"etcd does not answer ({names})",
        command=action,
        waited_for="an answer from any etcd member",
        waited_seconds=CALL_SECONDS,
        evidence=evidence,
        hint=f"on {names}: systemctl status etcd; journalctl -u etcd -n 50",
    )


def refused(action: str, host: str, reason: str) -> RemoteCommandError:
    """The error for a request that etcd understood and turned down; `reason` in etcd's own words."""
    hint = "see how the members are: hardway status"
    if "unhealthy cluster" in reason:
        hint = "etcd takes a new member only when all others have been connected for 5 s: wait, or start or remove the missing one"
    return RemoteCommandError(f"etcd refused `{action}`: {reason}", host=host, command=action, evidence=reason, hint=hint)


def in_order(members: list[Member]) -> tuple[Member, ...]:
    return tuple(sorted(members, key=lambda member: (member.name, member.id)))
