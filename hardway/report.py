"""What a run says while it works: typed events, given to whoever shows or keeps them: lines or JSON, a live display,
the log."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from . import __version__
from .cluster import Cluster
from .errors import HardwayError, HostErrors, typable
from .foreign.visible import visible
from .progress import events
from .progress.board import Board
from .progress.closing import plural
from .progress.events import Event, Moment
from .progress.lines import closing, lines
from .resources.base import Change

if TYPE_CHECKING:
    from .phase import Inputs, Phase, Target
    from .progress.screen import Screen

__all__ = ["Report", "plural"]

OFTEN = 0.25  # seconds between two events about bytes for one host
LARGE = 1 << 20


class Report:
    """Events of one run.

    `output` is text or json; `verbose` shows every step and resource; `listeners` hear of every event.
    """

    def __init__(self, output: str = "text", verbose: bool = False, stream: TextIO | None = None):
        self.json, self.verbose, self.stream = output == "json", verbose, stream or sys.stdout
        self.inventory = "INV"
        self.start = time.monotonic()
        self.lock = threading.RLock()
        self.board = Board()
        self.listeners: list[Callable[[Moment], None]] = []
        self.screen: Screen | None = None
        self._sent: dict[str, tuple[int, float]] = {}
        self._told: list[HardwayError] = []

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.start

    def emit(self, event: Event) -> None:
        """One thing that happened."""
        with self.lock:
            moment = Moment(round(time.time(), 3), round(self.elapsed, 3), event)
            self.board.see(moment)
            for listener in self.listeners:
                listener(moment)
            for line in [moment.json()] if self.json else [*lines(moment, self.verbose), *closing(moment)]:
                self.screen.print(line) if self.screen else print(visible(line), file=self.stream, flush=True)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """A live display while this lasts, where lines go to a terminal that can carry one."""
        from .progress.screen import Screen, possible

        if self.json or not possible(self.stream):
            yield
            return
        self.screen = Screen(self.board, lambda: self.elapsed, self.stream, self.lock)
        try:
            with self.screen:
                yield
        finally:
            self.screen = None

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is printed while this lasts: somebody is being asked something on the terminal."""
        with self.lock, self.screen.paused() if self.screen else contextlib.nullcontext():
            yield

    def note(self, text: str) -> None:
        """A line about progress that is no event of its own kind."""
        self.emit(events.Note(text))

    def run_started(self, command: str, cluster: Cluster, phases: Sequence[Phase] = (), options: str = "") -> None:
        self.inventory = str(cluster.source or self.inventory)
        hosts = [
            {"name": host.name, "address": str(host.address), "roles": sorted(map(str, host.roles))}
            for host in cluster.hosts
        ]
        names = [phase.name for phase in phases]
        self.emit(
            events.RunStarted(command, __version__, cluster.name, cluster.versions.kubernetes, hosts, names, options)
        )

    def planned(self, phases: Sequence[Phase], plan: Mapping[str, Sequence[Target]], inputs: Inputs) -> None:
        """Which phases work where, and what each needs; one without a target is not told of."""
        rows = [
            {
                "name": phase.name,
                "title": phase.title,
                "targets": [target.name for target in plan[phase.name]],
                "needs": [name for name in phase.needs(inputs) if name in plan],
            }
            for phase in phases
            if plan[phase.name]
        ]
        self.emit(events.Planned(rows))

    def sent(self, host: str, count: int) -> None:
        """So many bytes more have gone to a host."""
        with self.lock:
            total, told = self._sent.get(host, (0, -OFTEN))
            due = self.elapsed - told >= OFTEN
            self._sent[host] = (total + count, self.elapsed if due else told)
            if due:
                self.emit(events.BytesSent(host, total + count))

    def step_started(self, phase: str, target: str) -> None:
        self.emit(events.StepStarted(phase, target))

    def queued(self, phase: str, target: str) -> None:
        self.emit(events.Queued(phase, target))

    def applying(self, phase: str, target: str, changes: Sequence[Change]) -> None:
        blobs = [op.blob for change in changes for op in (*change.before, *change.ops) if op.blob]
        large = sum(blob.size for blob in blobs) if any(blob.size > LARGE for blob in blobs) else 0
        self.emit(events.Applying(phase, target, [change.key for change in changes], large))

    def step_finished(self, phase: str, target: str, changes: Sequence[Change], seconds: float) -> None:
        with self.lock:
            total, _ = self._sent.get(target, (0, 0.0))
            if total and self.board.hosts[target].sent != total:
                self.emit(events.BytesSent(target, total))
            made = [{"resource": change.key, "why": list(change.why)} for change in changes]
            self.emit(events.StepFinished(phase, target, round(seconds, 3), made))

    def waiting(self, phase: str, deadline: float, what: str = "", host: str = "") -> None:
        self.emit(events.Waiting(phase, deadline, what, host))

    def phase_ready(self, phase: str, waited: float) -> None:
        with self.lock:
            row = self.board.phases.get(phase)
            hosts, changes = (len(row.finished), row.changes) if row else (0, 0)
            self.emit(events.PhaseReady(phase, hosts, changes, round(waited, 3)))

    def failed(self, error: HardwayError) -> None:
        """Tell programs and the log of an error, once; a person reads it at the end."""
        if isinstance(error, HostErrors):
            for one in error.errors:
                self.failed(one)
            return
        with self.lock:
            if error not in self._told:
                self._told.append(error)
                self.emit(
                    events.Failed(
                        error.message, error.host, error.phase, error.exit_code, typable(error.lines(), self.inventory)
                    )
                )

    def summary(self) -> None:
        """Totals, and where the time went when there was any to speak of."""
        with self.lock:
            board = self.board
            self.emit(events.Summary(board.changes, round(self.elapsed, 3), board.sent, board.timing(), board.hours()))
