"""A machine loses its power at any moment of a `bootstrap`: the run ends by itself and names it, and after power-on the
next one completes.

Each run starts from bare hosts, and another machine is struck each time, ever later in the run. The bootstrap after it
must find every key as it was and leave nothing to do; at the end of a round all checks pass, and the next round begins
without keys.

A power cut of the lab ends all processes of a machine at once and its connections say no good-bye, but what it had
written stays: the files are in this computer's memory. What a real machine loses with its own memory is not tried here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from stage import Ran, Stage, of_the_lab
from strike import strike
from toll import Toll
from watched import Watched

from hardway.phases import PHASES

PLACES = ("", *(phase.name for phase in PHASES))
MACHINES = 6
ROUNDS = 4
EVERY = ROUNDS * MACHINES
# From the power cut to the end of the run. A connection is silent for 20 s before it is given up, and the host is
# asked again; then the other hosts finish what they are at. This computer may be busy.
NAMED = 150.0
LAST_WORDS = 10.0
# No connection; a command that broke; a host that waited in vain for the one that is gone.
CODES = (4, 5, 6)


@dataclass
class Cuts(Toll):
    """(machine, phase struck, exit code, seconds until the end) of each run that was struck."""

    at: list[tuple[str, str, int, float]] = field(default_factory=list)


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    stage = make_stage(of_the_lab("e2e-cuts", node="10.234.4", pods="10.196", services="10.76.0"))
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    return stage


@pytest.fixture(scope="module")
def cuts() -> Cuts:
    return Cuts()


def machine(stage: Stage, moment: float) -> str:
    """Each round strikes every machine once, in each round at another time."""
    return stage.hosts[(int(moment * EVERY) + int(moment * ROUNDS)) % MACHINES]


class TestPowerCuts:
    chain = True

    @pytest.mark.moments(every=EVERY, sample=2)
    def test_power_lost_at_any_moment(self, stage: Stage, cuts: Cuts, moment: float):
        when, host = strike(moment, PLACES, ROUNDS), machine(stage, moment)
        cuts.round_begins(stage, when.order)
        stage.hardway("reset", "INV", "--yes").ok()
        with Watched(stage) as run:
            if when.due(run) and run.alive:
                at_work = run.at_work
                stage.lab("power-off", host)
                struck = time.monotonic()
                ran = run.ended(NAMED)
                seconds = time.monotonic() - struck
                print(
                    f"{host} off {when}, at work: {sorted(at_work)}; exit {ran.code} after {seconds:.0f} s:"
                    f" {ran.err.splitlines()[:1]}"
                )
                cuts.at.append((host, when.phase, ran.code, seconds))
                self.told(host, ran, seconds)
                stage.lab("power-on", host)
            else:
                run.ended(NAMED).ok()
                cuts.missed.append(str(when))
        cuts.whole(stage)

    @staticmethod
    def told(host: str, ran: Ran, seconds: float) -> None:
        """The host is named; or it answered the roll call at the very end, and went while the run said that it was
        done."""
        if ran.code == 0:
            assert seconds < LAST_WORDS, f"done, they say, and {host} was off\n{ran}"
            return
        assert ran.code in CODES, ran
        assert f"host {host}" in ran.err and "next: " in ran.err, ran
        assert "Traceback" not in ran.err and "bug" not in ran.err, ran

    def test_it_was_struck_everywhere(self, stage: Stage, cuts: Cuts, request: pytest.FixtureRequest):
        seconds = sorted(took for *_, took in cuts.at)
        print(f"{len(cuts.at)} power cuts, {cuts.missed} came too late; seconds to the end of the run: {seconds}")
        assert cuts.at
        if request.config.option.soak:
            assert len(cuts.at) >= 20
            assert {host for host, *_ in cuts.at} == set(stage.hosts)

    def test_it_becomes_a_whole_cluster(self, stage: Stage, cuts: Cuts):
        cuts.completed(stage)

    def test_a_user_that_was_half_made_is_made_whole(self, stage: Stage):
        """As useradd leaves it when the power goes after its first file, with the lock that some other process has by
        now."""
        host, keys = "controller-0", stage.keys()
        stage.ssh(host, "cd /etc; sed -i /^etcd:/d group gshadow; echo 1 >group.lock; touch -d @1000000000 group.lock")
        assert "incomplete, missing group" in stage.hardway("plan", "INV").ok().out
        assert ("etcd", host, "user etcd") in stage.bootstrap().changes
        assert stage.ssh(host, "stat -c %U:%G /var/lib/etcd/member; ls /etc/*.lock 2>/dev/null || :") == "etcd:etcd\n"
        assert stage.keys() == keys
        stage.settled()
