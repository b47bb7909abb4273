"""A whole cluster in memory, on which the real runner, phases, resources and credentials work."""

from __future__ import annotations

import copy
import dataclasses
import io
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hardway.cluster import Cluster
from hardway.facts import Facts, etcd_born, parse
from hardway.phase import API, ETCD, OPERATOR, Inputs, Phase
from hardway.phases import PHASES
from hardway.pki.credentials import Credentials
from hardway.report import Report
from hardway.run.runner import Done, Runner, plan
from hardway.state.statedir import Overlay, StateDir
from hardway.targets.etcd_members import EtcdRemote
from hardway.targets.kube import ApiRemote
from hardway.targets.workstation import OperatorRemote
from hardway.vocabulary import Answers, Op, Probe, ReadOnly

from .fake_assets import FakeAssets
from .fake_live import FakeLive
from .memory_etcd import MemoryEtcd
from .memory_host import MemoryHost
from .memory_kube import Objects


class Killed(BaseException):
    """The machine that runs hardway loses its power: nothing catches this, and nothing is written afterwards."""


class World:
    """`death` is asked before every write anywhere; when it says so, this and every later write raises Killed."""

    def __init__(self, cluster: Cluster, folder: Path, store: Overlay | None = None):
        self.cluster = cluster
        self.store = store or Overlay(StateDir(folder / "no state directory"))
        self.assets = FakeAssets(cluster, folder)
        self.guard = threading.Lock()
        self.death: Callable[[str, Op], bool] = lambda target, op: False
        self.dead = False
        self.log: list[tuple[str, Op]] = []
        self.whole: set[tuple[tuple[str, int], ...]] = set()
        self.announced: set[tuple[str, str]] = set()
        self.hosts = {host.name: MemoryHost(host, self.point) for host in cluster.hosts}
        self.objects = Objects(lambda what: self.point(API.name, Op(what)))
        self.use(cluster)

    def use(self, cluster: Cluster) -> None:
        """Go on with another inventory on the same machines; new hosts are new machines."""
        self.cluster = cluster
        for host in cluster.hosts:
            self.hosts.setdefault(host.name, MemoryHost(host, self.point))
        self.assets.cluster = cluster
        self.live = FakeLive(cluster, self.hosts, self.objects)
        self.credentials = Credentials(cluster, self.store)
        self.phases = tuple(remembered(phase, {}) for phase in PHASES)
        self.removals = tuple(remembered(phase, {}) for phase in PHASES)  # a reset renders with keys that are never written

    def point(self, target: str, op: Op) -> None:
        with self.guard:
            self.dead = self.dead or self.death(target, op)
            if self.dead:
                raise Killed
            self.log.append((target, op))

    def revive(self) -> None:
        """A new process: what the old one knew is gone, what is on hosts and in the state directory stays."""
        self.dead, self.death, self.log = False, lambda target, op: False, []
        self.credentials = Credentials(self.cluster, self.store)

    @property
    def facts(self) -> dict[str, Facts]:
        return {host.name: parse(self.hosts[host.name].q_survey(), 0.0, 0.0) for host in self.cluster.hosts}

    def inputs(self) -> Inputs:
        return Inputs(self.cluster, self.facts, self.credentials, self.assets)

    def remotes(self, may_be_absent: bool = False) -> dict[str, Any]:
        operator = Dying(OPERATOR.name, Operator(self.credentials, self.whole), self.point)
        etcd = Dying(ETCD.name, EtcdRemote(lambda: MemoryEtcd(self.live, self.announced)), self.point)
        return {**self.hosts, OPERATOR.name: operator, ETCD.name: etcd, API.name: ApiRemote(self.live.kube, may_be_absent)}

    def run(self, phases: Sequence[Phase] = (), parallel: int = 32, **permit: Any) -> list[Done]:
        return self.runner(phases, parallel, **permit).run()

    def runner(self, phases: Sequence[Phase] = (), parallel: int = 32, report: Report | None = None, **permit: Any) -> Runner:
        report = report or Report(stream=io.StringIO())
        return Runner(self.inputs(), self.live, self.remotes(), phases or self.phases, self.names, report, parallel, **permit)

    @property
    def names(self) -> frozenset[str]:
        return frozenset([*(host.name for host in self.cluster.hosts), OPERATOR.name, ETCD.name, API.name])

    def plan(self, phases: Sequence[Phase] = ()) -> list[Done]:
        inputs = dataclasses.replace(self.inputs(), credentials=Credentials(self.cluster, Overlay(self.store)))
        return plan(inputs, self.readers(), phases or PHASES, self.names)

    def readers(self) -> dict[str, ReadOnly]:
        readers = {name: ReadOnly(remote) for name, remote in self.remotes(may_be_absent=True).items()}
        return readers | {OPERATOR.name: ReadOnly(OperatorRemote(Credentials(self.cluster, self.store)))}

    def reset(self) -> int:
        """What `hardway reset` does on every host; the number of ops."""
        from hardway.actions import take_away

        inputs, count = dataclasses.replace(self.inputs(), credentials=Credentials(self.cluster, Overlay(self.store))), 0
        for host in self.cluster.hosts:
            for phase in reversed(self.removals):
                if host in phase.targets(self.cluster):
                    count += take_away(self.hosts[host.name], phase, inputs, host)
        return count

    def digest(self) -> dict[str, Any]:
        """Equal digests are equal clusters."""
        own = {API.name: self.objects.digest(), OPERATOR.name: dict(self.store._written)}
        return {name: host.digest() for name, host in self.hosts.items()} | own

    def outdated(self) -> list[str]:
        """Units anywhere that run with older files."""
        return [f"{name}: {line}" for name, host in self.hosts.items() for line in host.systemd.outdated()]

    def copy(self) -> World:
        """The same cluster once more, to be changed independently."""
        other = copy.copy(self)
        other.guard, other.log, other.announced = threading.Lock(), [], set(self.announced)
        other.store = Overlay(self.store.below)
        other.store._written = dict(self.store._written)
        other.hosts = {name: copy.deepcopy(host, {id(host.point.__self__): other}) for name, host in self.hosts.items()}
        other.objects = Objects(lambda what: other.point(API.name, Op(what)))
        other.objects.by_path = copy.deepcopy(self.objects.by_path)
        other.live = FakeLive(other.cluster, other.hosts, other.objects)
        other.revive()
        return other


class Operator(OperatorRemote):
    """The real operator; a state directory found complete is not read again while every file in it is the very same object."""

    def __init__(self, credentials: Credentials, whole: set[tuple[tuple[str, int], ...]]):
        super().__init__(credentials)
        self.whole = whole

    def _issued(self, kind: str) -> str:
        seen = ((f"{kind} {hash(self.credentials.cluster.api_sans)}", 0), *((name, id(data)) for name, data in self.store._written.items()))
        if seen in self.whole:
            return ""
        found = super()._issued(kind)
        if not found:
            self.whole.add(seen)
        return found


class Dying:
    """A target whose every op is a moment at which the run may die."""

    def __init__(self, name: str, remote, point: Callable[[str, Op], None]):
        self.name, self.remote, self.point = name, remote, point

    def probe(self, probes: Sequence[Probe]) -> Answers:
        return self.remote.probe(probes)

    def change(self, ops: Sequence[Op]) -> None:
        for op in ops:
            self.point(self.name, op)
            self.remote.change([op])


def remembered(phase: Phase, known: dict[Any, Any]) -> Phase:
    """The same phase, rendering each desired state once: it is a pure function, and hundreds of runs ask for it."""

    def desired(inputs: Inputs, host):
        fleeting = {"units": frozenset(), "listening": frozenset(), "clock_offset": 0.0, "cluster": "", "authority": ""}
        about = dataclasses.replace(inputs.facts.get(host.name, Facts()), **fleeting)
        empty = [name for name, facts in inputs.facts.items() if not facts.etcd_data]
        key = (host.name, repr(about), etcd_born(inputs.facts), repr(empty), inputs.assets.version)
        if key not in known:
            known[key] = phase.desired(inputs, host)
        return known[key]

    return dataclasses.replace(phase, desired=desired)


def changes(done: Sequence[Done]) -> dict[tuple[str, str], list[str]]:
    """What was or would be changed: (phase, target) to resource keys."""
    return {(step.phase, step.target): [change.key for change in step.changes] for step in done if step.changes}


__all__ = ["Killed", "MemoryHost", "World", "changes", "remembered"]
