"""etcd as hardway needs it: who the members are, whether they are well, who leads, and one key's raw value.

Two ways lead there, with the same answers: the etcd3 library through an SSH tunnel (`library.py`), and etcdctl on a
member (`command.py`) where the library cannot be used. `client.py` chooses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from ..cluster import Host
from ..errors import NotReadyError, RemoteCommandError
from ..patience import stretched

# Where a member keeps its certificates on its host: the server's own pair is a client's as well.
PKI = "/etc/etcd/pki"
CALL_SECONDS = 5.0
PROBE_SECONDS = 3.0
HASH_SECONDS = 60.0  # it reads all data
COMPACT_SECONDS = 300.0  # it removes what is old, until it is done on the member that is asked
# What etcd answers who asks for a revision that is forgotten.
COMPACTED = "required revision has been compacted"


# What a learner answers to nearly everything: another member has to be asked.
LEARNER = "rpc not supported for learner"


def tls_flags(folder: str = PKI) -> str:
    """etcdctl's flags for a member's own certificate on its host, or for files in another folder there."""
    return f"--cacert={folder}/ca.crt --cert={folder}/server.crt --key={folder}/server.key"


def quorum(members: int) -> int:
    """How many of so many voting members must agree."""
    return members // 2 + 1


@dataclass(frozen=True)
class Member:
    """A member as etcd knows it; one that never started has no client URLs, and no name if it was added later."""

    id: int
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    learner: bool = False

    @property
    def started(self) -> bool:
        return bool(self.client_urls)


@dataclass(frozen=True)
class Health:
    """Whether the member on host `name` can serve a read that the whole cluster agrees on; `error` says why not."""

    name: str
    healthy: bool
    error: str = ""


@dataclass(frozen=True)
class Alarm:
    """What etcd has raised for one of its members: NOSPACE or CORRUPT. It stays until somebody clears it."""

    member_id: int
    kind: str


# As etcd numbers them (api/etcdserverpb/rpc.proto, AlarmType).
KINDS = ("NONE", "NOSPACE", "CORRUPT")
RAISED = re.compile(r"memberID:(\d+)\s+alarm:(\w+)")


def alarms(errors: Iterable[str]) -> tuple[Alarm, ...]:
    """Those among the errors that a member reports in its status."""
    found = {Alarm(int(match[1]), match[2]) for error in errors for match in RAISED.finditer(error)}
    return tuple(sorted(found, key=in_kind))


def in_kind(alarm: Alarm) -> tuple[str, int]:
    """The order in which alarms are told."""
    return alarm.kind, alarm.member_id


@dataclass(frozen=True)
class Hash:
    """The hash of a member's data up to a revision; only hashes since the same `compacted` revision can be compared."""

    value: int
    compacted: int


@dataclass(frozen=True)
class Status:
    """What the member on host `name` says of itself; `leader` 0 while there is none.

    `raft_index` is the last entry of the log that it knows to be agreed on, `raft_applied_index` the last in its data.
    `db_size` is the file's, `db_in_use` what it holds, `db_quota` what it may grow to, in bytes; `storage` is the
    version of its format; `alarms` are those of all members.
    """

    name: str
    member_id: int
    leader: int
    revision: int
    raft_term: int
    db_size: int
    version: str
    cluster_id: int = 0
    raft_index: int = 0
    raft_applied_index: int = 0
    is_learner: bool = False
    db_in_use: int = 0
    db_quota: int = 0
    storage: str = ""
    alarms: tuple[Alarm, ...] = ()

    @property
    def is_leader(self) -> bool:
        return self.member_id == self.leader


class EtcdClient(AbstractContextManager, Protocol):
    """A connection to a cluster's etcd. `how` tells a person which way was taken.

    Errors: NotReadyError when no member answers in time, RemoteCommandError when etcd refuses, ConnectionFailed from
    the transport.
    """

    how: str

    def members(self) -> tuple[Member, ...]:
        """The members, sorted by name, those not started first."""

    def health(self) -> tuple[Health, ...]:
        """One entry for each etcd host of the inventory, in its order; a silent one is an entry, not an error."""

    def status(self) -> tuple[Status, ...]:
        """One entry for each etcd host that answers, in the inventory's order."""

    def add_member(self, name: str, peer_urls: tuple[str, ...]) -> Member:
        """Announce a member that will start afterwards, as a learner: it counts for no quorum until it is promoted."""

    def promote_member(self, member_id: int) -> None:
        """Let a learner vote; RemoteCommandError as long as it has not caught up with the leader."""

    def update_member(self, member_id: int, peer_urls: tuple[str, ...]) -> None:
        """Tell all members where one of them is reached from now on; it must listen there next."""

    def remove_member(self, member_id: int) -> None:
        """Take a member out; the caller sees to the quorum."""

    def move_leader(self, member_id: int) -> None:
        """Have the leader hand over to this member; it must be one that is asked here."""

    def get(self, key: str) -> bytes | None:
        """The value as etcd stores it, or None when there is no such key."""

    def hashes(self, revision: int) -> Mapping[str, Hash]:
        """The hash of the data up to a revision, by the name of each etcd host that answers and has that revision."""

    def compact(self, revision: int) -> None:
        """Forget what keys were before this revision, and wait until one member has removed it; a revision that is
        forgotten already is no error."""

    def alarms(self) -> tuple[Alarm, ...]:
        """Those that are raised, as the cluster agrees."""

    def disarm(self) -> None:
        """Clear the alarms of all members; the caller sees to their causes."""

    def close(self) -> None:
        """Give up connections and tunnels."""


def silent(action: str, members: tuple[Host, ...], evidence: str) -> NotReadyError:
    """The error for a cluster that does not answer."""
    names = ", ".join(host.name for host in members)
    return NotReadyError(
        f"etcd does not answer ({names})",
        command=action,
        waited_for="an answer from any etcd member",
        waited_seconds=stretched(CALL_SECONDS),
        evidence=evidence,
        hint=f"on {names}: systemctl status etcd; journalctl -u etcd -n 50",
    )


def refused(action: str, host: str, reason: str) -> RemoteCommandError:
    """The error for a request that etcd understood and turned down; `reason` in etcd's own words."""
    hint = "check the members: hardway status INV"
    if "unhealthy cluster" in reason:
        hint = (
            "etcd accepts a new member only when all others have been connected for 5 s: wait, or start or remove the"
            " missing member"
        )
    return RemoteCommandError(
        f"etcd refused `{action}`: {reason}", host=host, command=action, evidence=reason, hint=hint
    )


def in_order(members: list[Member]) -> tuple[Member, ...]:
    return tuple(sorted(members, key=lambda member: (member.name, member.id)))
