"""What the runs come to for each test: passed, passed when run again, not runnable here, or failed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import yaml

from .conduct import Outcome
from .report import Result

LISTED = Path(__file__).with_name("not_runnable.yaml")
NO_RESULT = "no result: neither this run nor its repetition came to the test's end"


class Kind(StrEnum):
    PASSED = "passed"
    AGAIN = "passed when run again"
    NOT_RUNNABLE = "not runnable here"
    FAILED = "failed"


@dataclass(frozen=True)
class Verdict:
    """One test; `why` is empty for one that passed at once."""

    test: str
    kind: Kind
    why: str = ""


@dataclass(frozen=True)
class Excuse:
    """A listed reason for which a test cannot pass here, and how that reason shows."""

    test: str
    says: str
    why: str

    def covers(self, test: str, message: str) -> bool:
        return self.test == test and re.search(self.says, message) is not None


def excuses(path: Path = LISTED) -> list[Excuse]:
    """Those of the list; TypeError when an entry has other keys."""
    return [Excuse(**entry) for entry in yaml.safe_load(path.read_text())]


def judge(tests: Iterable[str], outcome: Outcome, listed: Iterable[Excuse]) -> list[Verdict]:
    """A verdict on each of these tests."""
    known = list(listed)
    return [verdict(test, outcome.first.get(test), outcome.again, known) for test in tests]


def verdict(test: str, first: Result | None, repeated: Mapping[str, Result], listed: Iterable[Excuse]) -> Verdict:
    """A verdict on one: what its repetition says counts, where there was one."""
    if first and first.passed:
        return Verdict(test, Kind.PASSED)
    last = repeated.get(test) or first
    if last is None:
        return Verdict(test, Kind.FAILED, NO_RESULT)
    if last.passed:
        return Verdict(test, Kind.AGAIN, f"at first: {_line(first.message) if first else 'no result'}")
    if why := next((excuse.why for excuse in listed if excuse.covers(test, last.message)), ""):
        return Verdict(test, Kind.NOT_RUNNABLE, why)
    if last.state == "skipped":
        return Verdict(test, Kind.NOT_RUNNABLE, f"it skips itself: {_line(last.message)}")
    return Verdict(test, Kind.FAILED, _line(last.message))


def _line(message: str) -> str:
    """The beginning of what a test said, in one line."""
    text = " ".join(message.split())
    return text if len(text) <= 200 else f"{text[:199]}…"
