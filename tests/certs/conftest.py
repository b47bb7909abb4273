"""A living cluster in memory, worked on by the real commands."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.memory_ports import use_ports
from fakes.world import World

from hardway.errors import NotReadyError
from hardway.inventory import load
from hardway.targets.live import wait

INVENTORIES = Path(__file__).parents[2] / "inventory"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """What is awaited in memory comes at once or never."""
    monkeypatch.setattr("hardway.run.waiting.wait", functools.partial(wait, interval=0.001))
    for module in ("proof", "rotation.waiting"):
        monkeypatch.setattr(f"hardway.commands.certs.{module}.wait", few)


def few(check, seconds, describe, interval=0.0, stop=None) -> float:
    """The wait of commands, by the number of looks: how long one takes says nothing here."""
    for _ in range(5):
        if not (missing := check()):
            return 0.0
    raise NotReadyError(f"gave up waiting for {describe(missing)}", waited_for=describe(missing))


@pytest.fixture
def living(tmp_path, monkeypatch) -> Callable[[str], World]:
    """living(NAME): the cluster of an inventory that is shipped, after its bootstrap."""

    def build(name: str = "lab") -> World:
        world = World(load(INVENTORIES / f"{name}.yaml"), tmp_path)
        world.run()
        world.log.clear()
        use_ports(world, monkeypatch)
        return world

    return build
