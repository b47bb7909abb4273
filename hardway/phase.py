"""A phase is a value: where it works, what it wants there, what it waits for. Its desired state is a pure function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .cluster import Cluster, Host
from .facts import Facts
from .living import roads
from .living.departed import Departed, departed
from .living.encryption import Encryption
from .living.founded import Founded
from .living.lives import Lives
from .resources.base import Change, Resource

if TYPE_CHECKING:
    from .assets import AssetStore
    from .assets.placeholders import Placeholders
    from .pki.credentials import Credentials
    from .targets.live import Live


@dataclass(frozen=True)
class Elsewhere:
    """What a phase works on that is no host of the inventory."""

    name: str


OPERATOR = Elsewhere("operator")
ETCD = Elsewhere("etcd")
API = Elsewhere("kubernetes")
SECRETS = Elsewhere("secrets")  # as they lie in etcd
Target = Host | Elsewhere


@dataclass(frozen=True)
class Inputs:
    """Everything a desired state may depend on; `founded` is None before the first success.

    `concerned` are the names of the hosts that a run is about, None for all of them; `phases` those of the phases that
    it brings about, none where nothing is to be done; `ignored` the names of checks of preflight. A run that is
    `upgrading` sees to the order of versions by itself, keeps every program that it replaces, and has an API server
    pause while its member of etcd restarts.
    """

    cluster: Cluster
    facts: Mapping[str, Facts]
    credentials: Credentials
    assets: AssetStore | Placeholders
    lives: Lives = Lives()
    founded: Founded | None = None
    concerned: frozenset[str] | None = None
    phases: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()
    upgrading: bool = False

    @property
    def encryption(self) -> Encryption:
        """How the API servers that live encrypt Secrets."""
        return Encryption(self.cluster, self.facts, self.lives, self.credentials)

    @cached_property
    def departed(self) -> tuple[Departed, ...]:
        """The Nodes without a worker in the inventory; none when the API could not be asked."""
        return departed(self.cluster, self.facts, self.lives)

    @property
    def gone(self) -> tuple[Departed, ...] | None:
        """The same; None when the API could not be asked."""
        return self.departed if self.lives.nodes is not None else None

    @cached_property
    def settled(self) -> bool:
        """Whether all clients use the inventory's address of the API already."""
        return roads.settled(self.cluster, self.facts)

    @cached_property
    def settles(self) -> bool:
        """Whether they all do once the phases of this run are done that move them."""
        return roads.settled(self.cluster, self.facts, frozenset(h.name for h in self.cluster.hosts if self._moves(h)))

    def _moves(self, host: Host) -> bool:
        return self.brings(host, *(phase for role in host.roles for phase in roads.MOVED_BY.get(role, ())))

    def among(self, hosts: Sequence[Host]) -> tuple[Host, ...]:
        """Those of the hosts that the run is about."""
        return tuple(host for host in hosts if self.concerned is None or host.name in self.concerned)

    def brings(self, host: Host, *phases: str) -> bool:
        """Whether the run brings these phases about on a host that answers."""
        return bool(self.among([host])) and self.phases.issuperset(phases) and self.facts[host.name].known


@dataclass(frozen=True)
class Pending:
    """What is still missing, on which host, and the unit whose journal would tell why."""

    what: str
    host: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Phase:
    """One phase; `desired` and `before_restart` take one of its `targets`.

    `needs` are phases that must be ready before this one starts on any target; targets of one phase run in parallel.

    `ready` is polled for each target on which anything is wanted, until it returns None or `deadline`
    (seconds) passes. With `rolling`, a step that restarts something already running is done one target
    at a time, or a few with `side_by_side`, each ready before the next: `before_restart` may refuse it
    by raising, and `caught_up` is what else must be true afterwards; so is `beside`, if it was before:
    what the restart takes down for a while, but the phase does not repair. `before_change` may refuse any
    changes. A phase `marks` the hosts it writes to as the cluster's, unless all it brings there is the
    distribution's own.
    """

    name: str
    title: str
    targets: Callable[[Cluster], Sequence[Target]]
    desired: Callable[[Inputs, Any], Sequence[Resource]]
    needs: Callable[[Inputs], tuple[str, ...]] = lambda inputs: ()
    ready: Callable[[Live, Any], Pending | None] | None = None
    deadline: float = 60.0
    rolling: bool = False
    side_by_side: bool = False
    before_restart: Callable[[Live, Any], None] | None = None
    before_change: Callable[[Inputs, Live, Any, Sequence[Change]], None] | None = None
    caught_up: Callable[[Live, Any], Pending | None] | None = None
    beside: Callable[[Live, Any], Pending | None] = lambda live, target: None
    marks: bool = True

    def works_on(self, cluster: Cluster, target: Target) -> bool:
        """Whether it is one of the targets, at no more cost for the last of many than for the first."""
        names = cluster.once(self.targets, lambda: frozenset(target.name for target in self.targets(cluster)))
        return target.name in names
