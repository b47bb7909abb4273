"""When to strike: a moment from 0 to 1 as a phase of a bootstrap and a time after its beginning."""

from __future__ import annotations

import time
from dataclasses import dataclass

from watched import Event, Watched

LEAST, MOST = 0.01, 6.0  # seconds after the phase's beginning; each order of magnitude is as likely as the other
LIMIT = 240.0


@dataclass(frozen=True)
class Strike:
    """`order` tells the strikes of one round from the next: within a round it grows."""

    phase: str
    seconds: float
    order: float
    host: str = ""

    def due(self, run: Watched) -> bool:
        """Wait for the moment: so long after the phase's first step began, but before the phase is over; False when the
        run ended first."""
        if self.phase and not run.until(lambda events: any(begins(event, self.phase) for event in events), LIMIT):
            return False
        deadline = time.monotonic() + self.seconds
        run.until(
            lambda events: any(over(event, self.phase) for event in events), max(0.0, deadline - time.monotonic())
        )
        return True

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s after the beginning of {self.phase or 'the run'}" + (
            f", {self.host}" if self.host else ""
        )


def begins(event: Event, phase: str) -> bool:
    return event["event"] == "step-started" and event["phase"] == phase


def over(event: Event, phase: str) -> bool:
    """Whether this is the end of the phase; what comes before the first phase ends with the first step."""
    return event["event"] == "phase-ready" and event["phase"] == phase if phase else event["event"] == "step-started"


def strike(moment: float, phases: tuple[str, ...], rounds: int) -> Strike:
    """The moments of a whole run as several rounds, each through all the phases; "" stands for the time before the
    first."""
    progress = moment * rounds % 1
    place = progress * len(phases)
    seconds = LEAST * (MOST / LEAST) ** (place % 1)
    return Strike(phases[int(place)], seconds, progress)
