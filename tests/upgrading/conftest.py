"""Worlds in memory at the versions of every tested set; gates that a memory has no means for stand open."""

import functools

import pytest
from fakes.world import World
from upgrading import upgrade_world
from upgrading.test_passes import SETS

from hardway.commands.upgrade.health import Health
from hardway.settings import Versions
from hardway.targets.live import wait


@pytest.fixture
def impatient(monkeypatch):
    """What is awaited in memory comes at once or never."""
    monkeypatch.setattr("hardway.patience._factor", 0.01)
    monkeypatch.setattr("hardway.run.waiting.wait", functools.partial(wait, interval=0.001))
    monkeypatch.setattr("hardway.commands.upgrade.workers.wait", functools.partial(wait, interval=0.001))
    monkeypatch.setattr("hardway.drain.draining.PACE", 0.001)


class Gates:
    """What the checks of `verify` find at each gate, by what comes after it; and the snapshots that were taken."""

    def __init__(self):
        self.bad: tuple[str, ...] = ()
        self.passed: list[bool] = []
        self.snapshots: list[str] = []

    def health(self, view, apart=()) -> Health:
        self.passed.append(not self.bad)
        return Health(25, tuple(line for line in self.bad if line.split()[1].rstrip(":") not in apart))

    def save(self, session, member, final):
        from types import SimpleNamespace

        self.snapshots.append(str(final))
        return SimpleNamespace(revision=7, size=20480, sha256="a" * 64)


@pytest.fixture
def gates(monkeypatch, impatient) -> Gates:
    found = Gates()
    monkeypatch.setattr("hardway.commands.upgrade.conduct.health", found.health)
    monkeypatch.setattr("hardway.commands.upgrade.foresight.health", found.health)
    monkeypatch.setattr("hardway.commands.upgrade.conduct.SETTLING", 0.0)
    monkeypatch.setattr("hardway.snapshots.save", found.save)
    monkeypatch.setattr("hardway.snapshots.require_room", lambda folder, member: None)
    monkeypatch.setattr("hardway.snapshots.choose", lambda said, cluster: None)
    monkeypatch.setattr("hardway.snapshots.ask", lambda session: ())
    return found


@pytest.fixture(scope="session")
def worlds(tmp_path_factory):
    """worlds(NAME, VERSIONS): built once, and copied."""
    known: dict[tuple[str, str], World] = {}
    folder = tmp_path_factory.mktemp("world")

    def world(name: str, versions: Versions = SETS[0]) -> World:
        if (name, versions.kubernetes) not in known:
            known[name, versions.kubernetes] = upgrade_world.built(name, versions, folder)
        return known[name, versions.kubernetes].copy()

    return world
