"""What ginkgo says of a run: of each conformance test whether it passed, and what it said when it did not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAILED = {"failed", "timedout", "aborted", "panicked", "interrupted"}


@dataclass(frozen=True)
class Result:
    """How one test ended: "passed", "failed", or "skipped" by its own decision, for the reason in `message`."""

    state: str
    seconds: float = 0.0
    message: str = ""
    output: str = ""

    @property
    def passed(self) -> bool:
        return self.state == "passed"


def read(path: Path) -> list[dict[str, Any]]:
    """The suites of a report; none when a process died before ginkgo could write it."""
    try:
        return json.loads(path.read_text()) or []
    except (FileNotFoundError, ValueError):
        return []


def results(suites: Iterable[Mapping[str, Any]]) -> dict[str, Result]:
    """The conformance tests that ran to an end, by name."""
    specs = [spec for suite in suites for spec in suite.get("SpecReports") or () if spec["LeafNodeType"] == "It"]
    found = {name(spec): result(spec) for spec in specs}
    return {name: result for name, result in found.items() if result and "[Conformance]" in name}


def trouble(suites: Iterable[Mapping[str, Any]]) -> list[str]:
    """What went wrong apart from tests: preparations that failed, a run that was cut short."""
    said = []
    for suite in suites:
        said += suite.get("SpecialSuiteFailureReasons") or ()
        others = (spec for spec in suite.get("SpecReports") or () if spec["LeafNodeType"] != "It")
        said += [f"{spec['LeafNodeType']}: {_message(spec)}" for spec in others if spec["State"] in FAILED]
    return said


def name(spec: Mapping[str, Any]) -> str:
    """As Kubernetes' list of conformance tests has it."""
    return " ".join(text for text in (*(spec["ContainerHierarchyTexts"] or ()), spec["LeafNodeText"]) if text)


def result(spec: Mapping[str, Any]) -> Result | None:
    """None for a test that did not begin: not asked for, or not reached."""
    state, seconds, message = spec["State"], spec["RunTime"] / 1e9, _message(spec)
    if state == "passed":
        return Result("passed", seconds)
    if state in FAILED:
        return Result("failed", seconds, message or state, spec.get("CapturedGinkgoWriterOutput", ""))
    return Result("skipped", seconds, message) if state == "skipped" and message else None


def _message(spec: Mapping[str, Any]) -> str:
    failure = spec.get("Failure") or {}
    return "\n".join(text for text in (failure.get("Message", ""), failure.get("ForwardedPanic", "")) if text)
