"""A unit that is to be at rest: whatever would run it later counts too."""

from __future__ import annotations

import pytest

from hardway.resources import Stopped, Unit
from hardway.resources.base import Situation
from hardway.run.comparing import foreseen
from hardway.vocabulary import Probe

NAME = "etcd.service"
RUNS = "LoadState=loaded\nActiveState=active\nUnitFileState=enabled"
REST = "LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled"
QUEUED = "LoadState=loaded\nActiveState=inactive\nUnitFileState=enabled\nJob=7\nWaits=x.service start running 84"


def said(answer: str) -> Situation:
    return Situation({Probe("unit", (NAME,)): answer})


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (RUNS, ("is active, to be stopped", "not to start at the next boot")),
        (
            QUEUED,
            (
                "waits in systemd's queue for x.service (start running for 84 s), to be stopped",
                "not to start at the next boot",
            ),
        ),
        (
            f"{REST}\nActiveState=activating\nSubState=auto-restart",
            ("exited, and systemd starts it again, to be stopped",),
        ),
        (f"{REST}\nActiveState=failed", None),
        (REST, None),
    ],
)
def test_what_has_to_be_stopped(answer, why):
    change = Stopped(NAME).compare(said(answer))
    assert (change and change.why) == why
    assert change is None or [str(op.verb) for op in change.ops] == ["stop"]


@pytest.mark.parametrize("answer", [RUNS, QUEUED])
def test_a_later_phase_sees_it_stopped(answer):
    before = said(answer).answers
    after = foreseen(before, [Stopped(NAME).compare(Situation(before))])
    assert Stopped(NAME).compare(Situation(after)) is None
    change = Unit(NAME).compare(Situation(after))
    assert "is inactive, to be started" in change.why
