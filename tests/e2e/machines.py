"""Fixtures for tests on lab machines: made by the command line, wiped at the end whatever happened.

A conftest.py imports them.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from stage import Stage

from hardway.errors import LabError
from hardway.lab import preconditions

# Not the usual temporary folder: that may be memory, and the machines' disks take gigabytes.
GROUND = Path("/var/tmp/hardway-tests")


@pytest.fixture(scope="session")
def can_lab() -> None:
    """A computer that cannot carry a lab is told what it lacks."""
    try:
        preconditions.require_root()
    except LabError as error:
        pytest.skip(f"{error.message}; {error.hint}")


@pytest.fixture(scope="module")
def make_stage(can_lab: None) -> Iterator[Callable[[dict], Stage]]:
    """Makes stages; what an earlier run that was killed left of them is cleared away first, and all is cleared at the
    end."""
    with ExitStack() as stack:

        def make(inventory: dict) -> Stage:
            folder = GROUND / inventory["cluster"]
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            stack.enter_context(alone(folder))
            stage = Stage(folder, inventory)
            stage.lab("wipe")
            shutil.rmtree(stage.state, ignore_errors=True)
            stack.callback(shutil.rmtree, folder)
            stack.callback(stage.lab, "wipe")
            return stage

        yield make


@contextmanager
def ground(name: str) -> Iterator[Path]:
    """A folder for the disks of one test's machines, empty, ours alone, and gone afterwards."""
    folder = GROUND / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(folder):
        for path in folder.iterdir():
            if path.name != "lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield folder
        shutil.rmtree(folder)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """No other run of the tests works on the same machines."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.fail(f"another run of these tests is at work in {folder}: wait for its end", pytrace=False)
        yield
