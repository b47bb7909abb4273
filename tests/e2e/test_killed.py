"""`bootstrap` dies by SIGKILL at any moment; the next `bootstrap` goes on, and no key that existed then has changed.

The same half-built cluster is killed again and again, ever later; then a bootstrap must complete it, find nothing more
to change, and all checks pass. After that the next round begins, with bare hosts and no keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from stage import Stage, of_the_lab
from strike import strike
from toll import Toll
from watched import Watched

from hardway.phases import PHASES

PLACES = ("", *(phase.name for phase in PHASES))
ROUNDS = 3
# What takes seconds: in these phases a run must have died while they were at work.
LONG = {"prepare", "binaries", "etcd", "control-plane", "load-balancer", "containers", "kubelet", "dns"}


@dataclass
class Deaths(Toll):
    """Where each run that was killed was in its work."""

    at: list[tuple[str, set[str]]] = field(default_factory=list)


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    stage = make_stage(of_the_lab("e2e-killed", node="10.249.0", pods="10.209", services="10.41.0"))
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    return stage


@pytest.fixture(scope="module")
def toll() -> Deaths:
    return Deaths()


class TestKilled:
    chain = True

    @pytest.mark.moments(every=ROUNDS * len(PLACES), sample=3)
    def test_killed_at_any_moment(self, stage: Stage, toll: Deaths, moment: float):
        when = strike(moment, PLACES, ROUNDS)
        toll.round_begins(stage, when.order)
        with Watched(stage) as run:
            met = when.due(run)
            if run.kill() and met:
                toll.at.append((when.phase, run.at_work))
                print(
                    f"killed {when}: {len(run.events)} events, at work:"
                    f" {' '.join(sorted(run.at_work)) or 'nothing yet'}"
                )
            else:
                assert run.ended(0).code == 0, f"it failed by itself\n{run.ended(0)}"
                toll.missed.append(str(when))
        toll.unharmed(stage)

    def test_it_died_everywhere(self, toll: Deaths, request: pytest.FixtureRequest):
        hit = set().union(*(at_work for _, at_work in toll.at))
        print(f"{len(toll.at)} deaths, at work: {' '.join(sorted(hit))}; missed: {toll.missed}")
        assert toll.at
        if request.config.option.soak:
            assert len(toll.at) >= 50
            assert {phase for phase, _ in toll.at} == set(PLACES)
            assert hit >= LONG

    def test_it_becomes_a_whole_cluster(self, stage: Stage, toll: Deaths):
        toll.completed(stage)
