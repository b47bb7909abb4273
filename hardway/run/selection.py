"""Which phases and hosts a command concerns."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..cluster import Cluster, Role
from ..errors import ConnectionFailed, UsageError
from ..phase import API, ETCD, OPERATOR, Phase, Target
from ..phases import PHASES, etcd_members
from ..preflight import ignorable, refuses

# Whether a run brings a phase to a target: one that is about a few hosts brings only some of them to the others.
Scope = Callable[[Phase, Target], bool]


def everything(phase: Phase, target: Target) -> bool:
    """Every phase on each of its targets."""
    return True


@dataclass(frozen=True)
class Selection:
    """Which phases and hosts a command concerns, and the checks of preflight that it ignores.

    Unknown names are refused before anything is contacted.
    """

    only: tuple[str, ...] = ()
    start: str = ""
    until: str = ""
    skip: tuple[str, ...] = ()
    limit: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def __str__(self):
        """The options that make it."""
        lists = {word: names for word, names in vars(self).items() if isinstance(names, tuple)}
        words = [f"--{word.replace('_', '-')} {name}" for word, names in lists.items() for name in names]
        words += [f"--{word} {name}" for word, name in (("from", self.start), ("until", self.until)) if name]
        return " ".join(words) or "all phases and hosts"

    def phases(self) -> tuple[Phase, ...]:
        names = [phase.name for phase in PHASES]
        for name in (*self.only, *self.skip, *filter(None, (self.start, self.until))):
            if name not in names:
                raise UsageError(f"there is no phase {name}", hint=meant(name, names, "hardway phases"))
        first = names.index(self.start) if self.start else 0
        last = names.index(self.until) if self.until else len(names) - 1
        chosen = [
            phase
            for phase in PHASES[first : last + 1]
            if phase.name not in self.skip and (not self.only or phase.name in self.only)
        ]
        if not chosen:
            raise UsageError("these options select no phase", hint=f"the phases are: {' '.join(names)}")
        return tuple(chosen)

    @property
    def founds(self) -> bool:
        """Whether it may found a cluster: the phases before those of etcd only make hosts ready."""
        ready = PHASES[: PHASES.index(etcd_members.PHASE)]
        return not set(self.phases()) <= set(ready)

    def require_whole(self, cluster: Cluster) -> None:
        """UsageError when it leaves out a phase, or a host without which no cluster is founded."""
        hosts = self.hosts(cluster)
        needed = [host.name for host in cluster.with_role(Role.ETCD, Role.CONTROL_PLANE)]
        if self.phases() != PHASES or not set(needed) <= hosts:
            raise UsageError(
                "a new cluster takes all phases, on all etcd and control-plane hosts",
                hint="remove --only, --from, --until and --skip; do not leave out: " + " ".join(needed),
            )

    def ignored(self, cluster: Cluster) -> tuple[str, ...]:
        """The checks of preflight whose findings are warnings, as CHECK or CHECK=HOST; UsageError for one that nobody
        may ignore."""
        names = [host.name for host in cluster.hosts]
        for check, _, host in (word.partition("=") for word in self.ignore):
            if refuses(check):
                raise UsageError(
                    f"preflight has no check {check} that can be ignored",
                    hint=f"only checks of the machine itself can be: {' '.join(ignorable())} Port-NUMBER",
                )
            if host and host not in names:
                raise UsageError(f"--ignore {check}={host}: there is no such host", hint=meant(host, names))
        return self.ignore

    def hosts(self, cluster: Cluster) -> frozenset[str]:
        names = [host.name for host in cluster.hosts]
        for name in (*self.limit, *self.exclude):
            if name not in names:
                where = f" {cluster.source}" if cluster.source else ""
                raise UsageError(f"there is no host {name} in the inventory{where}", hint=meant(name, names))
        chosen = frozenset(self.limit or names) - frozenset(self.exclude)
        if not chosen:
            raise UsageError("these options select no host", hint=f"the hosts are: {' '.join(names)}")
        return chosen | {OPERATOR.name, ETCD.name, API.name}


def meant(name: str, names: Sequence[str], command: str = "") -> str:
    """What somebody who wrote a wrong name should try: the name most like it, a command that lists them, all there
    are."""
    near = difflib.get_close_matches(name, names, 1)
    words = [
        f"did you mean {near[0]}?" if near else "",
        f"{command}  lists them:" if command else "there are:",
        " ".join(names),
    ]
    return " ".join(filter(None, words))


def excluded(name: str) -> ConnectionFailed:
    """What is said of a host that is not to be asked."""
    return ConnectionFailed(f"{name} is excluded from this run", name, hint=f"remove --exclude {name}")
