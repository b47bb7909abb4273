"""Asking every etcd host for itself, all at once: what one says counts for that one alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from ..cluster import Host
from ..errors import ConnectionFailed, HardwayError, NotReadyError
from ..etcd.interface import EtcdClient, Status
from ..parallel import each
from ..session import Session
from ..targets.live import Live

T = TypeVar("T")


@dataclass(frozen=True)
class Said:
    """What the member on a host says of itself; `error` is why it says nothing, `sick` why it is not healthy."""

    host: Host
    status: Status | None = None
    error: HardwayError | None = None
    sick: str = ""

    @property
    def away(self) -> bool:
        """Whether the host itself does not answer: then nothing is known of its member."""
        return isinstance(self.error, ConnectionFailed)

    @property
    def healthy(self) -> bool:
        """Whether it follows or leads with the others, and counts for the quorum."""
        return self.status is not None and not self.sick and not self.status.is_learner


def ask(session: Session) -> tuple[Said, ...]:
    """Every etcd host of the inventory, in its order."""
    members, found = session.cluster.etcd_members, dict[str, Said]()

    def one(host: Host) -> None:
        found[host.name] = _said(session.live, host)

    each(one, members, session.parallel)
    return tuple(found[host.name] for host in members)


def _said(live: Live, host: Host) -> Said:
    try:
        live.transports[host.name].connect()
        status = next(iter(live.etcd(host).status()), None)
    except HardwayError as error:
        return Said(host, error=error)
    sick = live.etcd_health(host)
    if status is None:
        return Said(host, error=NotReadyError("etcd does not answer", host.name, evidence=sick), sick=sick)
    return Said(host, status, sick=sick)


def first(session: Session, question: Callable[[EtcdClient], T]) -> T:
    """The answer of the first member that gives one; the last error when none does."""
    last: HardwayError | None = None
    for host in session.cluster.etcd_members:
        try:
            session.live.transports[host.name].connect()
            with session.live.etcd(host) as etcd:
                return question(etcd)
        except HardwayError as error:
            last = error
    raise last or NotReadyError("the inventory has no etcd host")


def names(session: Session) -> frozenset[str]:
    """The etcd hosts, by name."""
    return frozenset(host.name for host in session.cluster.etcd_members)


def behind(said: tuple[Said, ...]) -> Mapping[str, int]:
    """How many entries of the log each member that answers has still to take in, by the one that is the furthest."""
    known = [one.status for one in said if one.status]
    ahead = max((status.raft_index for status in known), default=0)
    return {status.name: max(ahead - status.raft_applied_index, 0) for status in known}
