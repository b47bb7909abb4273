"""A cluster in memory with pods of a user's on worker-1."""

import functools

import pytest
from drain_world import LAB, NODE, Clock, Told
from fakes.memory_pods import pod
from fakes.world import World

from hardway.inventory import load


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> World:
    world = World(load(LAB), tmp_path_factory.mktemp("world"))
    world.run()
    for number in range(2):
        labels = {"app": "web", "pod-template-hash": "6d5f"}
        pod(world.objects, NODE, f"web-{number}", ("ReplicaSet", "web-6d5f"), labels=labels)
    return world


@pytest.fixture
def world(built) -> World:
    return built.copy()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def drain(world, clock):
    """drain(node, command=…, OPTIONS…)."""
    return functools.partial(Told, world, clock)
