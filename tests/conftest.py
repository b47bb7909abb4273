"""Options of the whole suite, and what is left to chance in it: which moments of a run are tried."""

from __future__ import annotations

import functools
import os
import random
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from hardway.assets import checked

END_TO_END = Path(__file__).parent / "e2e"


def pytest_addoption(parser):
    parser.addoption("--update-rendered", action="store_true", help="rewrite the golden files of tests/rendered")
    parser.addoption(
        "--soak",
        action="store_true",
        help="try every moment of the tests that end something at random ones, not a sample",
    )
    parser.addoption(
        "--seed", type=int, help="repeat the random moments of an earlier run, whose first lines name its seed"
    )


def pytest_configure(config):
    # An example that takes long on a busy machine is not wrong for it. `make test` tries the same examples each time,
    # `make soak` others: what a search finds by chance is no reason to stop somebody else's work.
    settings.register_profile("patient", deadline=None, derandomize=not config.getoption("--soak"))
    settings.load_profile("patient")
    # A shell that starts these tests in the background makes them, and all that they start, deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        config.add_cleanup(_own_memory_of_caches())
    config.option.seed = getattr(config, "workerinput", {}).get("seed", config.option.seed)
    if config.option.seed is None:
        config.option.seed = random.SystemRandom().randrange(1_000_000)


def _own_memory_of_caches() -> Callable[[], None]:
    """What hardway remembers of these tests' caches must not outlive their folders; the function that removes it.

    Of the user's own cache, from which machines are built, it knows what the user's hardway knows.
    """
    remembered = tempfile.TemporaryDirectory(prefix="hardway-tests-")
    if checked.directory().is_dir():
        shutil.copytree(checked.directory(), Path(remembered.name) / "hardway" / "checked")
    os.environ["XDG_STATE_HOME"] = remembered.name
    return remembered.cleanup


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """Of several processes each draws the same moments."""
    node.workerinput["seed"] = node.config.option.seed


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """What only `make soak` runs is not chosen otherwise: it is no gap, so it is no skip.

    What takes longest begins first.
    """
    if not config.option.soak:
        items[:] = [item for item in items if not item.get_closest_marker("soak")]
    items.sort(key=lambda item: not on_machines(item.path))
    for item in items:
        if END_TO_END in item.path.parents:
            item.add_marker(pytest.mark.lab)


@functools.cache
def on_machines(file: Path) -> bool:
    """Whether a file has tests on machines of the lab."""
    return END_TO_END in file.parents or "pytest.mark.lab" in file.read_text()


def pytest_report_header(config):
    return (
        f"random moments: {'all' if config.option.soak else 'a sample'}; the same again with --seed"
        f" {config.option.seed}"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc):
    """`@pytest.mark.moments(every=50, sample=3)` runs a test for so many values of its argument `moment`.

    A moment is a number from 0 to below 1, how far through the run; there is one in each of `every` equal parts of it.
    """
    if marker := metafunc.definition.get_closest_marker("moments"):
        chosen = moments(
            metafunc.config.option.seed,
            metafunc.function.__qualname__,
            soak=metafunc.config.option.soak,
            **marker.kwargs,
        )
        metafunc.parametrize("moment", list(chosen.values()), ids=[f"moment-{number}" for number in chosen])


def moments(seed: int, name: str, soak: bool, every: int, sample: int) -> dict[int, float]:
    """Moments by their number: all of them, or a sample; the same for the same seed and name, sampled or not."""
    chance = random.Random(f"{seed} {name}")
    drawn = {number: (number + chance.random()) / every for number in range(every)}
    return drawn if soak else {number: drawn[number] for number in sorted(chance.sample(range(every), sample))}


BROKEN: dict[type, str] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Classes with `chain` are one story told in steps: after a step that failed the rest is not told.

    Where all is to be tested (CI), what is skipped for want of something is a failure: a gap must not look like a pass.
    """
    if getattr(item.cls, "chain", False) and call.excinfo and not call.excinfo.errisinstance(pytest.skip.Exception):
        BROKEN.setdefault(item.cls, item.name)
    report = yield
    if report.skipped and os.environ.get("CI") and item.cls not in BROKEN:
        report.outcome, report.longrepr = "failed", f"skipped where nothing may be: {report.longrepr[2]}"
    return report


def pytest_runtest_setup(item):
    if item.cls in BROKEN:
        pytest.skip(f"not reached: {BROKEN[item.cls]} failed")
