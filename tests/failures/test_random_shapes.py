"""Bare machines on which others left three things at once: a bootstrap refuses all of them before it changes anything,
or it builds a cluster that works."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from stage import Stage, of_the_lab

from .shapes import SHAPES

pytestmark = [pytest.mark.lab, pytest.mark.soak]

SEEDS = 30


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    inventory = of_the_lab("shapes", node="10.236.4", pods="10.171", services="10.51.0")
    hosts = [host for host in inventory["hosts"] if host["name"] in ("lb", "controller-0", "worker-0", "worker-1")]
    stage = make_stage({**inventory, "hosts": hosts, "addons": {"coredns": {"replicas": 1}}})
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    return stage


@pytest.mark.moments(every=SEEDS, sample=SEEDS)
def test_three_at_once(stage: Stage, moment: float):
    chance = Random(moment)
    chosen = {
        shape: chance.choice(("worker-0", "worker-1")) if shape.worker else "controller-0"
        for shape in chance.sample(SHAPES, 3)
    }
    print({shape.name: host for shape, host in chosen.items()})
    wanted = {(shape.check, host) for shape, host in chosen.items() if shape.check}
    if "Forwarding" in {check for check, _ in wanted}:  # through the one host that would have to connect
        wanted = {one for one in wanted if one[0] != "Ports"}
    for shape, host in chosen.items():
        stage.ssh(host, shape.harm)
    try:
        ran = stage.hardway("bootstrap", "INV", timeout=600).ok(5 if wanted else 0)
        assert {(name, host) for name, host in wanted if f"[ERROR {name}] {host}: " in ran.err} == wanted, ran
        if wanted:
            assert "nothing has been changed" in ran.err
            assert stage.ssh(next(iter(chosen.values())), "ls -d /var/lib/hardway/cluster 2>/dev/null | wc -l") == "0\n"
        else:
            stage.verified()
    finally:
        for shape, host in chosen.items():
            stage.ssh(host, shape.remedy)
        if not wanted:
            stage.hardway("reset", "INV", "--yes", timeout=300).ok()
    stage.hardway("preflight", "INV").ok()
