"""A bootstrap converges, says beforehand what it will do, and then has nothing left to do."""

from fakes.world import changes

from hardway.phase import API
from hardway.phases import PHASES
from hardway.resources.kubernetes import UNKNOWN


def predicted(done, hosts_only: bool = True):
    """A plan's or run's changes with their reasons, without the API's, which a bare cluster cannot be asked for."""
    found = {
        (s.phase, s.target, c.key): c.restarts
        for s in done
        for c in s.changes
        if not (hosts_only and s.target == API.name)
    }
    return dict(sorted(found.items()))


def test_a_bootstrap_of_bare_hosts_converges(inventory, bare):
    world = bare(inventory)
    done = world.run()
    assert {step.phase for step in done} == {phase.name for phase in PHASES if phase.targets(world.cluster)}
    assert sum(len(step.changes) for step in done) > 100
    assert world.outdated() == []
    for host in world.cluster.hosts:
        active = {
            name
            for name, unit in world.hosts[host.name].systemd.units.items()
            if unit.active == "active" and unit.enabled
        }
        assert active, f"nothing runs on {host.name}"


def test_a_second_run_changes_nothing_and_writes_nothing(inventory, built):
    world = built(inventory)
    before = world.digest()
    assert changes(world.run()) == {}
    assert world.log == [] and world.digest() == before


def test_a_plan_writes_nothing_and_says_what_the_run_will_do(inventory, bare):
    world = bare(inventory)
    before = world.digest()
    planned = world.plan()
    assert world.log == [] and world.digest() == before
    assert predicted(planned) == predicted(world.run())
    objects = [change for step in planned if step.target == API.name for change in step.changes]
    assert objects and all(change.unknown and UNKNOWN in change.why[0] for change in objects)


def test_a_plan_after_a_run_is_empty(inventory, built):
    world = built(inventory)
    assert changes(world.plan()) == {} and world.log == []


def test_a_plan_needs_one_round_trip_for_each_host(inventory, built):
    world = built(inventory)
    before = {name: host.round_trips for name, host in world.hosts.items()}
    world.plan()
    assert {name: host.round_trips - before[name] for name, host in world.hosts.items()} == dict.fromkeys(
        world.hosts, 1
    )


def test_units_are_started_once(inventory, built):
    for host in built(inventory).hosts.values():
        started = {name: unit.starts for name, unit in host.systemd.units.items() if unit.starts}
        assert started == dict.fromkeys(started, 1)


def test_one_host_at_a_time_is_enough(inventory, bare, tmp_path):
    world = bare(inventory)
    world.run(parallel=1)
    assert changes(world.run()) == {} and world.outdated() == []
