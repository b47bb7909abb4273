"""Hosts join and leave while a CA is being replaced: the stage stays, nobody is refused, and the rotation ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes.memory_session import MemorySession
from fakes.node_world import add, more, power_off, remove, replace_by, without
from fakes.world import Killed, World
from test_rotating import long_lived, rotate, rotation, settled, watched
from trusting import broken, everywhere

from hardway.cluster import Role
from hardway.commands.certs.rotation import rotating
from hardway.errors import DriftError, PkiError
from hardway.pki.rotation import Stage

pytestmark = pytest.mark.slow

__all__ = ["long_lived"]

C1, C3 = "controller-1", "controller-3"
STAGES = [Stage.TRUST, Stage.SIGN, Stage.DROP]


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr("hardway.drain.draining.PACE", 0.001)


@pytest.fixture
def world(living) -> World:
    """The cluster is what its value says: these tests have hosts that no file names."""
    world = living()
    world.bound()
    world.use(replace(world.cluster, source=None))
    return world


def half_done(world: World, kind: str, stage: Stage) -> bytes:
    """A rotation that died in the middle of a stage's pass, when controller-1 had begun to follow; the old CA."""
    old = rotation(world, kind).newer

    def death(name, op) -> bool:
        return name == C1 and rotation(world, kind).stage is stage

    watched(world, death)
    with pytest.raises(Killed):
        rotate(world, kind)
    world.revive()
    assert rotation(world, kind).stage is stage and broken(world) == []
    world.use(world.cluster)
    return old


def ended(world: World, kind: str, old: bytes) -> None:
    """The same command afterwards goes to the end."""
    world.use(world.cluster)
    rotate(watched(world), kind)
    assert settled(world) and rotation(world, kind).stage is Stage.NONE
    assert [
        hit for hit in everywhere(world, old) if hit.partition(":")[0] in {host.name for host in world.cluster.hosts}
    ] == []


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("kind", ["kubernetes", "etcd", "front-proxy", "service-account"])
def test_a_host_of_all_roles_joins(world, kind, stage):
    old = half_done(world, kind, stage)
    more(world, C3, "10.240.0.13", Role.ETCD, Role.CONTROL_PLANE, Role.WORKER, block="10.200.7.0/24")
    add(watched(world), C3)
    assert rotation(world, kind).stage is stage and broken(world) == []
    ended(world, kind, old)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("kind", ["kubernetes", "etcd"])
def test_hosts_leave(world, kind, stage):
    """Two of three members: two that are left could never be restarted without losing the quorum."""
    leave = ("controller-0", "controller-2", "worker-1")
    old = half_done(world, kind, stage)
    remove(watched(world), *leave)
    assert rotation(world, kind).stage is stage and broken(world) == []
    world.use(without(world.cluster, *leave))
    ended(world, kind, old)


@pytest.mark.parametrize("stage", STAGES)
def test_a_machine_that_died_in_the_middle_is_removed_and_the_rotation_goes_on(world, stage):
    """A rotation needs an answer from all hosts."""
    old = half_done(world, "kubernetes", stage)
    power_off(world, "controller-2", "worker-1")
    remove(watched(world), "controller-2", "worker-1", gone=True, force=True)
    world.use(without(world.cluster, "controller-2", "worker-1"))
    ended(world, "kubernetes", old)


@pytest.mark.parametrize("gone", [False, True])
def test_a_member_is_replaced(world, gone):
    old = half_done(world, "etcd", Stage.SIGN)
    if gone:
        power_off(world, "controller-2")
    world.use(without(world.cluster, "controller-2"))
    more(world, "controller-9", "10.240.0.19", Role.ETCD, Role.CONTROL_PLANE)
    replace_by(watched(world), "controller-2", "controller-9", gone=gone)
    assert rotation(world, "etcd").stage is Stage.SIGN and broken(world) == []
    ended(world, "etcd", old)


@pytest.mark.parametrize("stage", [Stage.NONE, Stage.TRUST])
def test_a_node_that_the_inventory_no_longer_has_would_be_cut_off(world, stage):
    """Its worker runs on, and nobody would bring it the new CA."""
    if stage is Stage.TRUST:
        half_done(world, "kubernetes", stage)
    whole = world.cluster
    world.use(without(whole, "worker-1"))
    world.run()  # its name leaves the other hosts
    with pytest.raises(DriftError) as refusal:
        rotate(world, "kubernetes")
    assert "worker-1" in refusal.value.message and "hardway node remove INV worker-1; then:" in refusal.value.hint
    assert rotation(world, "kubernetes").stage is stage
    if stage is Stage.NONE:
        with pytest.raises(DriftError, match="worker-1"):
            rotating.foresee(MemorySession.on(world).looking(), "kubernetes")
        rotate(world, "etcd")  # no worker has anything to do with it
    world.use(whole)
    world.run()
    rotate(watched(world), "kubernetes")
    assert settled(world) and rotation(world, "kubernetes").stage is Stage.NONE


def test_a_host_that_joins_without_the_key_of_the_ca_needs_its_certificates_first(world):
    """They are signed elsewhere."""
    del world.store._written["pki/ca.key"]
    for host in world.cluster.control_plane:
        del world.hosts[host.name].disk.files["/etc/kubernetes/pki/ca.key"]
    world.use(world.cluster)
    world.run()
    world.log.clear()
    more(world, "worker-2", "10.240.0.22", Role.WORKER, block="10.200.2.0/24")
    with pytest.raises(PkiError) as refusal:
        add(world, "worker-2")
    assert "pki/hosts/worker-2/kubelet.crt" in refusal.value.evidence and "hardway certs csr" in refusal.value.hint
    assert {target for target, _ in world.log} <= {"worker-2"}
