"""What all threads of a run know of each other: which phases are ready, what is still to be done, what has failed."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import HardwayError
from ..phase import Target
from .step import Done


@dataclass
class Waiter:
    """A thread that waits for something to come about, and how it is woken."""

    come: Callable[[], bool]
    woken: threading.Event = field(default_factory=threading.Event)


class Ledger:
    """`plan` holds each phase's targets by its name, `idle` those on which it wants nothing.

    Everything here is changed inside `news()` only, which wakes those for whom something has come about. Of hundreds of
    threads most wait for a phase, and there is news with every step: so nobody is woken for nothing, and phases are
    looked at when one is ready.
    """

    def __init__(self, plan: Mapping[str, Sequence[Target]]):
        self.left = {name: len(targets) for name, targets in plan.items()}
        self.ready = {name for name, count in self.left.items() if count == 0}
        self.queued: dict[str, set[str]] = {name: set() for name in plan}
        self.idle: dict[str, set[str]] = {name: set() for name in plan}
        self.errors: list[HardwayError] = []
        self.crash: BaseException | None = None
        self.done: list[Done] = []
        self.changed: set[str] = set()
        self.units: dict[str, set[str]] = defaultdict(set)  # of each target, by its own thread
        self._lock = threading.RLock()
        self._for_phases: list[Waiter] = []
        self._for_others: list[Waiter] = []

    @property
    def stopped(self) -> bool:
        return bool(self.errors or self.crash)

    def finish(self, step: Done) -> None:
        """A step is done; `changed` has the phases that have changed something so far."""
        self.done.append(step)
        if step.changes:
            self.changed.add(step.phase)

    @contextlib.contextmanager
    def news(self) -> Iterator[None]:
        """Change something, and wake whoever has waited for it."""
        with self._lock:
            before = (len(self.ready), self.stopped)
            yield
            self._for_others[:] = self._still(self._for_others)
            if before != (len(self.ready), self.stopped):
                self._for_phases[:] = self._still(self._for_phases)

    def _still(self, waiters: list[Waiter]) -> list[Waiter]:
        """Those that have to wait on; the others are woken."""
        left = []
        for waiter in waiters:
            if self.stopped or waiter.come():
                waiter.woken.set()
            else:
                left.append(waiter)
        return left

    def wait_for(self, come: Callable[[], bool]) -> bool:
        """Until something has come about; False when the run has stopped instead."""
        return self._wait(come, self._for_others)

    def await_phases(self, names: Sequence[str]) -> bool:
        """Until these phases are ready; False when the run has stopped instead."""
        return self._wait(lambda: all(name in self.ready for name in names), self._for_phases)

    def _wait(self, come: Callable[[], bool], waiters: list[Waiter]) -> bool:
        waiter = Waiter(come)
        with self._lock:
            if not (self.stopped or come()):
                waiters.append(waiter)
            else:
                waiter.woken.set()
        waiter.woken.wait()
        return not self.stopped
