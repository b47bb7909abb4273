"""Kubernetes' own conformance suite on a lab cluster: `make conformance`. A table is printed and kept as Markdown."""

from __future__ import annotations

import datetime
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from machines import GROUND
from stage import COMMON, Stage

from hardway.assets import AssetStore, default_versions
from hardway.assets.building.processors import here
from hardway.inventory import load

from . import images, manifest, nodes, registry, root, suite, table, verdicts
from .conduct import Outcome, conduct
from .images import Parts
from .layout import Layout
from .programs import Programs, compiled, home
from .run import Suite
from .suite import Names
from .verdicts import Kind, Verdict

# It may have to compile the suite first, and takes hours on few processors.
pytestmark = [pytest.mark.lab, pytest.mark.soak, pytest.mark.timeout(6 * 3600)]

KUBERNETES = default_versions().kubernetes
GATEWAY, WORKERS = "10.252.0.1", ("worker-0", "worker-1")
# Where the result stays when all else is cleared away.
KEPT = GROUND / "conformance-result"


def inventory() -> dict:
    """Two workers, since tests ask for two; one API server, since the machines share a computer with the suite."""
    return {
        "cluster": "e2e-conformance",
        "kubernetes": KUBERNETES,
        **COMMON,
        # One test makes two hundred Services at once, beside those of others.
        "network": {"node_cidr": "10.252.0.0/24", "pod_cidr": "10.212.0.0/16", "service_cidr": "10.44.0.0/20"},
        "lab": {"gateway": GATEWAY},
        "hosts": [
            {"name": "lb", "address": "10.252.0.9", "roles": ["lb"]},
            {"name": "controller-0", "address": "10.252.0.10", "roles": ["etcd", "control-plane"]},
            {"name": WORKERS[0], "address": "10.252.0.20", "roles": ["worker"]},
            {"name": WORKERS[1], "address": "10.252.0.21", "roles": ["worker"]},
        ],
    }


def test_the_cluster_passes_the_suite(make_stage: Callable[[dict], Stage]):
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - started:8.1f} s  {line}", flush=True)

    stage = make_stage(inventory())
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    programs, debian = compiled(KUBERNETES, say), root.debian(home(), say)
    only = os.environ.get("CONFORMANCE_ONLY", "")
    tests = suite.read(programs.source).only(only)
    assert tests.every, f"no conformance test matches {only!r}"
    say("building the cluster")
    stage.lab("up")
    stage.bootstrap()
    stage.verified()
    running = Suite(programs, stage.state / "admin.conf", Path(stage.kubectl_program), stage.folder / "runs", say)
    shutil.rmtree(running.folder, ignore_errors=True)
    with images_served(stage, programs, debian, say):
        begun = time.monotonic()
        outcome = conduct(running, tests, whole=not only)
        seconds = time.monotonic() - begun
    found = verdicts.judge(tests.every, outcome, verdicts.excuses())
    about = table.About(KUBERNETES, datetime.date.today(), os.cpu_count() or 1, seconds, images.STAND_INS)
    keep(running, about, tests, found, outcome)
    print(f"\n{table.text(about, tests, found)}\n\nas Markdown, with what failed tests said: {KEPT}", flush=True)
    assert [f"{one.test}: {one.why}" for one in found if one.kind is Kind.FAILED] == []
    # Whatever the suite did to it, the cluster is itself again.
    stage.settled(300)


@contextmanager
def images_served(stage: Stage, programs: Programs, debian: root.Root, say: Callable[[str], None]) -> Iterator[None]:
    """The suite's images are on the workers, and can be pulled again, for as long as the context lasts."""
    store = AssetStore(load(stage.inventory))
    say("making the test images")
    folder = stage.folder / "images"
    shutil.rmtree(folder, ignore_errors=True)
    layout = Layout(folder)
    parts = Parts(programs, debian, store.binary("etcd").path, store.image("pause").path)
    images.make(layout, manifest.read(programs.source), here(), parts)
    with registry.serving(layout, GATEWAY) as url:
        nodes.point(stage, WORKERS, url, layout.references)
        say(f"the workers pull {len(layout.references)} images from {url}")
        nodes.pull(stage, WORKERS, layout.references)
        yield


def keep(running: Suite, about: table.About, tests: Names, found: Sequence[Verdict], outcome: Outcome) -> None:
    """Write the table as Markdown, what tests said that did not pass at once, what ginkgo printed of the long run."""
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    (KEPT / "result.md").write_text(table.markdown(about, tests, found))
    with (KEPT / "failures.txt").open("w") as out:
        for one in table.explained(found):
            for what, results in (("first", outcome.first), ("again", outcome.again)):
                if (result := results.get(one.test)) and not result.passed:
                    out.write(f"=== {one.test} ({what}: {result.state})\n{result.message}\n")
                    out.write(f"{result.output[-20_000:]}\n\n")
    if running.log("together").exists():
        shutil.copy(running.log("together"), KEPT / "ginkgo.log")
