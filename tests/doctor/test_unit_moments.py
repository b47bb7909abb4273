"""A unit that ends and is started anew is sick at whatever moment it is looked at; one that has settled is not."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from hardway.commands.doctor import DIAGNOSES, Finding, units
from hardway.commands.doctor.causes import causes
from hardway.resources import Unit
from hardway.vocabulary import Probe

SCHEDULER = "kube-scheduler.service"
REFUSES = "Error: unknown flag: --no-such-flag\n"
RUNS, AGAIN, ENDED = "active 3", "active 4", "activating 3"


class Scene:
    """A host whose unit is found in one state, with so many restarts, after the other, and stays in the last.

    `lived` is how long it has run whenever that is asked.
    """

    def __init__(self, cluster, *moments: str, lived: str = "0", more: str = ""):
        self.cluster, self.moments, self.lived, self.more = cluster, list(moments), lived, more
        self.stop, self.looks, self.names = threading.Event(), 0, [SCHEDULER]

    def wanted(self, host, kind):
        return [Unit(name) for name in self.names] if host.name == "c-0" else []

    def once(self, key, work):
        return work()

    def ask(self, host, probes):
        return {probe: self._answer(probe) for probe in probes}

    def _answer(self, probe: Probe) -> str:
        if probe.verb == "unit":
            self.looks += 1
            state, _, restarts = (self.moments.pop(0) if len(self.moments) > 1 else self.moments[0]).partition(" ")
            return f"ActiveState={state}\nUnitFileState=enabled\nNRestarts={restarts}\nResult=exit-code\n{self.more}"
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


def seen(cluster, behind: str, *names: str) -> list[Finding]:
    """What is found of units that are in systemd's queue behind a job, told as one host's."""
    scene = Scene(cluster, "inactive 0", more=f"Job=7\nWaits={behind}")
    scene.names = list(names)
    known = (units.HELD_UP, units.REFUSED, units.STARTING, *units.UNITS.values())
    return [replace(found, name=one.name) for one in known for found in one.look(patient(scene))]


def test_a_boot_that_hangs_is_one_cause_and_no_unit_is_called_stopped(cluster):
    found = seen(cluster, "x-wait-online.service start running 84", "kubelet.service", "containerd.service")
    [cause] = causes(DIAGNOSES, [*found, Finding("c-0", "not ready", "look", name="nodes-ready")])
    assert cause.finding.name == "systemd-waits" and cause.finding.host == "c-0"
    assert cause.finding.what == (
        "systemd waits for x-wait-online.service (start running for 84 s) before it starts 2 units of the cluster"
    )
    assert cause.finding.evidence == ("in systemd's queue: kubelet.service, containerd.service",)
    assert cause.finding.next == "on c-0: systemctl list-jobs; systemctl status x-wait-online.service"
    assert {one.name for one in cause.consequences} == {"unit-kubelet", "unit-containerd", "nodes-ready"}
    assert not any("stopped" in one.what or "bootstrap" in one.next for one in (cause.finding, *cause.consequences))


def test_one_that_waits_behind_a_unit_of_ours_waits_for_that(cluster):
    """The etcd member beside it waits for the others: that is told of etcd itself."""
    [found] = seen(cluster, "etcd.service start running 20", "kube-apiserver.service")
    assert found.name == "unit-starting" and "waits in systemd's queue for etcd.service" in found.what


def test_what_it_waits_for_may_not_be_known(cluster):
    waits, unit = seen(cluster, "", "kubelet.service")
    assert "something that it does not name" in waits.what and waits.next == "on c-0: systemctl list-jobs"
    assert unit.what == "kubelet.service waits in systemd's queue"


@pytest.mark.parametrize("state", ["inactive 0", "failed 0", "activating 3"])
def test_one_that_is_stopped_or_ends_again_and_again_does_not_wait(cluster, state):
    assert list(units.held_up(patient(Scene(cluster, state)))) == []
