"""Three minors in one call, killed with SIGKILL at random moments and run again: no call fails, and in the end it is a
whole cluster of the newest minor."""

from __future__ import annotations

from collections.abc import Callable

import clients
import pytest
from canary import Canary
from stage import Stage, of_the_lab
from watched import Watched

from hardway.assets import default_versions
from hardway.assets.versions import minors

pytestmark = [pytest.mark.lab, pytest.mark.soak]

OLDEST, NEWEST = (default_versions(".".join(map(str, minor))) for minor in (minors()[0], minors()[-1]))
NODE = "10.232.4"
EVENTS = 900  # about as many as the whole has


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    inventory = of_the_lab("upgrade-killed", node=NODE, pods="10.177", services="10.58.0")
    return make_stage({**inventory, "kubernetes": OLDEST.kubernetes, "kubelet": {"fail_cgroup_v1": False}})


@pytest.fixture(scope="module")
def canary(stage: Stage) -> Canary:
    return Canary(stage)


@pytest.mark.timeout(10800)  # Programs of four minors may have to be compiled first.
class TestKilled:
    chain = True

    def test_a_cluster_of_the_oldest_minor(self, stage: Stage, canary: Canary):
        stage.hardway("assets", "fetch", "INV", timeout=3600).ok()
        stage.lab("up")
        stage.bootstrap()
        canary.settle()
        clients.deployed(stage)
        stage.edit(lambda inventory: inventory.update(kubernetes=NEWEST.kubernetes))
        stage.hardway("assets", "fetch", "INV", timeout=3600).ok()

    @pytest.mark.moments(every=16, sample=16)
    def test_killed_at_any_moment(self, stage: Stage, moment: float):
        """Each run goes on from where the last one died, so that together they go through all of it."""
        with clients.api(stage) as api, Watched(stage, command="upgrade") as run:
            run.until(lambda events: len(events) > 5 + moment * EVENTS / 4, 1800)
            died = run.kill()
        print(f"{'killed after' if died else 'ended with'} {len(run.events)} events; {api.calls} calls")
        assert api.failed == []

    def test_it_becomes_a_whole_cluster(self, stage: Stage, canary: Canary):
        stage.hardway("upgrade", "INV", timeout=3000).ok()
        assert "nothing to do" in stage.hardway("upgrade", "INV", timeout=600).ok().out
        said = stage.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.nodeInfo.kubeletVersion}").ok().out
        assert set(said.split()) == {f"v{NEWEST.kubernetes}"}
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out
        canary.still_there()
        stage.settled()
