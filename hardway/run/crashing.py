"""Telling a unit that will never start from one that needs time, or waits itself, while a phase waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ..errors import NotReadyError
from ..phase import Pending
from ..resources.unit_state import UnitState
from ..targets.live import Live
from ..transport import forwarding_forbidden
from .refusals import USAGE_LINES, refusal

# A look is a round trip, so not every time the phase is asked.
LOOK_SECONDS = 1.0
# systemd waits a second between two starts: no program that only needs another one's time ends this often.
HOPELESS_RESTARTS = 20
# What only waits for others uses a few hundredths of a processor.
BUSY = 0.3
# After one restart a refused flag may be what the journal still holds from before the unit was written anew.
RESTARTS_TO_BELIEVE = 2
# For what systemd has not begun to start at a phase's deadline: systemd-networkd-wait-online itself gives up after
# 120 s, and a boot goes on without it.
QUEUE_SECONDS = 150.0


def state_of(live: Live, pending: Pending) -> UnitState:
    """Of the unit that is waited for; of none, or where its host cannot be asked, one that waits for nothing."""
    return UnitState(live.unit(pending.host, pending.unit) if pending.host and pending.unit else {})


def not_started(host: str, unit: str, state: UnitState, waited: float, evidence: str = "") -> NotReadyError:
    """Nobody has stopped it and nothing of ours can repair it: its host waits for something else first."""
    return NotReadyError(
        f"{unit} has not started: it {state.told}",
        host=host,
        waited_for=f"{unit} to start",
        waited_seconds=waited,
        evidence=evidence,
        hint=f"on {host}: {state.look}; when the queue is empty, run this command again",
    )


class CrashWatch:
    """`given_up(pending)` is the error with which to end a wait early, or nothing; `at_work` is whether the unit was
    busy when it was last looked at."""

    def __init__(self, live: Live, clock: Callable[[], float] = time.monotonic):
        self.live, self.clock = live, clock
        self.at_work = False
        self.used: dict[tuple[str, str], tuple[float, float]] = {}
        self.first: dict[tuple[str, str], int] = {}
        self.tried: set[str] = set()
        self.states: dict[tuple[str, str], UnitState] = {}
        self.start = self.looked = clock()

    def given_up(self, pending: Pending) -> NotReadyError | None:
        now = self.clock()
        if not (pending.host and pending.unit) or now - self.looked < LOOK_SECONDS:
            return None
        self.looked = now
        if pending.host not in self.tried:
            self.tried.add(pending.host)
            self._require_forwarding(pending)
        state = self.states[pending.host, pending.unit] = state_of(self.live, pending)
        self.at_work = self._works((pending.host, pending.unit), state, now)
        restarts = self._restarts(pending, state)
        if restarts < RESTARTS_TO_BELIEVE:
            return None
        journal = self.live.journal(pending.host, pending.unit, USAGE_LINES)
        refused = refusal(self.live.cluster, pending.unit, journal)
        if not refused and restarts < HOPELESS_RESTARTS:
            return None
        ended = f"{pending.unit} exited and was restarted {restarts} times in {now - self.start:.0f} s"
        if refused:
            message, evidence, hint = refused.message, f"{ended}\n{refused.line}", refused.remedy
        else:
            message, evidence = f"{ended}: waiting longer will not help", journal
            hint = f"on {pending.host}: journalctl -b -u {pending.unit}; hardway doctor INV"
        return NotReadyError(
            message,
            host=pending.host,
            waited_for=pending.what,
            waited_seconds=now - self.start,
            evidence=evidence,
            hint=hint,
        )

    def explained(self, pending: Pending) -> Pending:
        """The same, with what its unit waits for in systemd's queue, as far as that was seen."""
        state = self.states.get((pending.host, pending.unit))
        if not state or not state.behind:
            return pending
        return replace(pending, what=f"{pending.what}; {pending.unit} cannot start before {state.behind.unit}")

    def _require_forwarding(self, pending: Pending) -> None:
        """ForwardingError when what is waited for is asked through the host's sshd, and that forbids it."""
        host = next((host for host in self.live.cluster.hosts if host.name == pending.host), None)
        if host and not self.live.forwards(host):
            raise forwarding_forbidden(host, "its own ports")

    def _works(self, unit: tuple[str, str], state: UnitState, now: float) -> bool:
        """Whether a unit uses the processor so much that it is busy with something, and not only waiting too."""
        told = state.said.get("CPUUsageNSec", "")
        used = int(told) / 1e9 if told.isdecimal() else 0.0
        before, since = self.used.get(unit, (used, now))
        self.used[unit] = used, now
        return used - before >= BUSY * (now - since) > 0

    def _restarts(self, pending: Pending, state: UnitState) -> int:
        """How often systemd has restarted the unit since we first looked."""
        count = state.said.get("NRestarts", "")
        if not count.isdecimal():
            return 0
        first = self.first.setdefault((pending.host, pending.unit), int(count))
        if int(count) < first:  # started anew since: systemd counts from 0 again
            first = self.first[pending.host, pending.unit] = 0
        return int(count) - first
