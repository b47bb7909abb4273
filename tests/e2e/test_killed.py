"""`bootstrap` dies by SIGKILL at any moment; the next `bootstrap` goes on, and no key that existed then has changed.

The same half-built cluster is killed again and again, ever later; then a bootstrap must complete it, find nothing more to
change, and all checks pass. After that the next round begins, with bare hosts and no keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from stage import Stage, of_the_lab
from strike import strike
from watched import Watched

from hardway.phases import PHASES

PLACES = ("", *(phase.name for phase in PHASES))
ROUNDS = 3
# What takes seconds: in these phases a run must have died while they were at work.
LONG = {"prepare", "binaries", "etcd", "control-plane", "load-balancer", "containers", "kubelet", "dns"}


@dataclass
class Toll:
    """What has been killed: where each run was in its work, and the keys that were there at the last death."""

    at: list[tuple[str, set[str]]] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    order: float = 1.0
    keys: dict[str, bytes] = field(default_factory=dict)


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    stage = make_stage(of_the_lab("e2e-killed", node="10.249.0", pods="10.209", services="10.41.0"))
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    return stage


@pytest.fixture(scope="module")
def toll() -> Toll:
    return Toll()


def unharmed(stage: Stage, toll: Toll) -> None:
    """Keys only ever come; none that has been seen goes or changes."""
    now = stage.keys()
    assert {name for name in toll.keys if now.get(name) != toll.keys[name]} == set()
    toll.keys = now


def completed(stage: Stage, toll: Toll) -> None:
    """What has been killed so often becomes a whole cluster, with the keys of its first day."""
    stage.bootstrap()
    unharmed(stage, toll)
    assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out
    stage.verified()


class TestKilled:
    chain = True

    @pytest.mark.moments(every=ROUNDS * len(PLACES), sample=3)
    def test_killed_at_any_moment(self, stage: Stage, toll: Toll, moment: float):
        when = strike(moment, PLACES, ROUNDS)
        if when.order < toll.order and toll.keys:
            completed(stage, toll)
            stage.hardway("reset", "INV", "--yes", "--remove-pki").ok()
            toll.keys = {}
        toll.order = when.order
        with Watched(stage) as run:
            met = when.due(run)
            if run.kill() and met:
                toll.at.append((when.phase, run.at_work))
                print(f"killed {when}: {len(run.events)} events, at work: {' '.join(sorted(run.at_work)) or 'nothing yet'}")
            else:
                assert run.ended(0).code == 0, f"it failed by itself\n{run.ended(0)}"
                toll.missed.append(str(when))
        unharmed(stage, toll)

    def test_it_died_everywhere(self, toll: Toll, request: pytest.FixtureRequest):
        hit = set().union(*(at_work for _, at_work in toll.at))
        print(f"{len(toll.at)} deaths, at work: {' '.join(sorted(hit))}; missed: {toll.missed}")
        assert toll.at
        if request.config.option.soak:
            assert len(toll.at) >= 50
            assert {phase for phase, _ in toll.at} == set(PLACES)
            assert hit >= LONG

    def test_it_becomes_a_whole_cluster(self, stage: Stage, toll: Toll):
        completed(stage, toll)
