"""Waiting for a phase to be ready: told while it lasts, given up when it is hopeless or takes too long."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence

from ..errors import HardwayError, NotReadyError
from ..parallel import each
from ..patience import Deadline
from ..phase import Pending, Phase, Target
from ..report import Report
from ..targets.kube import BROKEN
from ..targets.live import Live, wait
from .crashing import QUEUE_SECONDS, CrashWatch, not_started, state_of

PACE = 0.5  # seconds: nobody can read faster
NO_ANSWER = "an answer"


class Telling:
    """Tells of the wait as it begins, and again whenever something else is missing."""

    def __init__(self, report: Report, phase: Phase, deadline: Deadline):
        self.report, self.phase, self.deadline = report, phase, deadline
        self.last: tuple[Pending | None, float] = (Pending(""), deadline.seconds)
        self.next = 0.0
        report.waiting(phase.name, deadline.seconds)

    def of(self, pending: Pending | None) -> None:
        this = (pending, self.deadline.seconds)
        if pending and this != self.last and time.monotonic() >= self.next:
            self.last, self.next = this, time.monotonic() + PACE
            self.report.waiting(self.phase.name, self.deadline.seconds, pending.what, pending.host)


def await_nothing(
    phase: Phase, live: Live, report: Report, stopped: Callable[[], bool], question: Callable[[], Pending | None]
) -> float:
    """Until the question finds nothing missing, or the run has stopped; the seconds it took.

    NotReadyError with the host, what it waited for and the last lines of that unit's journal.
    """
    last, start = Pending(""), time.monotonic()
    deadline, crashes = Deadline(phase.deadline), CrashWatch(live)
    tell = Telling(report, phase, deadline)

    def check() -> Pending | None:
        nonlocal last
        found = None if stopped() else question()
        if found:
            last = found
            if hopeless := crashes.given_up(found):
                raise hopeless
            deadline.see(progress(found))
            if crashes.at_work:
                deadline.moved()
        tell.of(found and crashes.explained(found))
        return found

    try:
        _in_time(check, deadline, lambda: state_of(live, last).queued)
        return time.monotonic() - start
    except NotReadyError as error:
        if (state := state_of(live, last)).queued:
            raise not_started(last.host, last.unit, state, time.monotonic() - start) from error
        error.host = last.host
        error.evidence = error.evidence or (live.journal(last.host, last.unit) if last.unit else "")
        raise


def _in_time(check: Callable[[], Pending | None], deadline: Deadline, queued: Callable[[], bool]) -> None:
    """As `wait`; but what systemd has not begun to start by then is given time for that."""
    try:
        wait(check, deadline, lambda pending: pending.what)
    except NotReadyError:
        if not queued():
            raise
        wait(check, QUEUE_SECONDS, lambda pending: pending.what)


def progress(pending: Pending) -> tuple[str, str]:
    """What must change in what is missing for it to be progress: other numbers are none, nor is another error."""
    what = NO_ANSWER if pending.what.startswith(NO_ANSWER) else re.sub(r"\d+", "0", pending.what)
    return pending.host, what


def everywhere(phase: Phase, live: Live, targets: Sequence[Target], parallel: int) -> Callable[[], Pending | None]:
    """What is missing on any of the targets; one that was ready is not asked again."""
    left = list(targets)

    def question() -> Pending | None:
        found: dict[str, Pending] = {}
        lock = threading.Lock()

        def ask(target: Target) -> None:
            if pending := missing(phase, live, target):
                with lock:
                    found[target.name] = pending

        each(ask, left, parallel)
        left[:] = [target for target in left if target.name in found]
        return found[left[0].name] if left else None

    return question


def missing(phase: Phase, live: Live, target: Target) -> Pending | None:
    """What a target of the phase is not ready for yet; an answer, when somebody cannot be asked."""
    return answered(phase.ready, live, target) if phase.ready else None


def answered(ask: Callable[[Live, Target], Pending | None], live: Live, target: Target) -> Pending | None:
    """What is missing by this question; an answer, when somebody cannot be asked."""
    try:
        return ask(live, target)
    except (*BROKEN, HardwayError) as error:
        return Pending(f"{NO_ANSWER} ({error})", getattr(error, "host", "") or target.name)
