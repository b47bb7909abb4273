"""What a phase waits for, told while it waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..phase import Pending, Phase

if TYPE_CHECKING:
    from ..report import Report

PACE = 0.5  # seconds: nobody can read faster


class Telling:
    """Tells of the wait as it begins, and again whenever something else is missing."""

    def __init__(self, report: Report, phase: Phase):
        self.report, self.phase = report, phase
        self.last = Pending("")
        self.next = 0.0
        report.waiting(phase.name, phase.deadline)

    def of(self, pending: Pending | None) -> None:
        if pending and pending != self.last and time.monotonic() >= self.next:
            self.last, self.next = pending, time.monotonic() + PACE
            self.report.waiting(self.phase.name, self.phase.deadline, pending.what, pending.host)
