"""Who waits in a run is woken when what it waits for has come about, and only then."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from hardway.errors import HardwayError
from hardway.phase import Elsewhere
from hardway.run.ledger import Ledger


@pytest.fixture
def ledger() -> Ledger:
    return Ledger({"first": [Elsewhere("a")], "second": [Elsewhere("a"), Elsewhere("b")], "empty": []})


class Waiting:
    """A thread that waits; `answer` is what it was told."""

    def __init__(self, wait: Callable[[], bool]):
        self.answer: bool | None = None
        self.thread = threading.Thread(target=self._run, args=(wait,), daemon=True)
        self.thread.start()

    def _run(self, wait: Callable[[], bool]) -> None:
        self.answer = wait()

    def told(self) -> bool | None:
        self.thread.join(5)
        return self.answer


def test_a_phase_without_targets_is_ready_at_once(ledger):
    assert ledger.await_phases(["empty"]) and ledger.await_phases([])


def test_all_phases_must_be_ready(ledger):
    waiting = Waiting(lambda: ledger.await_phases(["first", "second"]))
    with ledger.news():
        ledger.ready.add("first")
    waiting.thread.join(0.2)
    assert waiting.answer is None
    with ledger.news():
        ledger.ready.add("second")
    assert waiting.told() is True


def test_a_condition_of_ones_own_is_looked_at_with_any_news(ledger):
    waiting = Waiting(lambda: ledger.wait_for(lambda: ledger.left["second"] == 0))
    for _ in range(2):
        assert waiting.answer is None
        with ledger.news():
            ledger.left["second"] -= 1
    assert waiting.told() is True


@pytest.mark.parametrize("stop", ["error", "crash"])
def test_a_run_that_stops_wakes_everybody(ledger, stop):
    waiting = [Waiting(lambda: ledger.await_phases(["first"])), Waiting(lambda: ledger.wait_for(lambda: False))]
    with ledger.news():
        if stop == "error":
            ledger.errors.append(HardwayError("it failed"))
        else:
            ledger.crash = ValueError()
    assert [each.told() for each in waiting] == [False, False]
    assert not ledger.await_phases(["first"]) and not ledger.wait_for(lambda: True), "and nobody waits any more"


def test_who_waits_for_a_phase_is_not_asked_with_every_step(ledger):
    looks = 0

    class Counted(set):
        def __contains__(self, name: object) -> bool:
            nonlocal looks
            looks += 1
            return super().__contains__(name)

    ledger.ready = Counted()
    waiting = [Waiting(lambda: ledger.await_phases(["first"])) for _ in range(20)]
    while len(ledger._for_phases) < len(waiting):
        threading.Event().wait(0.001)
    looks = 0
    for _ in range(100):
        with ledger.news():
            ledger.left["second"] -= 1
    assert looks == 0
    with ledger.news():
        ledger.ready.add("first")
    assert all(each.told() for each in waiting) and looks == len(waiting)
