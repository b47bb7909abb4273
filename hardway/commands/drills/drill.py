"""What a drill is: something broken on purpose, what to watch meanwhile, and the effect that must occur."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ...cluster import Cluster, Host
from ...targets.live import Live

# A node that reports nothing for longer becomes NotReady (kube-controller-manager's default).
GRACE = 50
EVICTED = 300


@dataclass(frozen=True)
class Look:
    """Something to type while the drill is on; `after` says when it shows, `why` teaches.

    Words in braces are filled in.
    """

    command: str
    expect: str
    after: str
    why: str


@dataclass(frozen=True)
class Effect:
    """What must be so within `deadline` seconds; `missing` says what is not so yet."""

    title: str
    missing: Callable[[Practice], str]
    deadline: float = 30.0


@dataclass(frozen=True)
class Drill:
    """One exercise. `candidates` are the hosts it may be done on; all of them at once where `every`. Without `units` it
    is the machine.

    `spoils` counts the etcd members that it takes away; the others must be a quorum.
    """

    name: str
    title: str
    breaks: str
    story: str
    candidates: Callable[[Cluster], Sequence[Host]]
    needs: str
    effects: Callable[[Cluster], Sequence[Effect]]
    looks: Callable[[Cluster], Sequence[Look]]
    later: str
    by_hand: str
    units: tuple[str, ...] = ()
    every: bool = False
    spoils: Callable[[Host], bool] = lambda host: False


@dataclass
class Practice:
    """A drill that is on: the hosts it broke, and which containers ran on each worker before."""

    live: Live
    hosts: tuple[Host, ...]
    before: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def cluster(self) -> Cluster:
        return self.live.cluster

    @property
    def broken(self) -> Host:
        return self.hosts[0]

    @cached_property
    def spared(self) -> tuple[Host, ...]:
        """Control-plane hosts that the drill left alone."""
        return tuple(host for host in self.cluster.control_plane if host not in self.hosts)
