"""A whole cluster in memory, on which the real runner, phases, resources and credentials work."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import io
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hardway.cluster import Cluster, Host
from hardway.errors import HardwayError
from hardway.etcd.interface import Status
from hardway.facts import Facts, etcd_born, parse
from hardway.living import Founded, Lives, roads
from hardway.living.asking import COREDNS, balancers, with_encryption
from hardway.living.departed import departed
from hardway.living.encryption import UNIT, settled
from hardway.living.lives import forward, node
from hardway.living.requested import requests
from hardway.phase import API, ETCD, OPERATOR, SECRETS, Inputs, Phase
from hardway.phases import PHASES
from hardway.pki.credentials import Credentials
from hardway.report import Report
from hardway.run.planning import plan
from hardway.run.runner import Runner
from hardway.run.step import Done
from hardway.state.statedir import Overlay, StateDir
from hardway.targets.etcd_members import EtcdRemote, MemberRemote
from hardway.targets.kube import ApiRemote
from hardway.targets.secrets.rewriting import StoredSecrets
from hardway.targets.workstation import OperatorRemote
from hardway.vocabulary import Answers, Op, Probe, ReadOnly

from .fake_assets import FakeAssets
from .fake_live import FakeLive
from .memory_etcd import DATA, Membership, MemoryEtcd
from .memory_host import MemoryHost
from .memory_kube import Objects, copied


class Killed(BaseException):
    """The machine that runs hardway loses its power: nothing catches this, and nothing is written afterwards."""


class World:
    """`death` is asked before every write anywhere; when it says so, this and every later write raises Killed.

    Hosts that are `away` are not asked; of those that are `left_out` no run or plan is about them either.
    """

    def __init__(self, cluster: Cluster, folder: Path, store: Overlay | None = None):
        self.cluster = cluster
        self.store = store or Overlay(StateDir(folder / "no state directory"))
        self.assets = FakeAssets(cluster, folder)
        self.guard = threading.Lock()
        self.death: Callable[[str, Op], bool] = lambda target, op: False
        self.dead = False
        self.log: list[tuple[str, Op]] = []
        self.whole: set[tuple[tuple[str, int], ...]] = set()
        self.founded = 1
        self.saved: dict[str, dict[str, Any]] = {}
        self.saved_of: dict[str, int] = {}
        self.hosts: dict[str, MemoryHost] = {}
        self.membership = Membership(self.hosts)
        self.limited: frozenset[str] | None = None
        self.left_out: frozenset[str] = frozenset()
        self.objects = Objects(lambda what: self.point(API.name, Op(what)))
        self.use(cluster)

    def use(self, cluster: Cluster) -> None:
        """Go on with another inventory on the same machines; new hosts are new machines."""
        self.cluster = cluster
        for host in cluster.hosts:
            self.hosts.setdefault(host.name, MemoryHost(host, self.point)).neighbours = self.hosts
            self._know(self.hosts[host.name])
        self.assets.cluster = cluster
        away = self.away if hasattr(self, "live") else set()
        self.live = FakeLive(cluster, self.hosts, self.objects, self.membership)
        self.away = away
        self.credentials = Credentials(cluster, self.store)
        self.phases = tuple(remembered(phase, {}) for phase in PHASES)
        self.removals = tuple(
            remembered(phase, {}) for phase in PHASES
        )  # a reset renders with keys that are never written

    def _know(self, host: MemoryHost) -> None:
        """What happens to etcd's data on a host, etcd as a whole hears of."""
        host.sizes, host.defragmented = self.membership.size, self.membership.defragmented
        host.restored = self._restored

    def _restored(self, members: str, token: str, sha256: str) -> None:
        """The objects are those of the snapshot, as soon as any member has it."""
        if token != self.membership.token:
            self.objects.by_path = copied(self.saved.get(sha256, {}))
            self.founded = self.saved_of.get(sha256, self.founded)
        self.membership.restored(members, token)

    def save(self, sha256: str) -> None:
        """What the cluster has now is what a snapshot of this digest holds."""
        self.saved[sha256], self.saved_of[sha256] = copied(self.objects.by_path), self.founded

    def seen_as(self, cluster: Cluster) -> World:
        """The same machines and the same cluster on them, as somebody with another inventory works on them."""
        other = copy.copy(self)
        # The machines are this world's, whoever looks at them.
        other.point, other._restored = self.point, self._restored  # type: ignore[method-assign]
        other.assets = FakeAssets(cluster, self.assets.folder, self.assets.version)
        other.use(cluster)
        for name in ("sick", "not_ready_nodes", "not_ready_apiservers", "closed", "failing_dns"):
            setattr(other.live, name, getattr(self.live, name))
        return other

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
        silent = self.away | self.left_out
        asked = {host.name for host in self.cluster.hosts} - silent
        said = {name: parse(self.hosts[name].q_survey(), 0.0, 0.0) for name in asked}
        return {host.name: said.get(host.name, Facts(known=False)) for host in self.cluster.hosts}

    def inputs(self) -> Inputs:
        founded, facts = Founded.read(self.store), self.facts
        concerned = self.names if self.limited or self.left_out else None
        self.credentials.keep(roads.names_in_use(self.cluster, facts))
        return Inputs(self.cluster, facts, self.credentials, self.assets, self.lives, founded, concerned)

    def limit(self, *hosts: str) -> None:
        """What follows is about these hosts alone, or about all of them again."""
        self.limited = frozenset([*hosts, OPERATOR.name, ETCD.name, API.name]) if hosts else None

    @property
    def away(self) -> set[str]:
        """The hosts that do not answer us, whatever runs on them."""
        return self.live.away

    @away.setter
    def away(self, hosts: set[str]) -> None:
        self.live.away = hosts

    @property
    def lives(self) -> Lives:
        """What the cluster on the machines says of itself: their etcd and API server, as far as they run."""
        members = [host for host in self.cluster.etcd_members if host.name not in self.away]
        etcd = [found for host in members if (found := own_status(self.live, host))]
        said = None
        with contextlib.suppress(HardwayError):
            said = self.live.etcd(self.cluster.host(etcd[0].name)).members() if etcd else None
        servers = [host for host in self.cluster.control_plane if host.name not in self.away]
        served = any(not self.live._apiserver(host) for host in servers)
        self.live._kubelets("")
        facts = self.facts
        found = [node(found) for path, found in self.objects.by_path.items() if path.startswith("/api/v1/nodes/")]
        nodes = {one.name: one for one in found}
        lives = Lives(
            etcd=f"{self.membership.id:x}" if etcd else "",  # founded anew on the same hosts it has the same
            members=said,
            uid=self.founding if served else "",
            nodes=nodes if served else None,
            servers=self._servers(facts) if served else None,
            forward=forward(self.objects.by_path.get(COREDNS)) if served else None,
            listening=balancers(self.live, facts),
            requested=requests(self.live.kube(), self.cluster, facts, nodes) if served else None,
        )
        done = settled(self.cluster, facts, self.credentials.encryption_writer())
        return lives if done else with_encryption(self.live, facts, lives)

    def _servers(self, facts: Mapping[str, Facts]) -> frozenset[str]:
        """The addresses that running API servers announce, whatever the inventory says of their hosts."""
        said = {name: found for name, found in facts.items() if found.known}
        surveyed = [said.get(name) or parse(host.q_survey(), 0.0, 0.0) for name, host in self.hosts.items()]
        running = [facts.flags for facts in surveyed if "kube-apiserver.service" in facts.units]
        return frozenset(flags.get("kube-apiserver.advertise-address", "") for flags in running)

    @property
    def founding(self) -> str:
        """The identity of the cluster whose data is on the machines; empty before one was founded."""
        return f"cluster-{self.founded}" if any(DATA in host.disk.dirs for host in self.hosts.values()) else ""

    def reinstall(self, *names: str) -> None:
        """New disks in machines of the same names and addresses."""
        for name in names:
            self.hosts[name] = MemoryHost(self.cluster.host(name), self.point)
            self._know(self.hosts[name])
        self.forgotten()

    def empty_etcd(self, *names: str) -> None:
        """Somebody stops etcd and deletes its data, and nothing else."""
        for name in names:
            self.hosts[name].systemd.unit("etcd.service").active = "inactive"
            self.hosts[name].disk.remove_tree(DATA)
        self.forgotten()

    def forgotten(self) -> None:
        """Where no data is left, all objects are lost: what is founded next is another cluster."""
        if not self.founding:
            self.founded += 1
            self.objects.by_path.clear()

    def bound(self) -> None:
        """What a bootstrap that has succeeded binds in the state directory."""
        Founded.of(self.cluster, self.lives, "2026-11-29").bind(self.store)

    def remotes(self, may_be_absent: bool = False) -> dict[str, Any]:
        operator = Dying(OPERATOR.name, Operator(self.credentials, self.whole), self.point)
        etcd = Dying(ETCD.name, EtcdRemote(self.etcd, may_be_absent), self.point)
        members = {host.name: MemberRemote(self.hosts[host.name], etcd) for host in self.cluster.etcd_members}
        return {
            **self.hosts,
            **members,
            OPERATOR.name: operator,
            ETCD.name: etcd,
            API.name: ApiRemote(self.live.kube, may_be_absent),
            SECRETS.name: Dying(SECRETS.name, StoredSecrets(self.live), self.point),
        }

    def etcd(self) -> MemoryEtcd:
        """A client by way of the first member of the inventory that has data and runs."""
        with_data = [host for host in self.cluster.etcd_members if DATA in self.hosts[host.name].disk.dirs]
        running = [host for host in with_data if self.live.runs(host, "etcd")]
        return self.live.client((running or with_data)[0])

    def run(self, phases: Sequence[Phase] = (), parallel: int = 32, **permit: Any) -> list[Done]:
        return self.runner(phases, parallel, **permit).run()

    def runner(
        self, phases: Sequence[Phase] = (), parallel: int = 32, report: Report | None = None, **permit: Any
    ) -> Runner:
        report = report or Report(stream=io.StringIO())
        return Runner(
            self.inputs(), self.live, self.remotes(), phases or self.phases, self.names, report, parallel, **permit
        )

    @property
    def names(self) -> frozenset[str]:
        every = frozenset([*(host.name for host in self.cluster.hosts), OPERATOR.name, ETCD.name, API.name])
        return (self.limited or every) - self.left_out

    def plan(self, phases: Sequence[Phase] = ()) -> list[Done]:
        inputs = self.inputs()
        inputs = dataclasses.replace(inputs, credentials=self.credentials.over(Overlay(self.store)))
        return plan(inputs, self.readers(), phases or PHASES, self.names)

    def readers(self) -> dict[str, ReadOnly]:
        readers = {name: ReadOnly(remote) for name, remote in self.remotes(may_be_absent=True).items()}
        return readers | {OPERATOR.name: ReadOnly(OperatorRemote(self.credentials.over(self.store)))}

    def reset(self, *names: str) -> int:
        """What `hardway reset` does on every host, or on some; the number of ops."""
        from hardway.removal import by_name, take_away

        inputs, count = by_name(self.cluster, self.facts), 0
        for host in [host for host in self.cluster.hosts if host.name in names or not names]:
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
        other.guard, other.log = threading.Lock(), []
        other.store = Overlay(self.store.below)
        other.store._written = dict(self.store._written)
        other.assets = FakeAssets(self.cluster, self.assets.folder, self.assets.version)
        other.hosts = {}
        other.membership = self.membership.copy(other.hosts)
        others = {id(self): other, id(self.hosts): other.hosts, id(self.membership): other.membership}
        for name, host in self.hosts.items():
            other.hosts[name] = copy.deepcopy(host, {id(host.point.__self__): other, **others})
        other.objects = Objects(lambda what: other.point(API.name, Op(what)))
        other.objects.by_path = copied(self.objects.by_path)
        other.objects.stored = dict(self.objects.stored)
        other.saved, other.saved_of = dict(self.saved), dict(self.saved_of)
        other.live = FakeLive(other.cluster, other.hosts, other.objects, other.membership)
        other.away = set(self.away)
        other.revive()
        return other


class Operator(OperatorRemote):
    """The real operator; a state directory found complete is not read again while every file in it is the same."""

    def __init__(self, credentials: Credentials, whole: set[tuple[tuple[str, int], ...]]):
        super().__init__(credentials)
        self.whole = whole

    def _issued(self, kind: str) -> str:
        cluster = self.credentials.cluster
        named = (cluster.api_sans, [(host.name, host.address, sorted(host.roles)) for host in cluster.hosts])
        seen = (
            (f"{kind} {named} {self.credentials.kept} {cluster.encryption}", 0),
            *((name, hash(data)) for name, data in self.store._written.items()),
        )
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


def own_status(live: FakeLive, host: Host) -> Status | None:
    """What a member says of itself, as far as it can be asked."""
    with contextlib.suppress(HardwayError):
        return next(iter(live.etcd(host).status()), None)
    return None


def remembered(phase: Phase, known: dict[Any, Any]) -> Phase:
    """The same phase, rendering each desired state once: it is a pure function, and hundreds of runs ask for it."""

    def desired(inputs: Inputs, host):
        keys = ""
        if host in inputs.cluster.control_plane:
            keys = repr((inputs.credentials.encryption_keys(), inputs.credentials.used_keys()))
        key = (*once(inputs, "", whole), *once(inputs, host.name, own), keys, getattr(inputs.assets, "version", ""))
        if key not in known:
            known[key] = phase.desired(inputs, host)
        return known[key]

    return dataclasses.replace(phase, desired=desired)


def once(inputs: Inputs, name: str, work: Callable[[Inputs, str], tuple[str, ...]]) -> tuple[str, ...]:
    """What follows from inputs, for a host or for all: they never change, and every phase asks for every host."""
    done = vars(inputs).setdefault("worked out", {})
    if name not in done:
        done[name] = work(inputs, name)
    return done[name]


def own(inputs: Inputs, name: str) -> tuple[str, ...]:
    """What a desired state may depend on of its own host."""
    fleeting = {"units": frozenset(), "listening": frozenset(), "clock_offset": 0.0, "cluster": "", "authority": ""}
    fleeting |= {"joined": False, "flags": {}}
    return name, repr(dataclasses.replace(inputs.facts.get(name, Facts()), **fleeting))


def whole(inputs: Inputs, name: str) -> tuple[str, ...]:
    """What it may depend on of the others and of all."""
    hosts = {one.name: inputs.facts[one.name] for one in inputs.cluster.etcd_members if one.name in inputs.facts}
    empty = [name for name, facts in hosts.items() if not facts.etcd_data]
    members = (inputs.lives.members, sorted(inputs.concerned or ()))
    secrets = [(name, facts.encryption, facts.known, UNIT in facts.units) for name, facts in inputs.facts.items()]
    gone = departed(inputs.cluster, inputs.facts, inputs.lives) if inputs.lives.nodes is not None else None
    others = [
        (facts.known, facts.servers, facts.unsettled, "keepalived" in facts.components, facts.nameservers)
        for facts in inputs.facts.values()
    ]
    rest = (secrets, inputs.lives.loaded, others, sorted(inputs.phases), gone, inputs.lives.forward)
    return (repr((etcd_born(hosts), empty, members, rest)),)


def changes(done: Sequence[Done]) -> dict[tuple[str, str], list[str]]:
    """What was or would be changed: (phase, target) to resource keys."""
    return {(step.phase, step.target): [change.key for change in step.changes] for step in done if step.changes}


__all__ = ["Killed", "MemoryHost", "World", "changes", "remembered"]
