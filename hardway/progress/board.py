"""How a run stands: what its events come to. The same events give the same board, live or read from a file."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from . import events
from .events import Moment

PACE = 3.0  # seconds over which the rate of sending is taken


class Stand(enum.StrEnum):
    """Where a phase is."""

    PENDING = "pending"
    WORKING = "working"
    WAITING = "waiting"
    READY = "ready"
    FAILED = "failed"


@dataclass
class PhaseRow:
    """One phase; `aims` are its targets to look one up in, `awaited` and `since` tell its wait, `longest` is (seconds,
    target) of its longest step."""

    name: str
    targets: Sequence[str] = ()
    aims: Set[str] = frozenset()
    needs: Sequence[str] = ()
    began: float | None = None
    ended: float = 0.0
    ready: bool = False
    failed: bool = False
    at_work: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    changes: int = 0
    waited: float = 0.0
    longest: tuple[float, str] = (0.0, "")
    awaited: events.Waiting | None = None
    since: float = 0.0

    @property
    def stand(self) -> Stand:
        if self.failed or self.ready:
            return Stand.FAILED if self.failed else Stand.READY
        if self.awaited and not self.at_work:
            return Stand.WAITING
        return Stand.PENDING if self.began is None else Stand.WORKING


@dataclass
class HostRow:
    """One target; `doing` is the event its present step has come to, None between steps."""

    name: str
    doing: events.StepStarted | events.Queued | events.Applying | None = None
    since: float = 0.0
    worked: float = 0.0
    until: float = 0.0
    longest: tuple[float, str] = (0.0, "")
    failure: str = ""
    sent: int = 0
    sent_before: int = 0
    marks: list[tuple[float, int]] = field(default_factory=list)

    def rate(self, now: float) -> float:
        """Bytes a second, lately."""
        recent = [mark for mark in self.marks if mark[0] > now - PACE]
        return (recent[-1][1] - recent[0][1]) / (now - recent[0][0]) if len(recent) > 1 and now > recent[0][0] else 0.0


@dataclass
class Board:
    """All of a run; of one in several rounds the phases of the present one. Only `see` changes it."""

    run: events.RunStarted | None = None
    now: float = 0.0
    phases: dict[str, PhaseRow] = field(default_factory=dict)
    hosts: dict[str, HostRow] = field(default_factory=dict)
    round: events.PassStarted | None = None
    before: int = 0  # changes that earlier rounds have made

    @property
    def sent(self) -> int:
        return sum(host.sent for host in self.hosts.values())

    @property
    def changes(self) -> int:
        return self.before + sum(phase.changes for phase in self.phases.values())

    @property
    def failed(self) -> bool:
        return any(phase.failed for phase in self.phases.values()) or any(host.failure for host in self.hosts.values())

    def see(self, moment: Moment) -> None:
        """Take an event in; one that changes nothing on the board is welcome too."""
        self.now = moment.elapsed
        known = getattr(self, f"_{moment.event.kind.replace('-', '_')}", None)
        if known:
            known(moment.event)

    def upcoming(self, host: str) -> PhaseRow | None:
        """The phase a target comes to next."""
        return next((row for row in self.phases.values() if host in row.aims and host not in row.finished), None)

    def missing(self, phase: PhaseRow) -> list[str]:
        """Phases that must be ready before this one begins, and are not."""
        return [name for name in phase.needs if name in self.phases and not self.phases[name].ready]

    def _phase(self, name: str) -> PhaseRow:
        return self.phases.setdefault(name, PhaseRow(name))

    def _host(self, name: str) -> HostRow:
        return self.hosts.setdefault(name, HostRow(name))

    def _run_started(self, event: events.RunStarted) -> None:
        self.run = event
        for host in event.hosts:
            self._host(host["name"])

    def _pass_started(self, event: events.PassStarted) -> None:
        self.before, self.phases, self.round = self.changes, {}, event

    def _planned(self, event: events.Planned) -> None:
        for given in event.phases:
            row = self._phase(given["name"])
            row.targets, row.needs = tuple(given["targets"]), tuple(given["needs"])
            row.aims = frozenset(row.targets)
            row.ready, row.awaited, row.finished = False, None, set()  # a run may go over its hosts several times
            for target in row.targets:
                self._host(target)

    def _step_started(self, event: events.StepStarted) -> None:
        phase, host = self._phase(event.phase), self._host(event.host)
        phase.began = self.now if phase.began is None else phase.began
        phase.at_work.add(event.host)
        host.doing, host.since = event, self.now

    def _queued(self, event: events.Queued | events.Applying) -> None:
        host = self._host(event.host)
        host.doing, host.since, host.sent_before = event, self.now, host.sent

    _applying = _queued

    def _bytes_sent(self, event: events.BytesSent) -> None:
        host = self._host(event.host)
        host.sent = event.bytes
        host.marks = [mark for mark in host.marks if mark[0] > self.now - PACE] + [(self.now, event.bytes)]

    def _step_finished(self, event: events.StepFinished) -> None:
        phase, host = self._phase(event.phase), self._host(event.host)
        phase.began = self.now - event.seconds if phase.began is None else phase.began
        phase.at_work.discard(event.host)
        phase.finished.add(event.host)
        phase.changes += len(event.changes)
        phase.longest = max(phase.longest, (event.seconds, event.host))
        phase.ended = self.now
        host.doing, host.since, host.until = None, self.now, self.now
        host.worked += event.seconds
        host.longest = max(host.longest, (event.seconds, event.phase))

    def _waiting(self, event: events.Waiting) -> None:
        phase = self._phase(event.phase)
        phase.since = phase.since if phase.awaited else self.now
        phase.awaited = event

    def _phase_ready(self, event: events.PhaseReady) -> None:
        phase = self._phase(event.phase)
        phase.ready, phase.awaited, phase.ended, phase.waited = True, None, self.now, event.waited

    def _error(self, event: events.Failed) -> None:
        if event.phase in self.phases:
            self.phases[event.phase].failed = True
        if event.host in self.hosts:
            self.hosts[event.host].failure = event.message

    def timing(self) -> Mapping[str, Mapping[str, float | str]]:
        """Of every phase that worked somewhere: from, to, how long it waited, its longest step."""
        worked = [row for row in self.phases.values() if row.finished]
        return {
            row.name: {
                "from": round(row.began or 0.0, 2),
                "to": round(row.ended, 2),
                "waited": round(row.waited, 2),
                "longest_step": round(row.longest[0], 2),
                "longest_host": row.longest[1],
            }
            for row in worked
        }

    def hours(self) -> Mapping[str, Mapping[str, float | str]]:
        """Of every target that did something: how long it worked, how long it waited until its last step ended."""
        worked = [row for row in self.hosts.values() if row.until]
        return {
            row.name: {
                "working": round(row.worked, 2),
                "waiting": round(max(0.0, row.until - row.worked), 2),
                "bytes": row.sent,
                "longest_step": round(row.longest[0], 2),
                "longest_phase": row.longest[1],
            }
            for row in worked
        }


def fold(moments: Iterable[Moment]) -> Board:
    """The board after these."""
    board = Board()
    for moment in moments:
        board.see(moment)
    return board
