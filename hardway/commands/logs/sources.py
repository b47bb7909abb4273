"""Where a component's words are kept on a host, and how much of them is wanted."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...cluster import Cluster, Host
from ...errors import UsageError
from ...run.components import components
from ...run.selection import meant
from ...targets.journal import PODS
from ...vocabulary import Probe

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Since:
    """A beginning. `seconds` ago by each host's own clock, or the moment `at` of ours; neither when there is none."""

    seconds: int = 0
    at: float = 0.0

    @staticmethod
    def parse(text: str) -> Since:
        """`30s`, `10m`, `2h`, `1d`, or a date and time such as 2026-01-31 12:00; ValueError for anything else."""
        if match := re.fullmatch(r"(\d+)([smhd])", text):
            return Since(seconds=int(match[1]) * SECONDS[match[2]])
        return Since(at=datetime.datetime.fromisoformat(text).timestamp())

    def __str__(self) -> str:
        """As journalctl takes it."""
        return f"-{self.seconds}s" if self.seconds else f"@{self.at:.0f}" if self.at else ""

    def admits(self, moment: float, now: float) -> bool:
        return moment >= (now - self.seconds if self.seconds else self.at)


@dataclass(frozen=True)
class Source:
    """A component: its kind, its name there, and the hosts that carry it."""

    component: str
    kind: str
    name: str
    hosts: tuple[Host, ...]

    def probe(self, verb: str, since: Since, lines: int) -> Probe:
        return Probe(verb, (self.kind, self.name, str(since), str(lines or "")))


def carriers(cluster: Cluster) -> dict[str, tuple[Host, ...]]:
    """Everything that can be asked for, by name."""
    pods = {name: cluster.workers for name in PODS if name != "coredns" or cluster.coredns.enabled}
    return {**components(cluster), **pods}


def source(cluster: Cluster, component: str, only: Iterable[str] = ()) -> Source:
    """A component on all its hosts or some of them; UsageError for a name that is none, or a host that does not carry
    it."""
    known = carriers(cluster)
    if component not in known:
        raise UsageError(f"there is no component {component} in this cluster", hint=meant(component, list(known)))
    names = [host.name for host in cluster.hosts]
    carrying = [host.name for host in known[component]]
    for name in only:
        if name not in names:
            raise UsageError(f"there is no host {name} in the inventory", hint=meant(name, names))
        if name not in carrying:
            raise UsageError(f"{name} does not run {component}", hint=f"it runs on: {' '.join(carrying)}")
    hosts = tuple(host for host in known[component] if not only or host.name in only)
    kind, name = ("pod", PODS[component]) if component in PODS else ("unit", f"{component}.service")
    return Source(component, kind, name, hosts)
