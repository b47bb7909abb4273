"""What doctor says of a drain or a removal that was not finished: where it stands, and the command that goes on."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fakes.world import World

from hardway.commands.doctor.leaving import cordoned, removed
from hardway.drain import Drain, Options, cordon

pytestmark = pytest.mark.slow


def patient(world: World) -> SimpleNamespace:
    known = SimpleNamespace(lives=world.lives, facts=world.facts)
    return SimpleNamespace(session=SimpleNamespace(live=world.live), known=known, cluster=world.cluster)


def test_a_drain_with_pods_left_is_named_with_both_ways_on(world):
    cordon(world.live.kube(), "worker-1", "node drain")
    [found] = cordoned(patient(world))
    assert found.host == "worker-1" and found.warning
    assert "cordoned by `hardway node drain` since" in found.what and "2 pods are left on it" in found.what
    continues, gives_up = found.next.split("; ")
    assert continues == "hardway node drain INV worker-1   continues"
    assert gives_up == "hardway node uncordon INV worker-1   gives it up"


def test_a_node_that_is_drained_is_as_it_should_be(world):
    Drain(world.live.kube, "worker-1", Options()).run()
    assert list(cordoned(patient(world))) == []


@pytest.mark.parametrize(
    ("command", "onward"),
    [("node remove", "hardway node remove INV worker-1   continues"), ("upgrade", "hardway upgrade INV   continues")],
)
def test_a_command_that_ends_with_more_than_a_cordon_is_not_done(world, command, onward):
    Drain(world.live.kube, "worker-1", Options(), command).run()
    [found] = cordoned(patient(world))
    assert "0 pods are left on it" in found.what and found.next.startswith(onward)


def test_a_persons_cordon_is_a_persons_business(world):
    world.objects.by_path["/api/v1/nodes/worker-1"]["spec"]["unschedulable"] = True
    assert list(cordoned(patient(world))) == []


def test_the_data_of_a_member_that_was_removed_is_found(world):
    own = next(one for one in world.membership.members() if one.name == "controller-1")
    world.etcd().remove_member(own.id)
    [found] = removed(patient(world))
    assert (found.host, found.what) == ("controller-1", "its etcd member was removed, and its data is still there")
    assert found.next.startswith("hardway node remove INV controller-1   continues its removal")
    assert "hardway reset INV --limit controller-1; hardway node add INV controller-1" in found.next


def test_of_members_that_cannot_be_asked_nothing_is_said(world):
    assert list(removed(patient(world))) == []
    for host in world.cluster.etcd_members:
        world.hosts[host.name].systemd.unit("etcd.service").active = "inactive"
    assert list(removed(patient(world))) == []
