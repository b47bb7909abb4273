"""A restore of etcd that dies at any moment: by SIGKILL, by a power cut of a host, by a network that is gone. The same
command continues it, and afterwards the cluster is what the snapshot was, on all members.

Each blow is followed by the whole way back, so that any of them can be repeated alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from canary import Canary
from stage import Stage, await_true, of_the_lab
from strike import LIMIT, begins, strike
from watched import Watched

from hardway.living.restoration import Restoration
from hardway.phases.restoring import phases
from hardway.vocabulary import Blob

pytestmark = [pytest.mark.lab, pytest.mark.soak]

CONTROLLERS = ["controller-0", "controller-1", "controller-2"]
PLACES = ("", *(phase.name for phase in phases(Restoration("", "", 0), Blob())))
ROUNDS = 2
AGAIN = ("etcd", "restore", "INV", "saved.db", "--yes")
LONG = {"stop-etcd", "restore-data", "etcd", "api-servers"}


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    """A load balancer, three control-plane hosts with etcd, one worker."""
    inventory = of_the_lab("restored-twice", node="10.238.3", pods="10.183", services="10.63.0")
    inventory["hosts"] = [host for host in inventory["hosts"] if host["name"] != "worker-1"]
    stage = make_stage({**inventory, "addons": {"coredns": {"replicas": 1}}, "ssh": {"connect_timeout": 5}})
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    stage.bootstrap()
    return stage


@pytest.fixture(scope="module")
def canary(stage: Stage) -> Canary:
    """It is in the snapshot to which all of these go back."""
    canary = Canary(stage).settle()
    stage.hardway("etcd", "backup", "INV", "-o", "saved.db").ok()
    return canary


@pytest.fixture(scope="module")
def hit() -> set[str]:
    """The phases that were at work when a run died."""
    return set()


def newer(stage: Stage) -> None:
    """Something that no snapshot has."""
    stage.kubectl("create", "configmap", "newer", "--from-literal=a=b").ok()


def restored(stage: Stage, canary: Canary) -> None:
    """The cluster is what it was: one etcd with the same data everywhere, nothing half done, no data deleted."""
    canary.alive()
    assert "NotFound" in stage.kubectl("get", "configmap", "newer").err
    found = stage.hardway("etcd", "status", "INV", "--output", "json").ok().json
    assert len(found["members"]) == 3 and found["problems"] == []
    assert json.loads((stage.state / "founded.json").read_text())["etcd"] == found["id"]
    for host in CONTROLLERS:
        assert stage.ssh(host, "ls /var/lib/hardway/notes/restore 2>/dev/null || :") == ""
        before = stage.ssh(host, "ls -d /var/lib/etcd/before-*/member").split()
        assert before and len(before) == len(set(before))
        stage.ssh(host, "rm -rf /var/lib/etcd/before-*")
    assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out


def continued(stage: Stage, canary: Canary) -> None:
    stage.hardway(*AGAIN, timeout=600).ok()
    restored(stage, canary)


class TestKilled:
    chain = True

    @pytest.mark.moments(every=ROUNDS * len(PLACES), sample=3)
    def test_killed_at_any_moment(self, stage: Stage, canary: Canary, hit: set[str], moment: float):
        when = strike(moment, PLACES, ROUNDS)
        newer(stage)
        with Watched(stage, "saved.db", "--yes", command="etcd restore") as run:
            met = when.due(run)
            if run.kill() and met:
                hit |= run.at_work
                print(f"killed {when}, at work: {' '.join(sorted(run.at_work)) or 'nothing yet'}")
            else:
                assert run.ended(0).code == 0, f"it failed by itself\n{run.ended(0)}"
        continued(stage, canary)

    def test_it_died_everywhere(self, hit: set[str]):
        assert hit >= LONG

    def test_killed_again_and_again(self, stage: Stage, canary: Canary):
        newer(stage)
        for phase in ("stop-etcd", "restore-data", "restore-data", "etcd", "api-servers"):
            with Watched(stage, "saved.db", "--yes", command="etcd restore") as run:
                run.until(lambda events, phase=phase: any(begins(event, phase) for event in events), LIMIT)
                run.kill()
        continued(stage, canary)

    @pytest.mark.parametrize("phase", ["stop-etcd", "restore-data", "etcd", "api-servers"])
    def test_a_host_loses_its_power(self, stage: Stage, canary: Canary, phase: str):
        newer(stage)
        with Watched(stage, "saved.db", "--yes", command="etcd restore") as run:
            assert run.until(lambda events: any(begins(event, phase) for event in events), LIMIT), run.ended(0)
            stage.lab("power-off", "controller-1")
            ended = run.ended(LIMIT)
        assert ended.code != 0 and "controller-1" in ended.err
        stage.lab("power-on", "controller-1")
        assert stage.hardway("bootstrap", "INV").code in (5, 9), (
            "while it is half done nothing else changes the cluster"
        )
        # The pods of a host that was off are started again, but there are none on the control plane.
        continued(stage, canary)

    def test_all_hosts_lose_their_power(self, stage: Stage, canary: Canary):
        """A boot starts nothing that is disabled: until the restore goes on there is no API with half of the data, and
        no member that has the old one."""
        newer(stage)
        with Watched(stage, "saved.db", "--yes", command="etcd restore") as run:
            assert run.until(lambda events: any(begins(event, "restore-data") for event in events), LIMIT), run.ended(0)
            stage.lab("power-off", *CONTROLLERS)
            run.kill()
        stage.lab("power-on", *CONTROLLERS)
        for host in CONTROLLERS:
            units = stage.ssh(host, "systemctl list-units --plain --no-legend --state=active 'etcd*' 'kube-*'").split(
                "\n"
            )
            running = {line.split()[0] for line in units if line}
            assert running <= {"etcd.service"}
            assert not running or stage.ssh(host, "ls /var/lib/etcd/member/restored")
        continued(stage, canary)

    def test_the_network_is_gone_for_a_while(self, stage: Stage, canary: Canary):
        newer(stage)
        with Watched(stage, "saved.db", "--yes", command="etcd restore") as run:
            assert run.until(lambda events: any(begins(event, "restore-data") for event in events), LIMIT), run.ended(0)
            stage.lab("cut", "controller-2")
            ended = run.ended(LIMIT)
        stage.lab("heal", "controller-2")
        assert ended.code != 0 and "controller-2" in ended.err
        continued(stage, canary)

    def test_it_is_a_whole_cluster(self, stage: Stage, canary: Canary):
        await_true(lambda: stage.hardway("doctor", "INV").code == 0, 180, "doctor to find nothing")
        stage.settled()
