"""A deadline starts again while something moves, and a person may stretch them all."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hardway import patience
from hardway.errors import NotReadyError
from hardway.patience import MOST, Deadline
from hardway.phase import Pending
from hardway.run import waiting
from hardway.run.crashing import CrashWatch
from hardway.targets import live


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def as_patient_as_ever(monkeypatch):
    monkeypatch.setattr(patience, "_factor", 1.0)


def test_a_deadline_passes():
    clock = Clock()
    deadline = Deadline(60, clock)
    clock.now += 60
    assert not deadline.passed
    clock.now += 1
    assert deadline.passed


def test_it_starts_again_when_something_new_is_seen():
    clock = Clock()
    deadline = Deadline(60, clock)
    deadline.see("etcd is missing")
    clock.now += 50
    deadline.see("the caches are missing")
    assert deadline.seconds == 110
    clock.now += 50
    deadline.see("etcd is missing")
    assert deadline.seconds == 110, "that was so before"
    clock.now += 11
    assert deadline.passed


def test_there_is_an_end_of_it():
    clock = Clock()
    deadline = Deadline(60, clock)
    for _ in range(100):
        clock.now += 30
        deadline.moved()
    assert deadline.seconds == MOST * 60 and deadline.passed


def test_a_person_may_stretch_it():
    patience.stretch(3)
    assert Deadline(60).seconds == 180 and patience.stretched(2) == 6


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("the API to answer (503 after 12 ms)", "the API to answer (503 after 7 ms)", True),
        ("an answer (connection refused)", "an answer (timed out)", True),
        ("the API (etcd is missing)", "the API (caches are missing)", False),
    ],
)
def test_what_is_progress(one, other, same):
    assert (waiting.progress(Pending(one, "a")) == waiting.progress(Pending(other, "a"))) == same
    assert waiting.progress(Pending(one, "a")) != waiting.progress(Pending(one, "b")), "one host less is missing"


class Api:
    """An API server on a slow machine: it is busy for so many seconds, and then ready if it ever is."""

    def __init__(self, clock: Clock, busy: float, ready: float):
        self.clock, self.busy, self.ready = clock, 100.0 + busy, 100.0 + ready
        self.cluster = SimpleNamespace(hosts=())

    def unit(self, host: str, unit: str) -> dict[str, str]:
        used = min(self.clock.now, self.busy) * 0.9
        return {"NRestarts": "0", "CPUUsageNSec": f"{used * 1e9:.0f}"}

    def journal(self, host: str, unit: str, lines: int = 0) -> str:
        return "Starting"

    def missing(self) -> Pending | None:
        self.clock.now += 1
        return None if self.clock.now > self.ready else Pending("the API to be ready", "one", "kube-apiserver.service")


def waited(monkeypatch, busy: float, ready: float) -> tuple[float, list[float]]:
    """How long the wait for it lasted, and the deadlines that were shown."""
    clock, shown = Clock(), []
    api = Api(clock, busy, ready)
    monkeypatch.setattr(waiting, "Deadline", lambda seconds: Deadline(seconds, clock))
    monkeypatch.setattr(waiting, "CrashWatch", lambda live: CrashWatch(live, clock))
    monkeypatch.setattr(waiting.time, "monotonic", clock)
    monkeypatch.setattr(live.threading.Event, "wait", lambda event, seconds: False)
    report = SimpleNamespace(waiting=lambda phase, deadline, *more: shown.append(deadline))
    phase = SimpleNamespace(name="control-plane", deadline=150.0)
    return waiting.await_nothing(phase, api, report, lambda: False, api.missing), shown


def test_an_api_server_that_is_busy_is_waited_for(monkeypatch):
    seconds, shown = waited(monkeypatch, busy=300, ready=320)
    assert seconds > 300 and shown[0] == 150 and max(shown) > 400, "and it is shown"


def test_one_that_does_nothing_is_not(monkeypatch):
    with pytest.raises(NotReadyError) as caught:
        waited(monkeypatch, busy=10, ready=10_000)
    assert 150 < caught.value.waited_seconds < 180 and caught.value.host == "one"


def test_one_that_is_busy_for_ever_is_given_up(monkeypatch):
    with pytest.raises(NotReadyError) as caught:
        waited(monkeypatch, busy=10_000, ready=10_000)
    assert MOST * 150 <= caught.value.waited_seconds < MOST * 150 + 10
