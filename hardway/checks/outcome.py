"""What a check is: a named question about the running cluster, why it matters, and where to look when the answer is no."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .scene import Scene


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


@dataclass(frozen=True)
class Check:
    """`reason` is one sentence on why it matters, `remedy` the next command to try; `needs_smoke` ones run beside our own pods."""

    name: str
    title: str
    reason: str
    remedy: str
    run: Callable[[Scene], Outcome]
    needs_smoke: bool = False


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
