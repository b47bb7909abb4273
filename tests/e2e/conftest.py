"""Machines for the end-to-end tests: made by the command line, wiped at the end whatever happened."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stage import Stage

from hardway.errors import LabError
from hardway.lab import preconditions

# Not the usual temporary folder: that may be memory, and the machines' disks take gigabytes.
GROUND = Path("/var/tmp/hardway-e2e")


def pytest_collection_modifyitems(items):
    """All of it needs the lab, and takes minutes rather than the seconds other tests may."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def ground() -> Iterator[Path]:
    """The folder of all stages, ours alone while we run; a machine that cannot carry a lab is told so."""
    try:
        preconditions.require_root()
    except LabError as error:
        sentence = f"{error.message}; {error.hint}"
        pytest.fail(sentence, pytrace=False) if os.environ.get("CI") else pytest.skip(sentence)
    GROUND.mkdir(mode=0o700, exist_ok=True)
    with (GROUND / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.fail("another run of the end-to-end tests is under way on this machine: wait for its end", pytrace=False)
        yield GROUND
        shutil.rmtree(GROUND)


@pytest.fixture(scope="module")
def make_stage(ground: Path) -> Iterator[Callable[[dict], Stage]]:
    """Makes stages; what an earlier run that was killed left of them is cleared away first."""
    made: list[Stage] = []

    def make(inventory: dict) -> Stage:
        stage = Stage(ground, inventory)
        made.append(stage)
        stage.lab("wipe")
        shutil.rmtree(stage.state, ignore_errors=True)
        return stage

    yield make
    for stage in made:
        stage.lab("wipe")


BROKEN: dict[type, str] = {}


def pytest_runtest_makereport(item, call):
    """Classes with `chain` are one story told in steps: after a step that failed the rest is not told."""
    if getattr(item.cls, "chain", False) and call.excinfo and not call.excinfo.errisinstance(pytest.skip.Exception):
        BROKEN.setdefault(item.cls, item.name)


def pytest_runtest_setup(item):
    if item.cls in BROKEN:
        pytest.skip(f"not reached: {BROKEN[item.cls]} failed")
