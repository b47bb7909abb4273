"""`bootstrap` dies by SIGKILL at any moment; the next `bootstrap` completes, and no key that existed then has changed.

HARDWAY_KILLS says how often (default 6), HARDWAY_SEED at which moments.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Callable

import pytest
from stage import Stage, of_the_lab

KILLS = int(os.environ.get("HARDWAY_KILLS", "6"))
SEED = int(os.environ.get("HARDWAY_SEED", "1"))


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    stage = make_stage(of_the_lab("e2e", node="10.241.0", pods="10.201", services="10.33.0"))
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    return stage


@pytest.fixture(scope="module")
def undisturbed(stage: Stage) -> list[dict]:
    """The events of a bootstrap that lives."""
    return stage.bootstrap().events


def moment(undisturbed: list[dict], number: int) -> tuple[int, float]:
    """When to kill: after how many events, and how many seconds later, since death does not keep to events.

    The first is in the making of the keys; of the others there is one in each of the equal parts of a run.
    """
    chance = random.Random(f"{SEED} {number}")
    if number == 0:
        kinds = [(event["event"], event.get("phase")) for event in undisturbed]
        return kinds.index(("step-started", "pki")) + 1, chance.random() * 0.2
    return int((number - 1 + chance.random()) / max(KILLS - 1, 1) * len(undisturbed)), chance.random() * 0.4


def killed_bootstrap(stage: Stage, after: int, then: float) -> int:
    """Start a bootstrap and kill all its processes `then` seconds after its event number `after`; how many events it lived."""
    command = stage.argv("bootstrap", "INV", "--output", "json")
    process = subprocess.Popen(command, cwd=stage.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    seen = 0
    for line in process.stdout:
        seen += line.startswith(b"{")
        if seen >= after:
            break
    try:
        process.wait(then)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    process.stdout.read()
    assert process.wait() in (0, -signal.SIGKILL), f"it failed by itself after {seen} events"
    return seen


class TestKilled:
    chain = True

    @pytest.mark.parametrize("number", range(KILLS))
    def test_killed_at_any_moment(self, stage: Stage, undisturbed: list[dict], number: int):
        after, then = moment(undisturbed, number)
        stage.hardway("reset", "INV", "--yes", "--remove-pki").ok()
        lived = killed_bootstrap(stage, after, then)
        kept = stage.keys()
        print(f"killed {then:.2f} s after event {lived} of {len(undisturbed)}, {len(kept)} keys and certificates made")
        stage.bootstrap()
        now = stage.keys()
        assert {name for name in kept if now.get(name) != kept[name]} == set()
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out

    def test_what_has_been_killed_so_often_is_a_whole_cluster(self, stage: Stage):
        stage.verified()
