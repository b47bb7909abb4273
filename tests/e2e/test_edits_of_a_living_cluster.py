"""A cluster with data in it, whose inventory is edited: each edit is carried out in the right order, or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from canary import Canary
from clients import Caller
from stage import Ran, Stage, of_the_lab

pytestmark = [pytest.mark.lab, pytest.mark.soak]

CONTROLLERS = ("controller-0", "controller-1", "controller-2")
# A call is a process of its own here, beside six machines on two processors.
GAP = 5.0


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    stage = make_stage(of_the_lab("edits", node="10.235.1", pods="10.195", services="10.75.0"))
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    stage.bootstrap()
    return stage


@pytest.fixture(scope="module")
def canary(stage: Stage) -> Canary:
    return Canary(stage).settle()


@pytest.fixture
def edit(stage: Stage):
    """edit(change): the inventory as `change` leaves it; as it was afterwards."""
    before = stage.inventory.read_text()
    yield stage.edit
    stage.inventory.write_text(before)


def flags(component: str, **given: str) -> Callable[[dict[str, Any]], Any]:
    return lambda inventory: (
        inventory.setdefault("extra_args", {})
        .setdefault(component, {})
        .update({name.replace("_", "-"): value for name, value in given.items()})
    )


def starts(stage: Stage, unit: str) -> dict[str, str]:
    """systemd's id of the present run of a unit, on each controller."""
    return {host: stage.ssh(host, f"systemctl show -p InvocationID --value {unit}").strip() for host in CONTROLLERS}


def bootstrap(stage: Stage, *words: str) -> Ran:
    return stage.hardway("bootstrap", "INV", *words, timeout=900)


def test_every_member_of_etcd_is_restarted_and_nobody_notices(stage: Stage, canary: Canary, edit):
    before = starts(stage, "etcd")
    edit(flags("etcd", heartbeat_interval="150"))
    assert "restart" in stage.hardway("plan", "INV").ok().out
    with Caller(stage) as caller:
        bootstrap(stage).ok()
    after = starts(stage, "etcd")
    assert all(after[host] != before[host] for host in CONTROLLERS)
    assert caller.calls > 10 and caller.longest < GAP and len(caller.failed) <= 3, (caller.longest, caller.failed)
    canary.alive()
    assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out


def test_a_flag_that_makes_the_api_server_crash_takes_one_of_them(stage: Stage, canary: Canary, edit):
    before = starts(stage, "kube-apiserver")
    inventory = stage.inventory.read_text()
    edit(flags("kube-apiserver", max_mutating_requests_inflight="many"))
    with Caller(stage) as caller:
        for _ in range(3):
            ran = bootstrap(stage).ok(6)
            assert "kube-apiserver" in ran.err, ran
    after = starts(stage, "kube-apiserver")
    assert len([host for host in CONTROLLERS if after[host] == before[host]]) == 2
    assert caller.longest < GAP, (caller.longest, caller.failed)
    stage.inventory.write_text(inventory)
    bootstrap(stage).ok()
    canary.alive()
    stage.verified()
