"""What `hardway status` finds, as plain values: the JSON it prints has these names, and docs/operating.md explains
them."""

from __future__ import annotations

from dataclasses import dataclass, field

SCHEMA = 1


@dataclass(frozen=True)
class Machine:
    """One host; `problem` says why it could not be asked. `load` is that of the last minute."""

    name: str
    address: str
    roles: tuple[str, ...]
    reachable: bool
    problem: str = ""
    uptime_seconds: int = 0
    load: float = 0.0


@dataclass(frozen=True)
class Component:
    """One unit on one host.

    `state` is systemd's word, "waiting" while systemd cannot start it yet, "unknown" on a host that is away; `running`
    is the version of the process.
    """

    name: str
    host: str
    state: str
    detail: str = ""
    wanted: str = ""
    running: str = ""

    @property
    def fault(self) -> str:
        """What is wrong with it, or an empty string."""
        if self.state != "active":
            return " ".join(filter(None, (self.state, self.detail and f"({self.detail})")))
        return f"runs {self.running}" if self.wanted and self.running and self.running != self.wanted else ""


@dataclass(frozen=True)
class EtcdMember:
    """What a member says of itself; `problem` is why it does not, or what it complains about."""

    host: str
    leader: bool = False
    version: str = ""
    db_bytes: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Api:
    """The one address of all clients, dialled from a control-plane host; `via` is that host."""

    url: str
    ready: bool = False
    problem: str = ""
    via: str = ""


@dataclass(frozen=True)
class Node:
    """A node as the API knows it."""

    name: str
    ready: bool
    problem: str = ""
    schedulable: bool = True
    version: str = ""
    runtime: str = ""
    pods: int = 0
    pods_allowed: int = 0


@dataclass(frozen=True)
class Addon:
    """What runs in the cluster from the start."""

    name: str
    wanted: int
    ready: int


@dataclass(frozen=True)
class Certificate:
    """One certificate of the state directory; `ends` is its last moment (UTC), `days` what is left, below zero when it
    has ended."""

    name: str
    host: str
    ends: str
    days: int


@dataclass(frozen=True)
class Status:
    """All of it. `nodes` and `addons` are empty when no API server answers, and `unknown` says why; `other_run` is the
    command that changes the cluster just now."""

    cluster: str
    kubernetes: str
    api: Api
    hosts: tuple[Machine, ...] = ()
    units: tuple[Component, ...] = ()
    etcd: tuple[EtcdMember, ...] = ()
    nodes: tuple[Node, ...] = ()
    addons: tuple[Addon, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    unknown: str = ""
    other_run: str = ""
    schema: int = field(default=SCHEMA)
