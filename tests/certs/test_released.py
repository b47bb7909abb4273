"""Clusters that were built before the CA that signs requests had a file of its own."""

from __future__ import annotations

import pytest
from fakes.disk import STATE
from fakes.memory_session import MemorySession
from fakes.world import World, changes
from trusting import broken

from hardway.commands.certs import listing, renewing
from hardway.commands.certs.rotation import rotating, standing
from hardway.errors import DriftError
from hardway.pki.rotation import Rotation, Stage

pytestmark = pytest.mark.slow

UNIT = "/etc/systemd/system/kube-controller-manager.service"
SIGNING, CA = "/etc/kubernetes/pki/ca-signing.crt", "/etc/kubernetes/pki/ca.crt"
RESTARTED = ["kube-apiserver.service", "kube-controller-manager.service"]


@pytest.fixture
def released(living) -> World:
    """The controller managers sign with the list of CAs, and API servers were started with the key too."""
    world = living()
    for host in world.cluster.control_plane:
        machine = world.hosts[host.name]
        disk, unit = machine.disk, machine.systemd.unit("kube-controller-manager.service")
        former = disk.read(UNIT).replace(SIGNING.encode(), CA.encode())
        assert former != disk.read(UNIT)
        for path in (SIGNING, f"{STATE}/ours{SIGNING}"):
            disk.files.pop(path)
        disk.write(UNIT, former, "600")
        unit.loaded = {path: content for path, content in unit.loaded.items() if path != SIGNING} | {UNIT: former}
        for name in RESTARTED:
            disk.write(f"{STATE}/stamps/{name}", b"of the files of that version")
    return world


def restarts(world: World) -> list[tuple[str, str]]:
    return [(target, op.args[0]) for target, op in world.log if op.verb == "restart"]


def test_a_bootstrap_restarts_what_read_it_one_host_at_a_time(released):
    def moment(name, op) -> bool:
        assert broken(released) == []
        return False

    released.death = moment
    released.run()
    hosts = [host.name for host in released.cluster.control_plane]
    assert sorted(restarts(released)) == sorted((host, unit) for host in hosts for unit in RESTARTED)
    first = [target for target, unit in restarts(released) if unit == RESTARTED[0]]
    assert len(first) == len(set(first)) and changes(released.plan()) == {} and released.outdated() == []


def test_nothing_is_renewed_or_rotated_before_that(released):
    on = MemorySession.on(released)
    files = dict(released.store._written)
    for act in (
        lambda: renewing.renew(on, ("apiserver",), False, False),
        lambda: renewing.foresee(on.looking(), ("apiserver",), False, False),
        lambda: rotating.rotate(on, "kubernetes", "restart"),
        lambda: rotating.foresee(on.looking(), "kubernetes"),
    ):
        with pytest.raises(DriftError) as refused:
            act()
        assert f"file {UNIT}" in refused.value.evidence and "first: hardway bootstrap" in refused.value.hint
    assert released.store._written == files and released.log == []


def test_it_is_listed_all_the_same(released):
    on = MemorySession.on(released).looking()
    found = {row.name: row for row in listing.collect(on).rows}
    lacking = [(one.host, one.where) for one in found["ca"].copies if one.state == "missing"]
    assert lacking == [(host.name, SIGNING) for host in released.cluster.control_plane]
    (told,) = standing.standings(on, ["kubernetes"])
    assert told.stage == "none" and len(told.left) == 3
    assert "next: hardway bootstrap lab.yaml" in standing.as_text([told], "lab.yaml")


def test_afterwards_its_ca_is_replaced_like_any_other(released):
    released.run()
    rotating.rotate(MemorySession.on(released), "kubernetes", "restart")
    assert Rotation("ca", released.store).stage is Stage.NONE and broken(released) == []
