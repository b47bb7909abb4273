"""Twice the hosts are twice the work: no function is called four times as often, whatever a plan or a run is about.

What is counted are calls, not seconds, so that a busy computer finds the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.counting import counted
from fakes.large import cluster_of, flagged
from fakes.world import World

from hardway.phases import PHASES, wanted_on
from hardway.pki.credentials import Credentials
from hardway.plans import Purpose, as_document, as_json, as_text, foresee
from hardway.run.components import components
from hardway.run.planning import plan
from hardway.run.selection import Selection
from hardway.state.statedir import Overlay

pytestmark = pytest.mark.slow

FEW, MANY = 25, 50
TOO_MUCH = 2.5  # times as many calls; proportional would be 2, with the square 4
# Each of N hosts has a line for each of N hosts among its routes: what is made of one, read and compared. Each of N
# threads that wait for their turn is looked at when one of N turns ends. The watch looks at each host again and again
# while a run lasts: on a busy computer one of many hosts lasts longer.
ALLOWED = (
    "cluster:Cluster.pod_routes.<genexpr>",
    "resources.system:LiveRoutes.compare.<genexpr>",
    "facts:_pairs",
    "resources.base:unified.<genexpr>",
    "run.turns:Turns.turn.<lambda>",
    "run.ledger:Ledger.stopped",
    "run.ledger:Ledger._still",
    "run.liveness:watch",
)


def planned(world: World) -> None:
    """What `hardway plan` does once the hosts were asked."""
    inputs = dataclasses.replace(world.inputs(), credentials=Credentials(world.cluster, Overlay(world.store)))
    found = foresee(inputs, world.readers(), PHASES, world.names)
    assert all(as_json(as_document(found, Purpose.of(world.cluster, Selection()))))
    as_text(found, verbose=True)


def each_alone(world: World) -> None:
    """What `status`, `verify` and `doctor` work out: what runs where, what each host wants and lacks."""
    components(world.cluster)
    inputs, readers = world.inputs(), world.readers()
    for host in world.cluster.hosts:
        wanted_on(inputs, host)
        plan(inputs, readers, PHASES, frozenset({host.name}))


@pytest.mark.parametrize(
    ("built", "work"),
    [(False, planned), (True, planned), (False, World.run), (True, flagged), (True, each_alone)],
    ids=["plan of bare hosts", "plan of a cluster", "first bootstrap", "one flag changed", "each host alone"],
)
def test_no_function_is_called_with_the_square_of_the_hosts(tmp_path, built: bool, work: Callable[[World], object]):
    few, many = (calls(tmp_path / str(workers), workers, built, work) for workers in (FEW, MANY))
    grown = {
        name: (few.get(name, 0), count)
        for name, count in many.items()
        if count > 10 * MANY and count > TOO_MUCH * few.get(name, 0) and not name.startswith(ALLOWED)
    }
    assert not grown, "\n".join(f"{name}: {before} calls, then {after}" for name, (before, after) in grown.items())


def calls(folder: Path, workers: int, built: bool, work: Callable[[World], object]) -> dict[str, int]:
    folder.mkdir()
    world = World(cluster_of(workers), folder)
    if built:
        world.run()
    return counted(lambda: work(world))
