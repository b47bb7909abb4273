"""A cluster with data in it lives through edit after edit of its inventory, then through edits that are struck: the run
is killed, or a machine loses its power. Nothing is lost, and nobody waits long for the API.

The edits follow from the seed in the first lines of a run; the same again with --seed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest
import yaml
from canary import Canary
from clients import Caller
from random_edits import CARRIED_OUT, Edit, drawn
from stage import Ran, Stage, of_the_lab
from watched import Watched

pytestmark = [pytest.mark.lab, pytest.mark.soak, pytest.mark.timeout(900)]

EDITS, STRUCK = 100, 24
GAP = 5.0  # seconds without an answer of the API; each call is a process of its own, beside six machines
LONGEST = 20.0  # seconds from a run's beginning within which it is struck
NAMED = 150.0  # seconds until a run has named the machine that lost its power
# No connection; a command that broke; a host that waited in vain for the one that is gone.
CODES = (4, 5, 6)


@dataclass
class Life:
    """A cluster, what lives in it, and the inventory that it was last built from."""

    stage: Stage
    canary: Canary

    @property
    def inventory(self) -> dict:
        return yaml.safe_load(self.stage.inventory.read_text())

    def write(self, inventory: dict) -> None:
        self.stage.inventory.write_text(yaml.safe_dump(inventory, sort_keys=False))

    def bootstrap(self) -> Ran:
        return self.stage.hardway("bootstrap", "INV", timeout=600)

    def undisturbed(self, whole: dict) -> None:
        """A bootstrap with an inventory from before ends well, and leaves nothing to do."""
        self.write(whole)
        self.bootstrap().ok()
        self.finished()

    def finished(self) -> None:
        assert "no changes" in self.stage.hardway("plan", "INV", "--exit-code").ok().out


@pytest.fixture(scope="module")
def life(make_stage: Callable[[dict], Stage]) -> Life:
    stage = make_stage(of_the_lab("e2e-random", node="10.231.1", pods="10.190", services="10.70.0"))
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    stage.bootstrap()
    return Life(stage, Canary(stage).settle())


class TestEdits:
    chain = True

    @pytest.mark.moments(every=EDITS, sample=EDITS)
    def test_an_edit(self, life: Life, moment: float):
        chance, before = Random(moment), life.inventory
        edit = drawn(chance)
        life.write(edit(chance, before))
        with Caller(life.stage) as caller:
            ran = life.bootstrap()
            print(f"{edit.name}: exit {ran.code} after {ran.seconds:.0f} s, API silent for {caller.longest:.1f} s")
            ran.ok(edit.code)
            if edit.code:
                assert "next: " in ran.err, ran
                life.undisturbed(before)
            life.finished()
        assert caller.longest < GAP, (edit.name, caller.longest, caller.failed)
        life.canary.alive()
        life.stage.verified()


class TestStruckEdits:
    """After the edits, so that these runs find a cluster that has lived."""

    chain = True

    @pytest.mark.moments(every=STRUCK, sample=STRUCK)
    def test_a_run_is_killed(self, life: Life, moment: float):
        edit, seconds = struck(life, moment)
        with Caller(life.stage) as caller:
            with Watched(life.stage) as run:
                died = not run.until(lambda events: False, seconds) and run.kill()
                print(f"{edit.name}: {'killed' if died else 'over'} after {seconds:.1f} s, at {sorted(run.at_work)}")
            life.bootstrap().ok()
            life.finished()
        assert caller.longest < GAP, (edit.name, caller.longest, caller.failed)
        life.canary.alive()
        life.stage.verified()

    @pytest.mark.moments(every=STRUCK, sample=STRUCK)
    def test_a_machine_loses_its_power(self, life: Life, moment: float):
        edit, seconds = struck(life, moment)
        host = life.stage.hosts[int(moment * STRUCK) % len(life.stage.hosts)]
        with Watched(life.stage) as run:
            run.until(lambda events: False, seconds)
            life.stage.lab("power-off", host)
            began = time.monotonic()
            ran = run.ended(NAMED)
        print(
            f"{edit.name}: {host} off after {seconds:.1f} s, at {sorted(run.at_work)}: exit {ran.code} after"
            f" {time.monotonic() - began:.0f} s"
        )
        if ran.code:  # 0: the run was over before the power was off
            assert ran.code in CODES and host in ran.err and "next: " in ran.err, ran
        life.stage.lab("power-on", host)
        life.bootstrap().ok()
        life.finished()
        life.stage.settled()
        life.canary.still_there()


def struck(life: Life, moment: float) -> tuple[Edit, float]:
    """An edit that is carried out, written down, and the seconds after which its run is struck."""
    chance = Random(moment)
    edit = chance.choice(CARRIED_OUT)
    life.write(edit(chance, life.inventory))
    return edit, chance.uniform(0.5, LONGEST)
