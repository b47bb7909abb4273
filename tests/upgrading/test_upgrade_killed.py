"""An upgrade that dies before any of its writes, whichever, is completed by the next: it comes to the same cluster, and
both keep the order of versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from fakes.fake_live import FakeLive
from fakes.world import Killed, World
from upgrading.test_passes import SETS
from upgrading.upgrade_world import Watch, kept, played, state, upgrade, wanting

pytestmark = pytest.mark.slow


@dataclass
class Whole:
    """An upgrade that nobody disturbed: how many writes it made, and what it came to."""

    writes: int
    state: dict


def watched(world: World, monkeypatch) -> Watch:
    watch, answer = Watch(world), FakeLive._apiserver
    monkeypatch.setattr(FakeLive, "_apiserver", lambda live, host: watch.asked(live, host) or answer(live, host))
    return watch


@pytest.fixture(scope="module")
def wholes() -> dict[tuple[str, int], Whole]:
    return {}


@pytest.fixture
def whole(wholes, worlds, gates) -> Callable[[str, int], Whole]:
    def found(name: str, start: int) -> Whole:
        if (name, start) not in wholes:
            world = wanting(worlds(name, SETS[start]), SETS[3])
            upgrade(world)
            wholes[name, start] = Whole(len(world.log), state(world))
        return wholes[name, start]

    return found


@pytest.mark.moments(every=300, sample=4)
@pytest.mark.parametrize(("name", "start"), [("lab", 1), ("single", 0)])
def test_killed_before_any_write(name, start, moment, whole, worlds, gates, monkeypatch):
    reference = whole(name, start)
    number, world = int(moment * reference.writes), wanting(worlds(name, SETS[start]), SETS[3])
    watch, written = watched(world, monkeypatch), []

    def death(target, op) -> bool:
        written.append(op)
        return len(written) > number

    world.death = death
    with pytest.raises(Killed):
        upgrade(world)
    world.revive()
    upgrade(world)
    assert watch.broken == [] and kept(world) == [] and not played(world).way() and world.outdated() == []
    assert state(world) == reference.state, f"killed before write {number} of about {reference.writes}"


@pytest.mark.moments(every=40, sample=2)
def test_killed_twice_and_a_plan_in_between_says_what_is_left(moment, whole, worlds, gates):
    from fakes.memory_session import MemorySession

    from hardway.commands import upgrade as command

    reference, world = whole("lab", 1), wanting(worlds("lab", SETS[1]), SETS[3])
    for part in (moment / 2, moment):
        number, written = int(part * reference.writes / 2), []
        world.death = lambda target, op, written=written, number=number: written.append(op) or len(written) > number
        with pytest.raises(Killed):
            upgrade(world)
        world.revive()
        found = command.foresee(MemorySession.on(world), command.aimed(world.cluster), command.Options())
        assert world.log == [] and not found.refused and found.steps
    upgrade(world)
    assert state(world) == reference.state
