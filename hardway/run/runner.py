"""The one loop: read, compare, apply, read again; a thread for each target, phases as gates between them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..cluster import Host
from ..errors import (
    ApiUnavailable,
    ConnectionFailed,
    ConnectionLost,
    HardwayError,
    RemoteCommandError,
)
from ..parallel import each
from ..patience import stretched
from ..phase import Inputs, Pending, Phase, Target
from ..report import Report
from ..resources import Unit
from ..resources.base import Change, Resource
from ..targets.live import Live
from ..transport import Transport
from ..vocabulary import Remote
from .comparing import compare, held, ordered, read, unmet
from .crashing import not_started, state_of
from .failures import explained, in_order, together
from .ledger import Ledger
from .liveness import require_steady, watch
from .mark import needs, wanted
from .selection import Scope, everything
from .step import Done, Permit
from .turns import Turns
from .waiting import await_nothing, everywhere

RECONNECTS = 3
# Each kind of object has its own connection from the API server to etcd. One that broke is tried again after a pause,
# which grows to 120 s (grpc: doc/connection-backoff.md): an API server that is ready may have others still to open.
API_SECONDS, API_PACE = 120.0, 1.0


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
        workers_at_once: int = 0,
        command: str = "",
        scope: Scope = everything,
    ):
        """`workers_at_once` may be restarted at the same time; 0 means a tenth of them, but at least one. `command`
        continues the run after a failure, where that is no bootstrap. Outside the `scope` nothing is read or
        changed."""
        self.permit, self.parallel, self.command = permit, parallel, command
        inputs = replace(inputs, phases=frozenset(phase.name for phase in phases))
        self.inputs, self.live, self.remotes, self.report = inputs, live, remotes, report
        self.plan = {
            phase.name: [t for t in phase.targets(inputs.cluster) if t.name in hosts and scope(phase, t)]
            for phase in phases
        }
        self.names = {name: frozenset(target.name for target in targets) for name, targets in self.plan.items()}
        self.phases = phases
        live.concerned = hosts
        self.ledger = Ledger(self.plan)
        workers = workers_at_once or max(1, len(inputs.cluster.workers) // 10)
        self.turns = Turns(live, self.ledger, phases, report, workers, self._await)
        self.room = threading.Semaphore(parallel)

    def run(self) -> list[Done]:
        """Every step, or HardwayError."""
        self.report.planned(self.phases, self.plan, self.inputs)
        targets = dict.fromkeys(target for phase in self.phases for target in self.plan[phase.name])
        threads = [self._thread(target.name, self._target, target) for target in targets]
        try:
            for thread in threads:
                thread.start()
            with self._hosts_watched():
                self.ledger.await_phases([phase.name for phase in self.phases])
            for thread in threads:
                thread.join()
        except (
            BaseException
        ) as error:  # an interruption: threads at work begin nothing more, for the lock is let go next
            self.ledger.crash = error
            raise
        self._raise_failures()
        # Done is said of hosts that are still there, and of units that keep running: one may have ended after its part.
        hosts = [target for target in targets if isinstance(target, Host)]
        each(
            lambda one: require_steady(self.live, self.remotes[one.name], one.name, self.ledger.units[one.name]), hosts
        )
        return self.ledger.done

    def _raise_failures(self) -> None:
        if self.ledger.crash:
            raise self.ledger.crash
        if errors := in_order(self.ledger.errors, self.phases, self.inputs.cluster.hosts):
            raise together(errors)

    def _thread(self, name: str, work: Callable, *args) -> threading.Thread:
        return threading.Thread(target=self._guarded, args=(work, *args), name=name, daemon=True)

    def _guarded(self, work: Callable, *args) -> None:
        try:
            work(*args)
        except HardwayError as error:
            self.report.failed(error)
            with self.ledger.news():
                self.ledger.errors.append(error)
        except BaseException as error:  # a bug of ours: handed to the caller, never lost in a thread
            with self.ledger.news():
                self.ledger.crash = error

    @contextlib.contextmanager
    def _hosts_watched(self) -> Iterator[None]:
        """A host that has gone is named, whatever is waited for just then, and though its own part may be done."""
        over = threading.Event()
        hosts = [transport for name, transport in self.live.transports.items() if name in self.live.concerned]
        self._thread("hosts watched", self._watch, hosts, over).start()
        try:
            yield
        finally:
            over.set()

    def _watch(self, hosts: Sequence[Transport], over: threading.Event) -> None:
        try:
            watch(hosts, over)
        except ConnectionFailed as error:
            at_work = next((phase for phase in self.phases if phase.name not in self.ledger.ready), self.phases[-1])
            raise explained(error, self.inputs, at_work, command=self.command) from error

    def _target(self, target: Target) -> None:
        changed: set[str] = set()
        met: dict[str, Resource] = {}
        for phase in self.phases:
            if target.name not in self.names[phase.name]:
                continue
            if not self.ledger.await_phases(self._needs(phase)):
                return
            try:
                self._resumed(phase, target, changed, met)
            except HardwayError as error:
                raise explained(error, self.inputs, phase, target, self.command) from error
            self._arrived(phase)

    def _needs(self, phase: Phase) -> list[str]:
        return [name for name in needs(phase, self.inputs) if name in self.plan]

    def _resumed(self, phase: Phase, target: Target, changed: set[str], met: dict[str, Resource]) -> None:
        """A step whose connection broke starts over: it reads the host again and does what is still missing."""
        broke: ConnectionLost | None = None
        for left in reversed(range(RECONNECTS)):
            try:
                return self._answered(phase, target, changed, met, again=left < RECONNECTS - 1)
            except ConnectionLost as error:
                if not left or self.ledger.stopped:
                    raise
                broke = error
                self.report.note(f"{phase.name:14} {target.name}: {error.message}; reconnecting")
            except ConnectionFailed as error:
                if broke and broke.host == error.host:
                    before = f"before: {broke.message}, {broke.waited_seconds:.0f} s after it started"
                    error.evidence = f"{error.evidence}\n{before}".strip()
                raise

    def _answered(self, phase: Phase, target: Target, changed: set[str], met: dict[str, Resource], again: bool) -> None:
        """A step that the API leaves without an answer starts over too, for as long as an API server may need."""
        since = 0.0
        while True:
            try:
                return self._step(phase, target, changed, met, again)
            except ApiUnavailable as error:
                if not since:
                    since = time.monotonic()
                    self.report.note(f"{phase.name:14} {target.name}: {error.message}; trying again")
                # A run that stops meanwhile begins nothing more.
                time.sleep(API_PACE)
                waited = time.monotonic() - since
                if self.ledger.stopped or waited > stretched(API_SECONDS):
                    error.waited_for, error.waited_seconds = "the API to answer", waited
                    raise
            again = True

    def _step(self, phase: Phase, target: Target, changed: set[str], met: dict[str, Resource], again: bool) -> None:
        start = time.monotonic()
        self.report.step_started(phase.name, target.name)
        with self.room:
            desired, remote = wanted(phase, self.inputs, target), self.remotes[target.name]
            resources = unmet(desired, met)
            changes = compare(resources, read(remote, resources), changed, target.name)
        if not desired:
            with self.ledger.news():
                self.ledger.idle[phase.name].add(target.name)
        self.ledger.units[target.name] |= {one.name for one in resources if isinstance(one, Unit)}
        self.permit(phase.name, target.name, changes, again)
        if self.ledger.crash:
            return
        in_turn = held(changes) if phase.rolling else []
        if early := [change for change in changes if change not in in_turn]:
            # What restarts nothing comes first, on every host: a turn may need it.
            with self.room:
                self.report.applying(phase.name, target.name, early)
                self._apply(phase, target, early, () if in_turn else resources)
        if in_turn or (phase.rolling and self.turns.broken_off(phase, target)):
            # Whoever waits for a turn takes no room from those it waits for.
            with self.turns.turn(phase, target, in_turn), self.room:
                self.report.applying(phase.name, target.name, in_turn)
                if in_turn:
                    self._apply(phase, target, in_turn, resources)
        met.update((resource.key, resource) for resource in resources)
        self.ledger.finish(Done(phase.name, target.name, tuple(changes), time.monotonic() - start))
        self.report.step_finished(phase.name, target.name, changes, time.monotonic() - start)

    def _apply(self, phase: Phase, target: Target, changes: list[Change], resources: Sequence[Resource]) -> None:
        """Carry them out; afterwards the resources are as wanted, or it is an error."""
        if phase.before_change:
            phase.before_change(self.inputs, self.live, target, changes)
        remote, start = self.remotes[target.name], time.monotonic()
        try:
            remote.change(ordered(changes))
        except RemoteCommandError as error:
            raise self._with_journal(error, time.monotonic() - start) from error
        again = compare(resources, read(remote, resources), host=target.name)
        if again:
            lines = [f"{change.key}: {'; '.join(change.why)}" for change in again]
            lines += [
                self.live.journal(target.name, change.key.split()[1])
                for change in again
                if change.key.startswith("unit ")
            ]
            raise RemoteCommandError("still different after the change was made", evidence="\n".join(lines))

    def _with_journal(self, error: RemoteCommandError, waited: float) -> HardwayError:
        """The same; of a unit that could not begin to start, what it waits for."""
        words = error.command.split()
        if words and words[0] in ("start", "restart", "load"):
            state = state_of(self.live, Pending("", error.host, words[1]))
            if state.queued:
                return not_started(error.host, words[1], state, waited, error.evidence)
            error.evidence = f"{error.evidence}\n{self.live.journal(error.host, words[1])}".strip()
        return error

    def _arrived(self, phase: Phase) -> None:
        with self.ledger.news():
            self.ledger.left[phase.name] -= 1
            last = self.ledger.left[phase.name] == 0
        if last:
            self._thread(f"{phase.name} ready", self._settle, phase).start()

    def _settle(self, phase: Phase) -> None:
        if not self.ledger.await_phases(self._needs(phase)):
            return
        # Where it wants nothing, there is nothing to wait for.
        targets = [target for target in self.plan[phase.name] if target.name not in self.ledger.idle[phase.name]]
        question = everywhere(phase, self.live, targets, self.parallel)
        seconds = self._await(phase, question) if phase.ready and targets else 0.0
        if self.ledger.stopped:
            return
        # Told before anybody goes on from it: people and programs read the events in their order.
        self.report.phase_ready(phase.name, seconds)
        with self.ledger.news():
            self.ledger.ready.add(phase.name)

    def _await(self, phase: Phase, question: Callable[[], Pending | None]) -> float:
        """Until nothing that the question finds is missing; the seconds it took."""
        try:
            return await_nothing(phase, self.live, self.report, lambda: self.ledger.stopped, question)
        except HardwayError as error:
            raise explained(error, self.inputs, phase, command=self.command) from error
