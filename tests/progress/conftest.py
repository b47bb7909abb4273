"""A recorded run, and one made here."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from fakes.world import World

from hardway.inventory import load
from hardway.progress.events import Moment
from hardway.report import Report

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def recorded() -> list[Moment]:
    """The run in the README's picture: six real machines."""
    return [Moment.parse(line) for line in (ROOT / "docs/bootstrap.jsonl").read_text().splitlines()]


@pytest.fixture
def world(tmp_path) -> World:
    return World(load(ROOT / "inventory/lab.yaml"), tmp_path)


class Kept(Report):
    """A report whose events are kept as JSON, and whose lines are."""

    def __init__(self, verbose: bool = False):
        super().__init__(verbose=verbose, stream=io.StringIO())
        self.told: list[str] = []
        self.listeners.append(lambda moment: self.told.append(moment.json()))


@pytest.fixture(params=[False, True], ids=["brief", "verbose"])
def report(request) -> Kept:
    return Kept(request.param)
