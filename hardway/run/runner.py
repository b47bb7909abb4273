"""The one loop: read, compare, apply, read again; a thread for each target, phases as gates between them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

from ..cluster import Host
from ..errors import (
    ConnectionFailed,
    ConnectionLost,
    HardwayError,
    HostErrors,
    NotReachedError,
    NotReadyError,
    QuorumError,
    RemoteCommandError,
)
from ..parallel import each
from ..phase import Inputs, Pending, Phase
from ..progress.telling import Telling
from ..report import Report
from ..resources.base import Change, Resource
from ..targets.kube import BROKEN
from ..targets.live import Live, wait
from ..transport import Transport
from ..vocabulary import Reader, Remote
from .comparing import compare, foreseen, ordered, read
from .crashing import CrashWatch
from .liveness import roll_call, watch

RECONNECTS = 3
# Told of a step's phase, target and changes before any is made, and whether it begins again; it raises to forbid them.
Permit = Callable[[str, str, Sequence[Change], bool], None]


@dataclass(frozen=True)
class Done:
    """A finished step."""

    phase: str
    target: str
    changes: tuple[Change, ...]
    seconds: float


class Runner:
    """Brings the selected phases about on the selected targets.

    A target goes through its phases in order; before each it waits until the phases it `needs`
    are ready everywhere. The first failure stops every target at its next step; all failures
    are raised together.
    """

    def __init__(
        self,
        inputs: Inputs,
        live: Live,
        remotes: Mapping[str, Remote],
        phases: Sequence[Phase],
        hosts: frozenset[str],
        report: Report,
        parallel: int = 32,
        permit: Permit = lambda phase, target, changes, again: None,
    ):
        self.permit = permit
        self.inputs, self.live, self.remotes, self.report = inputs, live, remotes, report
        self.plan = {phase.name: [t for t in phase.targets(inputs.cluster) if t.name in hosts] for phase in phases}
        self.phases = phases
        live.concerned = hosts
        self.left = {phase.name: len(self.plan[phase.name]) for phase in phases}
        self.ready = {name for name, count in self.left.items() if count == 0}
        self.rolling = {phase.name: threading.Lock() for phase in phases}
        self.queued: dict[str, set[str]] = {name: set() for name in self.plan}
        self.room = threading.Semaphore(parallel)
        self.news = threading.Condition()
        self.errors: list[HardwayError] = []
        self.crash: BaseException | None = None
        self.done: list[Done] = []

    def run(self) -> list[Done]:
        """Every step, or HardwayError."""
        self.report.planned(self.phases, self.plan, self.inputs)
        targets = dict.fromkeys(target for phase in self.phases for target in self.plan[phase.name])
        threads = [threading.Thread(target=self._guarded, args=(self._target, target), name=target.name, daemon=True) for target in targets]
        try:
            for thread in threads:
                thread.start()
            with self._hosts_watched(), self.news:
                self.news.wait_for(lambda: self.stopped or len(self.ready) == len(self.phases))
            for thread in threads:
                thread.join()
        except BaseException as error:  # an interruption: threads at work begin nothing more, for the lock is let go next
            self.crash = error
            raise
        if self.crash:
            raise self.crash
        if errors := self._told():
            raise errors[0] if len(errors) == 1 else HostErrors("several hosts failed", errors=errors, exit_code=errors[0].exit_code)
        # Done is said of hosts that are still there: one may have gone after its own part.
        each(lambda host: roll_call(self.remotes[host.name]), [target for target in targets if target in self.inputs.cluster.hosts])
        return self.done

    @contextlib.contextmanager
    def _hosts_watched(self):
        """A host that has gone is named, whatever is waited for just then, and though its own part may be done."""
        over = threading.Event()
        hosts = [transport for name, transport in self.live.transports.items() if name in self.live.concerned]
        threading.Thread(target=self._guarded, args=(self._watch, hosts, over), name="hosts watched", daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _watch(self, hosts: Sequence[Transport], over: threading.Event) -> None:
        try:
            watch(hosts, over)
        except ConnectionFailed as error:
            at_work = next((phase for phase in self.phases if phase.name not in self.ready), self.phases[-1])
            raise self._explained(error, at_work, None) from error

    def _told(self) -> tuple[HardwayError, ...]:
        """The errors, those nearer to the cause first; the first gives the exit code.

        Of a host that cannot be reached one alone: its own steps may tell of it as well as those who watch.
        """
        first = {}
        for error in sorted(self.errors, key=self._distance):
            first.setdefault((error.host, ConnectionFailed) if isinstance(error, ConnectionFailed) else id(error), error)
        return tuple(first.values())

    def _distance(self, error: HardwayError) -> tuple:
        """All else follows from a host that is gone; of the rest an earlier phase is nearer. Who told first counts nothing."""
        phases, hosts = [phase.name for phase in self.phases], [host.name for host in self.inputs.cluster.hosts]
        named = ((phases, error.phase), (hosts, error.host))
        place = [names.index(name) if name in names else len(names) for names, name in named]
        return (isinstance(error, NotReachedError), not isinstance(error, ConnectionFailed), *place, error.message)

    @property
    def stopped(self) -> bool:
        return bool(self.errors or self.crash)

    def _guarded(self, work: Callable, *args) -> None:
        try:
            work(*args)
        except HardwayError as error:
            self.report.failed(error)
            with self.news:
                self.errors.append(error)
        except BaseException as error:  # a bug of ours: handed to the caller, never lost in a thread
            self.crash = error
        finally:
            with self.news:
                self.news.notify_all()

    def _target(self, target: Host) -> None:
        changed: set[str] = set()
        for phase in self.phases:
            if target not in self.plan[phase.name]:
                continue
            needs = [name for name in phase.needs(self.inputs) if name in self.plan]
            with self.news:
                self.news.wait_for(lambda: self.stopped or all(name in self.ready for name in needs))  # noqa: B023
            if self.stopped:
                return
            with self._blamed(phase, target):
                self._resumed(phase, target, changed)
            self._arrived(phase)

    @contextlib.contextmanager
    def _blamed(self, phase: Phase, target: Host):
        try:
            yield
        except HardwayError as error:
            raise self._explained(error, phase, target) from error

    def _explained(self, error: HardwayError, phase: Phase, target: Host | None) -> HardwayError:
        error.phase = error.phase or phase.name
        error.host = error.host or (target.name if target else "")
        error.hint = error.hint or f"hardway bootstrap {self.inputs.cluster.source or 'INV'}"
        return error

    def _resumed(self, phase: Phase, target: Host, changed: set[str]) -> None:
        """A step whose connection broke starts over: it reads the host again and does what is still missing."""
        broke: ConnectionLost | None = None
        for left in reversed(range(RECONNECTS)):
            try:
                return self._step(phase, target, changed, again=left < RECONNECTS - 1)
            except ConnectionLost as error:
                if not left or self.stopped:
                    raise
                broke = error
                self.report.note(f"{phase.name:14} {target.name}: {error.message}; connecting again")
            except ConnectionFailed as error:
                if broke and broke.host == error.host:
                    error.evidence = f"{error.evidence}\nbefore: {broke.message}, {broke.waited_seconds:.0f} s after it began".strip()
                raise

    def _step(self, phase: Phase, target: Host, changed: set[str], again: bool) -> None:
        start = time.monotonic()
        self.report.step_started(phase.name, target.name)
        with self.room:
            resources, remote = phase.desired(self.inputs, target), self.remotes[target.name]
            changes = compare(resources, read(remote, resources), changed)
        self.permit(phase.name, target.name, changes, again)
        if self.crash:
            return
        if changes:
            with self._turn(phase, target, changes), self.room:  # whoever waits for a turn takes no room from those it waits for
                self.report.applying(phase.name, target.name, changes)
                self._apply(target, changes, resources)
        self.done.append(Done(phase.name, target.name, tuple(changes), time.monotonic() - start))
        self.report.step_finished(phase.name, target.name, changes, time.monotonic() - start)

    def _apply(self, target: Host, changes: list[Change], resources: Sequence[Resource]) -> None:
        remote = self.remotes[target.name]
        try:
            remote.change(ordered(changes))
        except RemoteCommandError as error:
            raise self._with_journal(error) from error
        again = compare(resources, read(remote, resources))
        if again:
            lines = [f"{change.key}: {'; '.join(change.why)}" for change in again]
            lines += [self.live.journal(target.name, change.key.split()[1]) for change in again if change.key.startswith("unit ")]
            raise RemoteCommandError("still different after it was applied", evidence="\n".join(lines))

    def _with_journal(self, error: RemoteCommandError) -> RemoteCommandError:
        words = error.command.split()
        if words and words[0] in ("start", "restart"):
            error.evidence = f"{error.evidence}\n{self.live.journal(error.host, words[1])}".strip()
        return error

    @contextlib.contextmanager
    def _turn(self, phase: Phase, target: Host, changes: list[Change]):
        """A restart of something that runs is one target's turn at a time, and the phase is ready again before the next."""
        if not (phase.rolling and any(change.restarts for change in changes)):
            yield
            return
        self.report.queued(phase.name, target.name)
        with self._queue(phase, target), self.rolling[phase.name]:
            with self.news:  # what is merely to be started comes first: a restart may need it
                self.news.wait_for(lambda: self.stopped or self.left[phase.name] == len(self.queued[phase.name]))
            if self.stopped:
                raise NotReachedError("not restarted, because another host failed before its turn")
            self._permitted(phase, target)
            yield
            with self.news:  # whoever is still to have its turn may have something down that only this turn brings up
                later = self.queued[phase.name] - {target.name}
            self._wait(phase, later)

    @contextlib.contextmanager
    def _queue(self, phase: Phase, target: Host):
        with self.news:
            self.queued[phase.name].add(target.name)
            self.news.notify_all()
        try:
            yield
        finally:
            with self.news:
                self.queued[phase.name].discard(target.name)

    def _permitted(self, phase: Phase, target: Host) -> None:
        """Ask before a restart; what this very run has only just started is given time to become healthy."""
        if not phase.before_restart:
            return
        refusals: list[QuorumError] = []

        def refused() -> list[QuorumError]:
            refusals.clear()
            try:
                phase.before_restart(self.live, target)
            except QuorumError as error:
                refusals.append(error)
            return refusals

        fresh = any(done.phase == phase.name and done.changes for done in self.done)
        try:
            wait(refused, phase.deadline if fresh else 0.0, lambda found: found[0].message)
        except NotReadyError:
            raise refusals[0] from None

    def _arrived(self, phase: Phase) -> None:
        with self.news:
            self.left[phase.name] -= 1
            self.news.notify_all()
            last = self.left[phase.name] == 0
        if last:
            threading.Thread(target=self._guarded, args=(self._settle, phase), name=f"{phase.name} ready", daemon=True).start()

    def _settle(self, phase: Phase) -> None:
        needs = [name for name in phase.needs(self.inputs) if name in self.plan]
        with self.news:
            self.news.wait_for(lambda: self.stopped or all(name in self.ready for name in needs))
        if self.stopped:
            return
        seconds = self._wait(phase)
        if self.stopped:
            return
        with self.news:
            self.ready.add(phase.name)
        self.report.phase_ready(phase.name, seconds)

    def _wait(self, phase: Phase, but: Set[str] = frozenset()) -> float:
        """Until the phase is ready everywhere `but` on some hosts; the seconds it took."""
        if not phase.ready:
            return 0.0
        live = self.live.without(but)
        last: list[Pending | None] = [None]
        tell, crashes = Telling(self.report, phase), CrashWatch(self.live)

        def check() -> Pending | None:
            try:
                last[0] = None if self.stopped else phase.ready(live)
            except (*BROKEN, RemoteCommandError) as error:
                last[0] = Pending(f"an answer ({error})", getattr(error, "host", ""))
            tell.of(last[0])
            if last[0] and (hopeless := crashes.given_up(last[0])):
                raise hopeless
            return last[0]

        try:
            return wait(check, phase.deadline, lambda pending: pending.what)
        except NotReadyError as error:
            error.host = last[0].host
            error.evidence = error.evidence or (self.live.journal(last[0].host, last[0].unit) if last[0].unit else "")
            raise self._explained(error, phase, None) from error


def plan(inputs: Inputs, readers: Mapping[str, Reader], phases: Sequence[Phase], hosts: frozenset[str], parallel: int = 32) -> list[Done]:
    """What a run would change, read in one question per target; the readers cannot write."""
    targets = dict.fromkeys(t for phase in phases for t in phase.targets(inputs.cluster) if t.name in hosts)
    found: dict[str, list[Done]] = {}

    def look(target: Host) -> None:
        wanted = [(phase, phase.desired(inputs, target)) for phase in phases if target in phase.targets(inputs.cluster)]
        answers = read(readers[target.name], [resource for _, resources in wanted for resource in resources])
        met: dict[str, Resource] = {}
        changed: set[str] = set()
        for phase, resources in wanted:  # what an earlier phase has already made so will not change once more
            fresh = [resource for resource in resources if met.get(resource.key) != resource]
            met.update((resource.key, resource) for resource in fresh)
            changes = tuple(compare(fresh, answers, changed))
            answers = foreseen(answers, changes)
            found.setdefault(target.name, []).append(Done(phase.name, target.name, changes, 0.0))

    each(look, targets, parallel)
    order = {phase.name: i for i, phase in enumerate(phases)}
    return sorted((done for target in targets for done in found.get(target.name, ())), key=lambda done: order[done.phase])
