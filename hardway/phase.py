"""A phase is a value: where it works, what it wants there, what it waits for. Its desired state is a pure function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from .cluster import Cluster, Host
from .facts import Facts
from .resources.base import Resource

if TYPE_CHECKING:
    from .assets import AssetStore
    from .pki.credentials import Credentials
    from .targets.live import Live

OPERATOR = Host("operator", IPv4Address("127.0.0.1"), frozenset())
ETCD = Host("etcd", IPv4Address("127.0.0.1"), frozenset())
API = Host("kubernetes", IPv4Address("127.0.0.1"), frozenset())


@dataclass(frozen=True)
class Inputs:
    """Everything a desired state may depend on."""

    cluster: Cluster
    facts: Mapping[str, Facts]
    credentials: Credentials
    assets: AssetStore


@dataclass(frozen=True)
class Pending:
    """What is still missing, on which host, and the unit whose journal would tell why."""

    what: str
    host: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Phase:
    """`needs` are phases that must be ready before this one starts on any target; targets of one phase run in parallel.

    `ready` is polled until it returns None or `deadline` (seconds) passes. With `rolling`, a step
    that restarts something already running is done one target at a time, each ready before the next;
    `before_restart` may refuse it by raising.
    """

    name: str
    title: str
    targets: Callable[[Cluster], Sequence[Host]]
    desired: Callable[[Inputs, Host], Sequence[Resource]]
    needs: Callable[[Inputs], tuple[str, ...]] = lambda inputs: ()
    ready: Callable[[Live], Pending | None] | None = None
    deadline: float = 60.0
    rolling: bool = False
    before_restart: Callable[[Live, Host], None] | None = None
