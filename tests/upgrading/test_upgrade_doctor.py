"""What doctor says of a cluster between two versions."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
from fakes.world import World
from upgrading.test_passes import SETS
from upgrading.upgrade_world import upgrade, wanting

from hardway.commands.doctor import DIAGNOSES
from hardway.commands.doctor.drift import versions
from hardway.errors import HardwayError

pytestmark = pytest.mark.slow


def patient(world: World) -> SimpleNamespace:
    known = SimpleNamespace(lives=world.lives, facts=world.facts)
    scene = SimpleNamespace(once=lambda key, work: work())
    return SimpleNamespace(session=SimpleNamespace(live=world.live), known=known, cluster=world.cluster, scene=scene)


def test_one_that_ended_in_the_middle_is_named_with_the_command_that_goes_on(worlds, gates):
    world = wanting(worlds("lab", SETS[1]), SETS[3])
    world.hosts["controller-1"].systemd.broken.add("kube-apiserver.service")
    with pytest.raises(HardwayError):
        upgrade(world)
    [found] = versions(patient(world))
    assert "an upgrade was not finished: Kubernetes 1.35.4, 1.36.3 run side by side" in found.what
    assert found.next.startswith("hardway upgrade INV   continues it") and not found.warning


def test_one_that_was_not_begun_is_no_drift(worlds):
    world = wanting(worlds("lab", SETS[2]), SETS[3])
    [found] = versions(patient(world))
    assert found.what == "Kubernetes 1.36.3 runs, and the inventory says 1.37.2"
    assert "hardway upgrade INV" in found.next
    drift = next(one for one in DIAGNOSES if one.name == "drift")
    assert "upgrade" in drift.anywhere


def test_of_patches_and_of_a_cluster_as_it_should_be_nothing_is_said(worlds):
    world = worlds("lab", SETS[3])
    assert list(versions(patient(world))) == []
    assert list(versions(patient(wanting(world, dataclasses.replace(SETS[3], kubernetes="1.37.0"))))) == []


def test_workers_that_are_behind_are_the_middle_of_one(worlds, gates):
    world = wanting(worlds("lab", SETS[2]), SETS[3])
    world.away = {"worker-1"}
    with pytest.raises(HardwayError):
        upgrade(world)
    world.away = set()
    [found] = versions(patient(world))
    assert "1.36.3, 1.37.2 run side by side" in found.what
