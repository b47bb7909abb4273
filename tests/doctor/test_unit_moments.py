"""A unit that ends and is started anew is sick at whatever moment it is looked at; one that has settled is not."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from hardway.commands.doctor import units
from hardway.resources import Unit
from hardway.vocabulary import Probe

SCHEDULER = "kube-scheduler.service"
REFUSES = "Error: unknown flag: --no-such-flag\n"
RUNS, AGAIN, ENDED = "active 3", "active 4", "activating 3"


class Scene:
    """A host whose unit is found in one state, with so many restarts, after the other, and stays in the last.

    `lived` is how long it has run whenever that is asked.
    """

    def __init__(self, cluster, *moments: str, lived: str = "0"):
        self.cluster, self.moments, self.lived = cluster, list(moments), lived
        self.stop, self.looks = threading.Event(), 0

    def wanted(self, host, kind):
        return [Unit(SCHEDULER)] if host.name == "c-0" else []

    def once(self, key, work):
        return work()

    def ask(self, host, probes):
        return {probe: self._answer(probe) for probe in probes}

    def _answer(self, probe: Probe) -> str:
        if probe.verb == "unit":
            self.looks += 1
            state, _, restarts = (self.moments.pop(0) if len(self.moments) > 1 else self.moments[0]).partition(" ")
            return f"ActiveState={state}\nUnitFileState=enabled\nNRestarts={restarts}\nResult=exit-code"
        return {"lived": self.lived, "journal": REFUSES}.get(probe.verb, "no")


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(units, "LOOK", 0.001)


def patient(scene: Scene) -> SimpleNamespace:
    session = SimpleNamespace(parallel=4)
    return SimpleNamespace(scene=scene, cluster=scene.cluster, there=scene.cluster.hosts, session=session)


def found(cluster, *moments: str, **how) -> list[str]:
    scene = Scene(cluster, *moments, **how)
    return [one.unit for one in units._on(patient(scene), cluster.host("c-0")) if one.crashing]


@pytest.mark.parametrize("moments", [[ENDED], [RUNS, ENDED], [RUNS, RUNS, RUNS, ENDED], [RUNS, AGAIN]])
def test_a_program_that_refuses_its_flag_is_sick_at_every_moment(cluster, moments):
    assert found(cluster, *moments) == [SCHEDULER]


@pytest.mark.parametrize(("moment", "lived"), [(RUNS, "60"), ("active 0", "0"), ("active", "0")])
def test_one_that_runs_is_asked_once(cluster, moment, lived):
    scene = Scene(cluster, moment, lived=lived)
    assert units._on(patient(scene), cluster.host("c-0")) == [] and scene.looks == 1


def test_one_that_was_started_anew_and_stays_is_well(cluster, monkeypatch):
    monkeypatch.setattr(units, "STEADY", 0.05)
    assert found(cluster, RUNS, lived="") == []


def test_the_flag_is_named_whenever_it_is_looked_at(cluster):
    scene = Scene(cluster, RUNS, ENDED)
    [said] = units.refused(patient(scene))
    assert said.what == "kube-scheduler refuses --no-such-flag" and said.host == "c-0"
