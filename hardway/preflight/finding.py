"""What preflight finds, and what one of its checks is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..cluster import Host
from ..facts import Facts
from ..phase import Inputs


@dataclass(frozen=True)
class Finding:
    """One thing wrong with one host. A warning is shown; anything else stops the run."""

    name: str
    host: str
    what: str
    remedy: str
    warning: bool = False

    def __str__(self):
        return f"{self.headline}; {self.remedy}"

    @property
    def key(self) -> str:
        """As --ignore takes it."""
        return f"{self.name}={self.host}"

    @property
    def severity(self) -> str:
        return "WARNING" if self.warning else "ERROR"

    @property
    def headline(self) -> str:
        return f"[{self.severity} {self.name}] {self.host}: {self.what}"

    def lines(self) -> tuple[str, str]:
        return self.headline, f"  next: {self.remedy}"


@dataclass(frozen=True)
class HostCheck:
    """One question about one host, by what it has said of itself. `wanted` is the answer that is well, as a sentence;
    `look` yields (what is wrong, what to do)."""

    name: str
    wanted: str
    look: Callable[[Inputs, Host, Facts], Iterable[tuple[str, str]]]
    warning: bool = False

    def findings(self, inputs: Inputs, host: Host, facts: Facts) -> list[Finding]:
        return [
            Finding(self.name, host.name, what, remedy, self.warning) for what, remedy in self.look(inputs, host, facts)
        ]


@dataclass(frozen=True)
class ClusterCheck:
    """One question about all hosts that answer, taken together; `look` yields (host, what is wrong, what to do)."""

    name: str
    wanted: str
    look: Callable[[Inputs, list[Host]], Iterable[tuple[Host, str, str]]]
    warning: bool = False

    def findings(self, inputs: Inputs, hosts: list[Host]) -> list[Finding]:
        return [
            Finding(self.name, host.name, what, remedy, self.warning) for host, what, remedy in self.look(inputs, hosts)
        ]
