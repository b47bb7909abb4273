"""Whose host it is stands there before anything else of ours, whichever phases are selected."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest
from fakes.world import changes

from hardway.errors import HardwayError
from hardway.phases import PHASES
from hardway.pki.credentials import Credentials
from hardway.plans import Agreement, Plan, foresee
from hardway.preflight import findings
from hardway.run.mark import MARK
from hardway.run.selection import Selection
from hardway.state.statedir import Overlay

pytestmark = pytest.mark.slow

SELECTIONS = [
    Selection(skip=("prepare",)),
    Selection(skip=("prepare", "binaries")),
    Selection(only=("binaries",)),
    Selection(only=("load-balancer",)),
    Selection(start="containers"),
]


def phases(world, selection: Selection):
    """Of those that remember what they rendered."""
    chosen = {phase.name for phase in selection.phases()}
    return tuple(phase for phase in world.phases if phase.name in chosen)


def occupied(world, hosts) -> list[str]:
    """Where preflight would take data of etcd's or containerd's for somebody else's."""
    folders = ("/var/lib/etcd", "/var/lib/containerd")
    found = {name: dataclasses.replace(facts, occupied=folders) for name, facts in world.facts.items() if name in hosts}
    inputs = dataclasses.replace(world.inputs(), facts=world.facts | found)
    return [one.host for one in findings(inputs) if one.name == "Occupied"]


def attempt(world, selection: Selection, permit=lambda *step: None) -> None:
    """A run that may fail: what it needs is perhaps not there."""
    some = tuple(dataclasses.replace(phase, deadline=0.01) for phase in phases(world, selection))
    with contextlib.suppress(HardwayError):
        world.run(some, permit=permit)


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_the_mark_is_the_first_write_on_every_host(bare, selection):
    world = bare("lab")
    attempt(world, selection)
    first = {}
    for target, op in world.log:
        if target in world.hosts and op.verb != "packages" and "/" not in op.verb:
            first.setdefault(target, op.verb)
    assert first and set(first.values()) == {"cluster"}
    assert occupied(world, first) == [] and occupied(bare("lab"), first)


def test_a_whole_run_marks_in_prepare(bare):
    world = bare("lab")
    marked = {key for key, resources in changes(world.plan()).items() if MARK in resources}
    assert marked == {("prepare", name) for name in world.hosts}


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_a_plan_says_where_the_mark_is_made_and_the_run_makes_it_there(bare, selection):
    world = bare("lab")
    planned = {key for key, resources in changes(world.plan(phases(world, selection))).items() if MARK in resources}
    seen = set()
    attempt(world, selection, lambda phase, target, found, again: seen.update(marks(phase, target, found)))
    assert seen and seen <= planned, "a run that fails comes to some of the hosts only"


def marks(phase: str, target: str, found) -> set[tuple[str, str]]:
    return {(phase, target) for change in found if change.key == MARK}


def test_a_saved_plan_allows_the_mark_in_the_phase_after_one_that_is_skipped(bare):
    """`--plan-file` with `--step`: whoever skips prepare has the next phase mark the host."""
    world = bare("lab")
    world.credentials.ensure_all()
    agreement = Agreement(foreseen(world), world.store, False, "hardway plan INV")
    skipped = tuple(phase for phase in world.phases if phase.name in ("preflight", "pki", "binaries"))
    world.run(skipped, permit=agreement.permit)
    assert all(facts.cluster == "lab" for name, facts in world.facts.items() if name != "lb")
    world.run(tuple(phase for phase in world.phases if phase.name == "prepare"), permit=lenient(agreement))


def lenient(agreement: Agreement):
    """What was done already is no difference, as after an interruption."""
    return lambda phase, target, found, again: agreement.permit(phase, target, found, True)


def foreseen(world) -> Plan:
    inputs = dataclasses.replace(world.inputs(), credentials=Credentials(world.cluster, Overlay(world.store)))
    return foresee(inputs, world.readers(), PHASES, world.names)


def test_a_mark_that_is_lost_is_made_again(built):
    world = built("lab")
    world.hosts["worker-0"].disk.forget("cluster")
    assert changes(world.run()) == {("prepare", "worker-0"): [MARK]}
    assert world.facts["worker-0"].cluster == "lab"
