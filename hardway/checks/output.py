"""Outcomes for people, for programs, and for whatever reads JUnit."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

from ..progress import lines
from ..progress.events import Checked
from .check import Check
from .outcome import Outcome, Status

SCHEMA = 1
Outcomes = Sequence[tuple[Check, Outcome]]


def event(check: Check, outcome: Outcome) -> Checked:
    """A check that has ended, as whoever shows or keeps events is told of it."""
    return Checked(check.name, str(outcome.status), outcome.detail, outcome.seconds, check.reason, check.remedy)


def line(check: Check, outcome: Outcome) -> str:
    """One check in one line, or more when it failed."""
    return lines.check(event(check, outcome))


def totals(outcomes: Outcomes) -> str:
    """How many of each, for example "40 passed, 1 failed, 2 skipped"."""
    count = Counter(outcome.status for _, outcome in outcomes)
    return ", ".join(f"{count[status]} {status}" for status in Status if count[status]) or "no checks"


def to_text(outcomes: Outcomes) -> str:
    """A line for each check and the totals."""
    return "\n".join([*(line(check, outcome) for check, outcome in outcomes), totals(outcomes), ""])


def to_verdict(outcomes: Outcomes) -> str:
    """What failed, and the totals."""
    failed = [line(check, outcome) for check, outcome in outcomes if outcome.status is Status.FAILED]
    return "\n".join([*failed, totals(outcomes), ""])


def to_json(outcomes: Outcomes) -> str:
    """One document: schema, passed (nothing failed), counts, checks."""
    count = Counter(outcome.status for _, outcome in outcomes)
    document = {
        "schema": SCHEMA,
        "passed": not count[Status.FAILED],
        "counts": {str(status): count[status] for status in Status},
        "checks": [_entry(check, outcome) for check, outcome in outcomes],
    }
    return json.dumps(document, indent=2) + "\n"


def _entry(check: Check, outcome: Outcome) -> dict[str, object]:
    shown = {
        "name": check.name,
        "title": check.title,
        "status": str(outcome.status),
        "detail": outcome.detail,
        "seconds": outcome.seconds,
    }
    return {**shown, "reason": check.reason, "remedy": check.remedy}


def to_junit(outcomes: Outcomes, cluster: str = "") -> str:
    """JUnit XML: one test suite, one test case a check."""
    count = Counter(outcome.status for _, outcome in outcomes)
    seconds = sum(outcome.seconds for _, outcome in outcomes)
    suite = ElementTree.Element(
        "testsuite",
        name="hardway verify" + (f" {cluster}" if cluster else ""),
        tests=str(len(outcomes)),
        failures=str(count[Status.FAILED]),
        errors="0",
        skipped=str(count[Status.SKIPPED]),
        time=f"{seconds:.3f}",
    )
    for check, outcome in outcomes:
        suite.append(_case(check, outcome))
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def _case(check: Check, outcome: Outcome) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname="hardway.verify", name=check.name, time=f"{outcome.seconds:.3f}")
    detail = clean(outcome.detail)
    if outcome.status is Status.FAILED:
        failure = ElementTree.SubElement(case, "failure", message=detail.splitlines()[0] if detail else check.title)
        failure.text = "\n".join([detail, f"why: {check.reason}", f"next: {check.remedy}"])
    elif outcome.status is Status.SKIPPED:
        ElementTree.SubElement(case, "skipped", message=detail)
    else:
        ElementTree.SubElement(case, "system-out").text = detail
    return case


def clean(text: str) -> str:
    """Without the control characters that XML cannot hold: answers of hosts are anything."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)
