"""One command's view of one cluster: inventory, state directory, assets, connections, facts."""

from __future__ import annotations

import contextlib
import copy
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import ssh
from .assets import Asset, AssetStore
from .cluster import Cluster, Host
from .errors import HardwayError, QuorumError, UsageError
from .etcd.interface import EtcdClient, open_etcd
from .facts import Facts
from .parallel import each
from .phase import API, ETCD, OPERATOR, Inputs, Phase
from .phases import PHASES
from .pki.credentials import Credentials
from .progress.redact import Redactor
from .progress.runlog import RunLog
from .progress.trace import Traced
from .report import Report
from .ssh.credentials import answers
from .state.statedir import Frozen, Overlay, StateDir, Store, private
from .targets.etcd_members import EtcdRemote
from .targets.kube import ApiRemote
from .targets.live import Live
from .targets.readonly import ReadingEtcd, reading
from .targets.workstation import OperatorRemote
from .transport import Transport
from .vocabulary import ReadOnly, Remote


@dataclass(frozen=True)
class Selection:
    """Which phases and hosts a command concerns; unknown names are refused before anything is contacted."""

    only: tuple[str, ...] = ()
    start: str = ""
    until: str = ""
    skip: tuple[str, ...] = ()
    limit: tuple[str, ...] = ()

    def __str__(self):
        """The options that make it."""
        words = [f"--{word} {name}" for word, names in (("only", self.only), ("skip", self.skip), ("limit", self.limit)) for name in names]
        words += [f"--{word} {name}" for word, name in (("from", self.start), ("until", self.until)) if name]
        return " ".join(words) or "all phases and hosts"

    def phases(self) -> tuple[Phase, ...]:
        names = [phase.name for phase in PHASES]
        for name in (*self.only, *self.skip, *filter(None, (self.start, self.until))):
            if name not in names:
                raise UsageError(f"there is no phase {name}", hint=meant(name, names, "hardway phases"))
        first = names.index(self.start) if self.start else 0
        last = names.index(self.until) if self.until else len(names) - 1
        chosen = [phase for phase in PHASES[first : last + 1] if phase.name not in self.skip and (not self.only or phase.name in self.only)]
        if not chosen:
            raise UsageError("no phase is left by these options", hint=f"the phases are: {' '.join(names)}")
        return tuple(chosen)

    def hosts(self, cluster: Cluster) -> frozenset[str]:
        names = [host.name for host in cluster.hosts]
        for name in self.limit:
            if name not in names:
                where = f" {cluster.source}" if cluster.source else ""
                raise UsageError(f"there is no host {name} in the inventory{where}", hint=meant(name, names))
        return frozenset([*(self.limit or names), OPERATOR.name, ETCD.name, API.name])


def meant(name: str, names: Sequence[str], command: str = "") -> str:
    """What somebody who wrote a wrong name should try: the name most like it, a command that lists them, all there are."""
    near = difflib.get_close_matches(name, names, 1)
    words = [f"did you mean {near[0]}?" if near else "", f"{command}  lists them:" if command else "there are:", " ".join(names)]
    return " ".join(filter(None, words))


class Placeholders:
    """Stands in for assets where content does not matter (reset needs names only)."""

    def binary(self, name: str, arch: str = "amd64") -> Asset:
        return Asset(component=name, name=name, version="", arch=arch, path=None, sha256="-", size=0, provenance="")

    image = binary


@dataclass
class Session:
    """Use as a context manager: connections are closed at its end.

    With `read_only` nothing can be written: not to the state directory, not through any connection (see hardway.targets.readonly).
    `proving` is for checks, which run commands on hosts and have a namespace of their own in the cluster; the state
    directory stays closed to them too. `logged` is the name of a command whose run is kept in a log.
    """

    cluster: Cluster
    state_dir: Path
    report: Report
    parallel: int = 32
    prompt: Callable[[str], str] | None = None
    read_only: bool = False
    proving: bool = False
    logged: str = ""
    facts: dict[str, Facts] = field(default_factory=dict)
    away: dict[str, HardwayError] = field(default_factory=dict)

    def __post_init__(self):
        self.assets: AssetStore | Placeholders = AssetStore(self.cluster, report=self.report.note)
        self.log = RunLog(Redactor(answers.known))
        self._arrange({host.name: self._connection(host) for host in self.cluster.hosts})

    def _connection(self, host: Host) -> Transport:
        transport = ssh.connect(host, prompt=self.prompt and self._asked)
        return Traced(transport, self.log.write) if self.logged else transport

    def _asked(self, question: str) -> str:
        with self.report.paused():
            return self.prompt(question)

    def _arrange(self, transports: Mapping[str, Transport]) -> None:
        state = StateDir(self.state_dir)
        state.made = self._keep_out
        self.store: Store = Frozen(state) if self.read_only else state
        self.credentials = Credentials(self.cluster, Overlay(self.store) if self.read_only else self.store)
        if self.read_only and not self.proving:
            transports = {name: reading(transport) for name, transport in transports.items()}
        self.live = Live(self.cluster, self.credentials, transports, self.report.sent, self.log.write)

    def looking(self) -> Session:
        """The same cluster by the same connections, unable to write; facts and assets are shared."""
        other = copy.copy(self)
        other.read_only, other.proving = True, False
        other._arrange(self.live.transports)
        return other

    def __enter__(self) -> Session:
        self.credentials.refuse_other_cluster()
        if self.logged:
            self._begin_log()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, HardwayError):
            self.report.failed(error)
        elif isinstance(error, KeyboardInterrupt):
            self.log.write("interrupted")
        self.live.close()

    def _keep_out(self, name: str, data: bytes) -> None:
        """A secret of the state directory is not to stand in the log."""
        if private(name, data):
            self.log.redact.learn(data)

    def _begin_log(self) -> None:
        """Where there can be a log: before anything is asked of a host, and with every secret kept out that there is or will be."""
        state = StateDir(self.state_dir)
        folder = state.logs(make=not self.read_only)
        if folder:
            for name in state.names():
                self._keep_out(name, state.read(name) or b"")
            self.log.open(folder, self.logged)
            self.report.listeners.append(self.log.event)

    @property
    def inputs(self) -> Inputs:
        return Inputs(self.cluster, self.facts, self.credentials, self.assets)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Two runs never work on one cluster at a time."""
        with self.store.lock():
            yield

    def survey(self, wanted: frozenset[str] | None = None) -> None:
        """Ask every host for its facts at once; one outside `wanted` may be away, and is not known then."""

        def ask(host) -> None:
            try:
                self.facts[host.name] = self.live.survey(host)
            except HardwayError as error:  # a host that lets us in may be too sick to answer
                if wanted is None or host.name in wanted:
                    raise
                self.facts[host.name], self.away[host.name] = Facts(known=False), error

        each(ask, self.cluster.hosts, self.parallel)

    def gather(self) -> None:
        """Have every binary and image for the surveyed architectures, verified, before a host is touched."""
        self.assets.gather({facts.arch for facts in self.facts.values() if facts.known})

    def remotes(self, may_be_absent: bool = False) -> Mapping[str, Remote]:
        """Every target by name."""
        api = ApiRemote(self.live.kube, may_be_absent)
        return {**self.live.remotes, OPERATOR.name: OperatorRemote(self.credentials), ETCD.name: EtcdRemote(self._etcd), API.name: api}

    def _etcd(self) -> EtcdClient:
        """etcd by way of a member that has its data."""
        members = [host for host in self.cluster.etcd_members if self.facts[host.name].etcd_data]
        if not members:
            raise QuorumError(
                "the etcd cluster was founded, but no member that answers has its data",
                hint="bring back the hosts that are away; if the data is lost for good: hardway reset, then bootstrap",
            )
        client = open_etcd(self.cluster, self.live.transports[members[0].name], self.credentials)
        return ReadingEtcd(client) if self.read_only else client

    def readers(self) -> Mapping[str, ReadOnly]:
        """Every target, unable to act.

        The operator answers from the state directory as it is, not from the copy in memory into which desired states are issued meanwhile.
        """
        remotes = {**self.remotes(may_be_absent=True), OPERATOR.name: OperatorRemote(Credentials(self.cluster, self.store))}
        return {name: ReadOnly(remote) for name, remote in remotes.items()}
