"""Worlds made from the inventories that are shipped."""

import functools
from pathlib import Path

import pytest
from fakes.world import World

from hardway.inventory import load
from hardway.targets.live import wait

INVENTORIES = Path(__file__).parents[2] / "inventory"
NAMES = sorted(file.stem for file in INVENTORIES.glob("*.yaml"))


def pytest_generate_tests(metafunc):
    if "inventory" in metafunc.fixturenames:
        metafunc.parametrize("inventory", NAMES)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """What is awaited in memory comes at once or never."""
    monkeypatch.setattr("hardway.run.waiting.wait", functools.partial(wait, interval=0.001))


@pytest.fixture
def bare(tmp_path):
    """bare(NAME): an inventory's cluster on machines that have never heard of it."""
    return lambda name: World(load(INVENTORIES / f"{name}.yaml"), tmp_path)


@pytest.fixture
def built(bare):
    """built(NAME): the same after a bootstrap, with an empty log."""

    def build(name: str) -> World:
        world = bare(name)
        world.run()
        world.log.clear()
        return world

    return build
