"""When a wait is given up before its deadline: a program that refuses its flags, or ends again and again; never one
that is slow."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hardway.errors import ForwardingError, NotReadyError
from hardway.phase import Pending
from hardway.run.crashing import HOPELESS_RESTARTS, CrashWatch
from hardway.run.waiting import await_nothing

PENDING = Pending("kube-apiserver on one to be ready", "one", "kube-apiserver.service")
REFUSED = "Error: unknown flag: --bad\n"


class Unit:
    """A unit whose restarts and journal are as they are told, and a clock that goes on by a second whenever it is
    looked at."""

    def __init__(self, journal: str):
        hosts = (SimpleNamespace(name="one"),)
        self.cluster = SimpleNamespace(hosts=hosts, extra_args={"kube-apiserver": {"bad": "1"}}, override_args={})
        self.forwarding = True
        self.said, self.restarts, self.now, self.looks = journal, "0", 0.0, 0
        self.more: dict[str, str] = {}

    def clock(self) -> float:
        self.now += 1.0
        return self.now

    def forwards(self, host) -> bool:
        return self.forwarding

    def unit(self, host: str, unit: str) -> dict[str, str]:
        self.looks += 1
        return {"NRestarts": self.restarts, **self.more}

    def journal(self, host: str, unit: str, lines: int = 20) -> str:
        return self.said


def ends(journal: str, *restarts: str):
    """The error with which a wait ends whose unit has been restarted so often at each look."""
    unit = Unit(journal)
    watch = CrashWatch(unit, unit.clock)
    for unit.restarts in restarts:
        if error := watch.given_up(PENDING):
            return error
    return None


def test_a_host_through_which_nothing_can_be_asked_is_not_waited_for():
    unit = Unit("")
    unit.forwarding = False
    watch = CrashWatch(unit, unit.clock)
    with pytest.raises(ForwardingError, match="sshd on one forbids forwarding") as caught:
        watch.given_up(PENDING)
    assert "AllowTcpForwarding" in caught.value.hint and caught.value.exit_code == 4


def test_a_refused_flag_ends_it_after_two_restarts():
    error = ends(REFUSED, "5", "6", "7")
    assert error.message == "kube-apiserver refuses --bad, which the inventory sets under extra_args.kube-apiserver.bad"
    assert error.hint == "correct or remove extra_args.kube-apiserver.bad in INV, then: hardway bootstrap INV"
    assert "Error: unknown flag: --bad" in error.evidence and error.exit_code == 6


@pytest.mark.parametrize(
    ("journal", "restarts"),
    [
        (REFUSED, ["7", "7", "7"]),  # the journal still holds what an earlier unit said
        (REFUSED, ["7", "0", "1"]),  # started anew meanwhile
        ("waiting for etcd\n", ["0", "1", "2", "3"]),
        (REFUSED, ["", "", ""]),  # the host cannot be asked
    ],
)
def test_it_goes_on(journal, restarts):
    assert ends(journal, *restarts) is None


def test_a_unit_that_ends_all_the_time_is_given_up():
    error = ends("panic: no such file\n", "0", str(HOPELESS_RESTARTS))
    assert f"restarted {HOPELESS_RESTARTS} times" in error.message and "panic: no such file" in error.evidence
    assert error.host == "one" and "journalctl -b -u kube-apiserver.service" in error.hint


def test_nothing_is_asked_without_a_unit_nor_more_often_than_each_second():
    unit = Unit(REFUSED)
    watch = CrashWatch(unit, lambda: 5.0)
    for pending in (PENDING, Pending("an answer"), PENDING):
        assert watch.given_up(pending) is None
    assert unit.looks == 0


def test_the_error_names_what_was_waited_for():
    assert ends(REFUSED, "0", "2").waited_for == PENDING.what


QUEUED = {"ActiveState": "inactive", "Job": "3", "Waits": "x-wait-online.service start running 84"}


def waited(unit: Unit, *missing: Pending | None, deadline: float = 0.01) -> float:
    """As a phase waits for what is missing at each look, the last of it for ever."""
    looks = list(missing)
    phase = SimpleNamespace(name="control-plane", deadline=deadline)
    told: list[str] = []
    report = SimpleNamespace(waiting=lambda phase, deadline, what="", host="": told.append(what))
    question = lambda: looks.pop(0) if len(looks) > 1 else looks[0]  # noqa: E731
    return await_nothing(phase, unit, report, lambda: False, question)


def test_what_is_in_systemds_queue_at_the_deadline_is_given_time():
    unit = Unit("")
    unit.more = QUEUED
    assert waited(unit, PENDING, PENDING, None) > 0.01


def test_but_not_for_ever_and_is_told_with_what_it_waits_for(monkeypatch):
    monkeypatch.setattr("hardway.run.waiting.QUEUE_SECONDS", 0.01)
    unit = Unit("")
    unit.more = QUEUED
    with pytest.raises(NotReadyError) as caught:
        waited(unit, PENDING)
    error = caught.value
    waits = "it waits in systemd's queue for x-wait-online.service (start running for 84 s)"
    assert error.message == f"kube-apiserver.service has not started: {waits}"
    assert error.host == "one" and error.hint.startswith("on one: systemctl list-jobs; systemctl status x-wait-online")
    assert error.waited_seconds > 0.15, "both times"


def test_one_that_runs_is_given_no_more_time():
    unit = Unit("the last words")
    unit.more = {"ActiveState": "active"}
    with pytest.raises(NotReadyError, match="gave up waiting for kube-apiserver on one") as caught:
        waited(unit, PENDING)
    assert caught.value.evidence == "the last words"


def test_who_watches_is_told_what_it_waits_for():
    unit = Unit("")
    unit.more = QUEUED
    watch = CrashWatch(unit, unit.clock)
    assert watch.explained(PENDING) == PENDING
    watch.given_up(PENDING)
    said = watch.explained(PENDING)
    assert said.what == f"{PENDING.what}; kube-apiserver.service cannot start before x-wait-online.service"
    assert watch.explained(Pending("an answer")) == Pending("an answer")
