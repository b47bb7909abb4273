"""Hosts of every role join and leave a cluster that works: whoever uses it notices nothing, and a second run finds
nothing to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from canary import Canary
from clients import Caller
from stage import Stage, of_the_lab
from watched import Watched

pytestmark = [pytest.mark.lab, pytest.mark.soak]

NODE = "10.235.4"
CONTROLLERS = [f"controller-{number}" for number in range(3)]
GAP = 5.0  # a call is a process of its own here, beside many machines on two processors


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    stage = make_stage(of_the_lab("nodes", node=NODE, pods="10.184", services="10.64.0"))
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    stage.bootstrap()
    return stage


@pytest.fixture(scope="module")
def canary(stage: Stage) -> Canary:
    return Canary(stage).settle()


def named(stage: Stage, hosts: dict[str, int], *roles: str) -> None:
    """More hosts in the inventory by the last number of their address, and their machines."""
    more = [{"name": name, "address": f"{NODE}.{last}", "roles": list(roles)} for name, last in hosts.items()]
    stage.edit(lambda inventory: inventory["hosts"].extend(more))
    stage.lab("up", *hosts)


def deleted(stage: Stage, *names: str) -> None:
    keep: Callable[[dict[str, Any]], Any] = lambda inventory: inventory.update(  # noqa: E731
        hosts=[host for host in inventory["hosts"] if host["name"] not in names]
    )
    stage.edit(keep)


def node(stage: Stage, action: str, *words: str):
    yes = ("--yes",) if action in ("remove", "replace") else ()
    return stage.hardway("node", action, "INV", *words, *yes, timeout=900)


def nothing_to_do(stage: Stage) -> None:
    assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out


def listed(stage: Stage) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in stage.hardway("node", "list", "INV", "--output", "json").ok().json["hosts"]}


def starts(stage: Stage, unit: str, *hosts: str) -> dict[str, str]:
    """systemd's id of the present run of a unit."""
    return {host: stage.ssh(host, f"systemctl show -p InvocationID --value {unit}").strip() for host in hosts}


class TestNodes:
    """Steps of one story: the cluster of one step is that of the next."""

    chain = True

    def test_a_node_is_drained_and_comes_back(self, stage: Stage, canary: Canary):
        assert "evict " in node(stage, "drain", "worker-1", "--plan").ok().out
        node(stage, "drain", "worker-1", "--delete-emptydir-data").ok()
        on = stage.kubectl("get", "pods", "-A", "--field-selector", "spec.nodeName=worker-1", "-o", "name").ok().out
        assert on == "" and listed(stage)["worker-1"]["cordon"].startswith("cordoned by `hardway node drain`")
        node(stage, "uncordon", "worker-1").ok()
        canary.still_there()
        nothing_to_do(stage)

    def test_a_worker_joins_and_nothing_else_restarts(self, stage: Stage, canary: Canary):
        hosts = [*CONTROLLERS, "worker-0", "worker-1"]
        before = starts(stage, "kubelet", "worker-0", "worker-1"), starts(stage, "kube-apiserver", *CONTROLLERS)
        named(stage, {"worker-2": 22}, "worker")
        node(stage, "add", "worker-2").ok()
        assert listed(stage)["worker-2"]["node"] == "Ready"
        after = starts(stage, "kubelet", "worker-0", "worker-1"), starts(stage, "kube-apiserver", *CONTROLLERS)
        assert after == before
        assert all("10.184.2.0/24" in stage.ssh(host, "ip -4 route show proto 200") for host in hosts)
        nothing_to_do(stage)
        canary.alive()

    def test_it_leaves_again_and_its_machine_is_bare(self, stage: Stage, canary: Canary):
        said = node(stage, "remove", "worker-2", "--delete-emptydir-data").ok().out
        first, last = map(int, re.findall(r"delete lines (\d+) to (\d+) of ", said)[0])
        lines = stage.inventory.read_text().splitlines()
        assert "worker-2" in "\n".join(lines[first - 1 : last])
        stage.inventory.write_text("\n".join(lines[: first - 1] + lines[last:]) + "\n")
        nothing_to_do(stage)
        canary.still_there()
        stage.settled()

    def test_a_worker_that_is_gone_is_removed_without_it(self, stage: Stage, canary: Canary):
        named(stage, {"worker-3": 23}, "worker")
        node(stage, "add", "worker-3").ok()
        stage.lab("power-off", "worker-3")
        node(stage, "remove", "worker-3", "--gone").ok()
        assert "worker-3" not in stage.kubectl("get", "nodes", "-o", "name").ok().out
        deleted(stage, "worker-3")
        nothing_to_do(stage)
        canary.still_there()

    def test_three_control_plane_hosts_become_five_and_three_again(self, stage: Stage, canary: Canary):
        named(stage, {"controller-3": 16, "controller-4": 17}, "etcd", "control-plane")
        with Caller(stage) as caller:
            node(stage, "add", "controller-3", "controller-4").ok()
            assert [row["etcd"] for row in listed(stage).values() if row["etcd"]].count("follower") == 4
            stage.settled()
            node(stage, "remove", "controller-3", "controller-0").ok()
        assert caller.calls > 20 and caller.longest < GAP and len(caller.failed) <= 3, (caller.longest, caller.failed)
        deleted(stage, "controller-3", "controller-0")
        nothing_to_do(stage)
        canary.still_there()
        stage.settled()

    def test_a_host_takes_the_place_of_another(self, stage: Stage, canary: Canary):
        stage.edit(lambda inventory: inventory["hosts"].append({
            "name": "controller-9", "address": f"{NODE}.19", "roles": ["etcd", "control-plane"]}))  # fmt: skip
        deleted(stage, "controller-4")
        stage.lab("up", "controller-9")
        with Caller(stage) as caller:
            node(stage, "replace", "controller-4", "controller-9").ok()
        assert caller.longest < GAP, (caller.longest, caller.failed)
        members = {name for name, row in listed(stage).items() if row["etcd"]}
        assert members == {"controller-1", "controller-2", "controller-9"}
        nothing_to_do(stage)
        canary.still_there()

    def test_a_member_that_is_gone_is_replaced(self, stage: Stage, canary: Canary):
        stage.lab("power-off", "controller-1")
        stage.edit(lambda inventory: inventory["hosts"].append({
            "name": "controller-8", "address": f"{NODE}.18", "roles": ["etcd", "control-plane"]}))  # fmt: skip
        deleted(stage, "controller-1")
        stage.lab("up", "controller-8")
        node(stage, "replace", "controller-1", "controller-8", "--gone").ok()
        nothing_to_do(stage)
        canary.still_there()
        stage.settled()

    @pytest.mark.moments(every=40, sample=2)
    def test_a_removal_that_is_killed_is_completed_by_the_next(self, stage: Stage, canary: Canary, moment: float):
        named(stage, {"worker-5": 25}, "worker")
        node(stage, "add", "worker-5").ok()
        with Watched(stage, "worker-5", "--yes", "--delete-emptydir-data", command="node remove") as run:
            run.until(lambda events: len(events) > 1 + int(moment * 12), 60)
            run.kill()
        node(stage, "remove", "worker-5", "--delete-emptydir-data").ok()
        deleted(stage, "worker-5")
        nothing_to_do(stage)
        canary.still_there()
