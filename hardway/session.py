"""One command's view of one cluster: inventory, state directory, assets, connections, and what the hosts said."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from . import ssh
from .assets import AssetStore
from .assets.placeholders import Placeholders
from .cluster import Cluster, Host, Role
from .errors import HardwayError, InUseError, QuorumError
from .etcd.client import open_etcd
from .etcd.interface import EtcdClient
from .facts import Facts
from .lease import Leased, Permission
from .living import Founded, Lives, roads, tried, what_lives
from .parallel import each
from .phase import API, ETCD, OPERATOR, SECRETS, Inputs
from .pki.credentials import Credentials
from .progress.redact import Redactor
from .progress.runlog import RunLog
from .progress.trace import Traced
from .report import Report
from .run.failures import together
from .run.selection import Selection, excluded
from .ssh.credentials import answers
from .state.lockfile import identity
from .state.statedir import LOCK, Frozen, Overlay, StateDir, Store
from .targets.etcd_members import EtcdRemote, MemberRemote
from .targets.kube import ApiRemote
from .targets.live import Live
from .targets.readonly import ReadingEtcd, reading
from .targets.secrets.rewriting import StoredSecrets
from .targets.workstation import OperatorRemote
from .transport import Transport
from .vocabulary import ReadOnly, Remote

Prompt = Callable[[str], str]


@dataclass(frozen=True)
class Session:
    """Use as a context manager: connections are closed at its end. `Session.open` makes one.

    With `read_only` nothing can be written: not to the state directory, not through any connection (see
    hardway.targets.readonly). `logged` is the name of a command whose run is kept in a log.
    """

    cluster: Cluster
    state_dir: Path
    report: Report
    log: RunLog
    store: Store
    credentials: Credentials
    assets: AssetStore | Placeholders
    live: Live
    parallel: int = 32
    read_only: bool = False
    logged: str = ""
    permission: Permission = field(default_factory=Permission)
    connect: Callable[[Host], Transport] = ssh.connect

    @classmethod
    def open(
        cls,
        cluster: Cluster,
        state_dir: Path,
        report: Report,
        parallel: int = 32,
        prompt: Prompt | None = None,
        read_only: bool = False,
        proving: bool = False,
        logged: str = "",
    ) -> Session:
        """A session; a host is connected to when it is first needed.

        `proving` is for checks, which are `read_only` but run commands on hosts and have a namespace of their own in
        the cluster; the state directory stays closed to them too.
        """
        log = RunLog(Redactor(answers.known))
        store = _store(state_dir, log, read_only)
        credentials = Credentials(cluster, Overlay(store) if read_only else store)
        connect = partial(_connection, report, log if logged else None, prompt, read_only and not proving)
        transports = {host.name: connect(host) for host in cluster.hosts}
        permission = Permission()
        permit = {} if read_only else {"permit": permission.require}
        live = Live(cluster, credentials, transports, report.sent, log.write, **permit)
        own = (cluster, state_dir, report, log, store, credentials, AssetStore(cluster, report=report.note), live)
        return cls(*own, parallel, read_only, logged, permission, connect)

    def about(self, cluster: Cluster) -> Session:
        """The same keys, connections and lease for another inventory of this cluster; a host that is new in it is
        connected to when it is first needed."""
        credentials = Credentials(cluster, self.credentials.store).keep(self.credentials.kept)
        new = {host.name: self.connect(host) for host in cluster.hosts if host.name not in self.live.transports}
        assets, live = AssetStore(cluster, report=self.report.note), self.live.about(cluster, credentials, new)
        return replace(self, cluster=cluster, credentials=credentials, assets=assets, live=live)

    def looking(self) -> Session:
        """The same cluster by the same connections, unable to write; assets are shared."""
        store = _store(self.state_dir, self.log, read_only=True)
        credentials = self.credentials.over(Overlay(store))
        transports = {name: reading(transport) for name, transport in self.live.transports.items()}
        live = Live(self.cluster, credentials, transports, self.report.sent, self.log.write)
        return replace(self, store=store, credentials=credentials, live=live, read_only=True)

    def trusting(self, credentials: Credentials) -> Session:
        """The same with other keys and certificates."""
        return replace(self, credentials=credentials, live=self.live.trusting(credentials))

    def __enter__(self) -> Session:
        self.credentials.refuse_other_cluster()
        if self.logged:
            self._begin_log()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, HardwayError):
            self.report.failed(error)
        elif isinstance(error, KeyboardInterrupt):
            self.log.write("interrupted")
        self.live.close()

    def _begin_log(self) -> None:
        """Where there can be a log: before anything is asked of a host, and with every secret kept out that there is or
        will be."""
        state = StateDir(self.state_dir)
        folder = state.logs(make=not self.read_only)
        if folder:
            for name in state.names():
                self.log.learn(name, state.read(name) or b"")
            self.log.open(folder, self.logged)
            self.report.listeners.append(self.log.event)

    @contextlib.contextmanager
    def locked(self, command: str = "") -> Iterator[None]:
        """Two runs never work on one cluster at a time: not with this state directory, nor, once `survey` has asked the
        hosts, with a copy of it.

        Others are shown `command`, or the one that is logged.
        """
        with self.store.lock(), self.permission.held(command or self.logged, identity(self.state_dir / LOCK)):
            yield

    def assemble(self, selection: Selection, trial: bool = False) -> Known:
        """Ask every host for a run; those that are only workers are left out of it when they do not answer.

        An excluded host is not connected to. The error of the others when no host is left. `trial` as in `survey`.
        """
        hosts, names = selection.hosts(self.cluster), frozenset(phase.name for phase in selection.phases())
        ignored = frozenset(selection.ignored(self.cluster))
        for name in selection.exclude:
            self.live.give_up(name, excluded(name))
        known = self.survey(hosts - {h.name for h in self.cluster.hosts if h.roles == {Role.WORKER}}, True, trial)
        left_out = {name: error for name, error in known.away.items() if name in hosts}
        if left_out and not hosts & {host.name for host in self.cluster.hosts} - left_out.keys():
            raise together(list(left_out.values()))
        for name, error in left_out.items():
            self.live.give_up(name, error)
            self.report.note(f"left out: {name}: {error.message}")
        return replace(known, wanted=hosts - left_out.keys(), left_out=left_out, phases=names, ignored=ignored)

    def lives(self, facts: Mapping[str, Facts] | None = None, trial: bool = False) -> Lives:
        """What lives; see hardway.living.what_lives."""
        return what_lives(self.live, facts, trial)

    def survey(self, wanted: frozenset[str] | None = None, living: bool = False, trial: bool = False) -> Known:
        """Ask every host for its facts at once; one outside `wanted` may be away, and is not known then.

        `living`: what runs on them is asked too; `trial`: whether all forward and reach each other. While the session
        is locked, each host gives it the lease first, so that what it says stays true; InUseError when another has it.
        """
        facts: dict[str, Facts] = {}
        away: dict[str, HardwayError] = {}

        def ask(host: Host) -> None:
            try:
                self.permission.take(self.live.transports[host.name])
                facts[host.name] = self.permission.of_others(self.live.survey(host, trial))
            except InUseError:  # told once, not for every host
                return
            except HardwayError as error:  # a host that lets us in may be too sick to answer
                if wanted is None or host.name in wanted:
                    raise
                facts[host.name], away[host.name] = Facts(known=False), error

        with self.permission.asked():
            each(ask, self.cluster.hosts, self.parallel)
        self.credentials.keep(roads.names_in_use(self.cluster, facts))
        lives = self.lives(facts, trial) if living else Lives()
        if living and not (trial or lives.uid):
            facts |= tried(self.live, facts)
        return Known(self, facts, away, lives, wanted)


def _store(state_dir: Path, log: RunLog, read_only: bool) -> Store:
    state = StateDir(state_dir)
    state.made = log.learn
    return Frozen(state) if read_only else state


def _connection(report: Report, log: RunLog | None, prompt: Prompt | None, closed: bool, host: Host) -> Transport:
    """A way to a host; one that is `closed` has no way to write."""
    transport = ssh.connect(host, prompt=prompt and asking(report, prompt))
    traced = Traced(transport, log.write) if log else transport
    return reading(traced) if closed else traced


def asking(report: Report, prompt: Prompt) -> Prompt:
    """A prompt during which the report prints nothing: the terminal belongs to the question."""
    return report.paused()(prompt)


@dataclass(frozen=True)
class Known:
    """A session whose hosts were asked: what each said of itself, the error of each that did not answer, what lives.
    `wanted` are the hosts it is about, None or an empty set for all; `left_out` are the errors of workers that do not
    answer, and that a run is not about for that. `anew`: a cluster that was founded once is lost, and counts no more.
    """

    session: Session
    facts: Mapping[str, Facts]
    away: Mapping[str, HardwayError]
    lives: Lives = Lives()
    wanted: frozenset[str] | None = None
    anew: bool = False
    left_out: Mapping[str, HardwayError] = field(default_factory=dict)
    phases: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()
    upgrading: bool = False

    @property
    def inputs(self) -> Inputs:
        return self.inputs_with(None if self.anew else Founded.read(self.session.store))

    def inputs_with(self, founded: Founded | None) -> Inputs:
        """The inputs of a cluster of which this is bound."""
        session = self.session
        where = (session.cluster, self.facts, session.credentials, session.assets)
        return Inputs(*where, self.lives, founded, self.wanted or None, self.phases, self.ignored, self.upgrading)

    def founding_anew(self) -> Known:
        """The same without what is known of a cluster whose data is lost."""
        facts = {name: replace(found, etcd_state="") for name, found in self.facts.items()}
        return replace(self, facts=facts, anew=True)

    @property
    def archs(self) -> set[str]:
        """The architectures of the hosts that answered."""
        return {facts.arch for facts in self.facts.values() if facts.known}

    def looking(self) -> Known:
        """The same, unable to write."""
        return replace(self, session=self.session.looking())

    def gather(self, roles: Collection[Role] = tuple(Role)) -> None:
        """Have every binary and image for these architectures, or roles, verified, before a host is touched."""
        self.session.assets.gather(self.archs, roles)

    def remotes(self, may_be_absent: bool = False) -> Mapping[str, Remote]:
        """Every target by name."""
        session, live = self.session, self.session.live
        leased = partial(Leased, permit=session.permission.require) if not session.read_only else lambda remote: remote
        etcd = leased(EtcdRemote(self._etcd, may_be_absent))
        elsewhere = {
            OPERATOR.name: leased(OperatorRemote(session.credentials)),
            ETCD.name: etcd,
            API.name: leased(ApiRemote(live.kube, may_be_absent)),
            SECRETS.name: leased(StoredSecrets(live)),
        }
        names = [host.name for host in session.cluster.etcd_members]
        members = {name: MemberRemote(live.remotes[name], etcd) for name in names}
        return {**live.remotes, **members, **elsewhere}

    def _etcd(self) -> EtcdClient:
        """etcd by way of a member that has its data."""
        session = self.session
        members = [host for host in session.cluster.etcd_members if self.facts[host.name].etcd_data]
        if not members:
            raise QuorumError(
                "an etcd cluster exists, but no member that answers has its data",
                hint="start the unreachable hosts; hardway plan INV   shows whether its data is lost",
            )
        client = open_etcd(session.cluster, session.live.transports[members[0].name], session.credentials)
        return ReadingEtcd(client) if session.read_only else client

    def readers(self) -> Mapping[str, ReadOnly]:
        """Every target, unable to act.

        The operator answers from the state directory as it is, not from the copy in memory into which desired states
        are issued meanwhile.
        """
        operator = OperatorRemote(self.session.credentials.over(self.session.store))
        remotes = {**self.remotes(may_be_absent=True), OPERATOR.name: operator}
        return {name: ReadOnly(remote) for name, remote in remotes.items()}
