"""How a check ended, and what it saw."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class Status(enum.StrEnum):
    """How a check ended; a skipped one says why in its detail."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Outcome:
    """`detail` is what was seen, one finding a line; `seconds` is how long the look took."""

    status: Status
    detail: str
    seconds: float = 0.0


def passed(detail: str) -> Outcome:
    return Outcome(Status.PASSED, detail)


def failed(*findings: str) -> Outcome:
    return Outcome(Status.FAILED, "\n".join(findings))


def skipped(reason: str) -> Outcome:
    return Outcome(Status.SKIPPED, reason)


def judged(findings: Iterable[str], seen: str) -> Outcome:
    """Failed with the findings if there are any, else passed with what was seen."""
    found = [finding for finding in findings if finding]
    return failed(*found) if found else passed(seen)
