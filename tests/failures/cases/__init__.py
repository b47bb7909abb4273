"""The catalogue of failures: every case is declared here once, by topic; tests inject it and docs/failures.md shows
it."""

from __future__ import annotations

import pytest

from ..case import Case
from . import assets, command_line, hosts, leftovers, living, nodes, reaching, roads, snapshots, state, storms

TOPICS: dict[str, tuple[Case, ...]] = {
    "The command and the inventory": command_line.CASES,
    "Reaching a host": reaching.CASES,
    "Hosts that do not meet the requirements": hosts.CASES,
    "What others left on a host": leftovers.CASES,
    "Machines and networks that fail": storms.CASES,
    "Binaries and images": assets.CASES,
    "The state directory": state.CASES,
    "Running clusters": living.CASES,
    "Draining, adding and removing hosts": nodes.CASES,
    "Snapshots of etcd": snapshots.CASES,
    "Another address for the API": roads.CASES,
}
CASES = {case.name: case for cases in TOPICS.values() for case in cases}


def case(name: str) -> pytest.MarkDecorator:
    """Binds a test to the case it injects; KeyError when there is no such case."""
    return pytest.mark.failure(CASES[name])
