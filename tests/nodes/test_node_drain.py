"""`hardway node drain` and `uncordon` as commands: all looked at first, all cordoned next, then one after the other."""

from __future__ import annotations

import pytest
from fakes.memory_pods import pod
from fakes.memory_session import MemorySession
from fakes.node_world import steps, written
from fakes.world import World

from hardway.commands.node import draining
from hardway.drain import Options
from hardway.drain.cordon import cordon_of
from hardway.errors import ConnectionFailed, DrainRefused, HostErrors, UsageError

pytestmark = pytest.mark.slow

W = ("worker-0", "worker-1")


def drain(world: World, *names: str, **options) -> str:
    session = MemorySession.on(world)
    draining.drain(session, names, Options(**options), f"hardway node drain INV {' '.join(names)}")
    return session.said.getvalue()


def cordons(world: World) -> list:
    return [cordon_of(world.objects.by_path[f"/api/v1/nodes/{name}"]) for name in W]


def test_all_are_cordoned_before_the_first_pod_is_evicted(world):
    drain(world, *W)
    acts = [act for target, act in written(world) if target == "kubernetes"]
    assert acts[:2] == [f"PATCH /api/v1/nodes/{name}" for name in W] and all("eviction" in act for act in acts[2:])
    assert [one.command for one in cordons(world)] == ["node drain", "node drain"]


def test_none_is_cordoned_when_one_of_them_cannot_be_drained(world):
    pod(world.objects, "worker-1", "alone", None)
    with pytest.raises(DrainRefused, match="worker-1 is not drained"):
        drain(world, *W)
    assert world.log == [] and cordons(world) == [None, None]


def test_it_says_what_went_and_what_stayed(world):
    pod(world.objects, "worker-1", "static", None, annotations={"kubernetes.io/config.mirror": "x"})
    said = drain(world, "worker-1")
    assert "worker-1: evicted default/web-on-worker-1 (ReplicaSet web-1)" in said
    assert "worker-1: drained: 2 pods evicted, 1 of the node's own stay" in said


def test_a_plan_changes_nothing(world):
    pod(world.objects, "worker-1", "static", None, annotations={"kubernetes.io/config.mirror": "x"})
    found = steps(draining.plan(MemorySession.on(world), ["worker-1"], Options(), ""), "worker-1")
    assert (
        list(found) == ["cordon", "drain", "stay"]
        and "evict default/web-on-worker-1 (ReplicaSet web-1)" in found["drain"]
    )
    assert world.log == []


def test_uncordon_lets_pods_come_again_whoever_cordoned(world):
    drain(world, "worker-1")
    world.objects.by_path["/api/v1/nodes/worker-0"]["spec"]["unschedulable"] = True
    session = MemorySession.on(world)
    draining.uncordon_all(session, W)
    assert (
        cordons(world) == [None, None] and "worker-0: may have pods again (it was cordoned)" in session.said.getvalue()
    )
    again = MemorySession.on(world)
    draining.uncordon_all(again, W)
    assert "worker-1: was not cordoned" in again.said.getvalue()


def test_a_node_that_left_the_inventory_can_be_drained(world):
    from fakes.node_world import without

    world.use(without(world.cluster, "worker-1"))
    drain(world, "worker-1")
    assert cordons(world)[1].command == "node drain"


def test_there_must_be_such_a_node(world):
    with pytest.raises(UsageError) as caught:
        drain(world, "worker-7")
    assert caught.value.message == "there is no node worker-7" and "did you mean worker-" in caught.value.hint


def test_no_control_plane_host_answers(world):
    world.away = {host.name for host in world.cluster.control_plane}
    with pytest.raises((HostErrors, ConnectionFailed)) as caught:
        drain(world, "worker-1")
    assert caught.value.exit_code == 4
