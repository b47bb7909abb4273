"""A run that dies before any of its writes, whichever, is completed by the next: same hosts, nothing running with older
files."""

from collections import Counter

import pytest
from fakes.world import Killed, World

pytestmark = pytest.mark.slow

EVERY, SOME = 1, 23
PARTS = 8  # of all moments, two of which `make test` tries


def whole(op) -> bool:
    """Whether this is the beginning of an op, and not one of the writes inside it."""
    return "/" not in op.verb


def anything(op) -> bool:
    return True


def moments(world, every: int, counts=anything) -> list[tuple[str, int]]:
    """(target, n) for each n-th write of a complete run on that target."""
    found = Counter(target for target, op in world.log if counts(op))
    return [(target, n) for target, count in sorted(found.items()) for n in range(count)][::every]


def dies_at(world, target: str, moment: int, counts=anything) -> None:
    """Kill the run before write number `moment` on a target; whatever others do goes on until they write again."""
    seen = Counter()

    def death(name, op) -> bool:
        seen[name] += counts(op)
        return name == target and counts(op) and seen[name] == moment + 1

    world.death = death
    with pytest.raises(Killed):
        world.run()
    assert world.dead
    world.revive()


def complete(world) -> dict:
    """Run again; nothing may be left that runs with older files."""
    world.run()
    assert world.outdated() == []
    return world.digest()


@pytest.mark.moments(every=PARTS, sample=2)
@pytest.mark.parametrize(("name", "counts"), [("lab", whole), ("single", anything)])
def test_a_bootstrap_that_dies_is_completed_by_the_next(name, counts, moment, bare):
    """A part is every eighth write, from another one on: together they are all."""
    world, start = founded(bare(name))
    todo = moments(world, EVERY, counts)
    all_complete(start, world.digest(), todo[int(moment * PARTS) :: PARTS], counts)
    assert len(todo) > 25 * PARTS


@pytest.mark.parametrize("name", ["vagrant", "ha"])
def test_a_larger_bootstrap_that_dies_is_completed_by_the_next(name, bare):
    world, start = founded(bare(name))
    todo = moments(world, SOME)
    all_complete(start, world.digest(), todo)
    assert len(todo) > 25


def founded(world) -> tuple[World, World]:
    """A world after its bootstrap, and as it was before, with the same keys."""
    world.credentials.ensure_all()
    start = world.copy()
    world.run()
    return world, start


def all_complete(start, wanted: dict, todo: list[tuple[str, int]], counts=anything) -> None:
    for target, moment in todo:
        victim = start.copy()
        dies_at(victim, target, moment, counts)
        assert same(complete(victim), wanted), f"killed before write {moment} on {target}"


def test_keys_made_before_a_death_are_the_keys_after_it(bare):
    world = bare("lab")
    reference = world.copy()
    reference.run()
    for target, moment in [m for m in moments(reference, EVERY) if m[0] == "operator"]:
        victim = world.copy()
        dies_at(victim, target, moment)
        kept = {name: data for name, data in victim.store._written.items() if name.endswith(".key")}
        complete(victim)
        assert kept.items() <= victim.store._written.items()


@pytest.mark.parametrize("name", ["lab", "single"])
def test_an_upgrade_that_dies_restarts_everything_that_changed(name, built):
    """New programs and new flags over a running cluster: no moment of death leaves a unit behind."""
    start = built(name)
    start.assets.version = "2"
    world = start.copy()
    world.run()
    todo = moments(world, 7 if name == "lab" else EVERY)
    wanted = world.digest()
    for target, moment in todo:
        victim = start.copy()
        dies_at(victim, target, moment)
        assert same(complete(victim), wanted), f"killed before write {moment} on {target}"
    assert len(todo) > 10


@pytest.mark.parametrize(
    "path", ["/var/lib/kubelet/config.yaml", "/usr/local/bin/kubelet", "/etc/systemd/system/kubelet.service"]
)
def test_mending_what_somebody_changed_and_restarted_survives_death(path, built):
    """The unit's stamp names the files we want, but it runs others: a run that dies between file and restart must not
    leave it so."""
    start = built("single")
    wanted, host = start.digest(), start.hosts["all-in-one"]
    host.disk.write(path, host.disk.read(path) + b"# by hand\n", host.disk.files[path].mode)
    host.systemd.reload()
    host.systemd.restart("kubelet.service")
    world = start.copy()
    world.run()
    todo = moments(world, EVERY)
    for target, moment in todo:
        victim = start.copy()
        dies_at(victim, target, moment)
        assert same(complete(victim), wanted), f"killed before write {moment} on {target}"
    assert len(todo) >= 4


def test_a_reset_that_dies_is_completed_by_the_next(built, bare):
    start = built("single")
    start.hosts["all-in-one"].disk.write("/etc/unrelated", b"ours is not\n")
    world = start.copy()
    world.reset()
    wanted, todo = world.hosts["all-in-one"].digest(), moments(world, EVERY)
    for target, moment in todo:
        victim = start.copy()
        count = {"left": moment}

        def death(name, op, count=count) -> bool:
            count["left"] -= 1
            return count["left"] < 0

        victim.death = death
        with pytest.raises(Killed):
            victim.reset()
        victim.revive()
        victim.reset()
        assert victim.hosts["all-in-one"].digest() == wanted, f"killed before write {moment} on {target}"
    assert len(todo) > 50


def same(one: dict, other: dict) -> bool:
    """Equal clusters; where they are not, the first difference makes the failure readable."""
    for name in one.keys() | other.keys():
        if one[name] != other[name] and isinstance(one[name], dict):
            for part in one[name]:
                assert one[name][part] == other[name].get(part), (name, part)
    return one == other
