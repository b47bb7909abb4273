"""All the runs that make one result: what may run together, what must be alone, and once more what did not pass."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from . import suite
from .report import Result
from .run import Suite
from .suite import Names

# Tests mostly wait; with far more of them than this at once they wait for each other, and their deadlines pass.
PROCESSES = 4 * (os.cpu_count() or 1)
# So many tests are repeated one at a time; more of them is what a process that died has left.
FEW = 40
HOUR = 3600.0


@dataclass(frozen=True)
class Outcome:
    """What the first run of each test came to, and the second of those that did not pass."""

    first: dict[str, Result] = field(default_factory=dict)
    again: dict[str, Result] = field(default_factory=dict)

    def pending(self, names: Iterable[str]) -> list[str]:
        """Those of these tests that have not passed: failed, skipped themselves, or have no result at all."""
        return [name for name in names if not (name in self.first and self.first[name].passed)]


def conduct(running: Suite, tests: Names, whole: bool) -> Outcome:
    """Run all of `tests`; `whole` when these are all there are. AssertionError when the first run has no result."""
    outcome = Outcome()
    if tests.together:
        focus, skip = (suite.ALL, suite.ALONE) if whole else (suite.exactly(tests.together), "")
        running.say(f"{len(tests.together)} tests in {PROCESSES} processes")
        outcome.first.update(running.run("together", focus, skip, processes=PROCESSES, seconds=2 * HOUR))
        assert outcome.first, f"not one test ran to its end\n{running.log('together').read_text()[-6000:]}"
        if pending := outcome.pending(tests.together):
            processes = 1 if len(pending) <= FEW else PROCESSES
            running.say(f"{len(pending)} of them once more, {processes} at a time")
            outcome.again.update(
                running.run("together-again", suite.exactly(pending), processes=processes, seconds=2 * HOUR)
            )
    for number, name in enumerate(tests.alone, 1):
        running.say(f"alone, {number} of {len(tests.alone)}: {name}")
        outcome.first.update(running.run(f"alone-{number}", suite.exactly([name])))
        if outcome.pending([name]):
            outcome.again.update(running.run(f"alone-{number}-again", suite.exactly([name])))
    return outcome
