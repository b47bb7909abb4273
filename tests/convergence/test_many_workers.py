"""Five hundred workers: after a worker's turn that worker is asked, not all of them."""

from __future__ import annotations

from collections import Counter

import pytest
from fakes.fake_live import FakeLive
from fakes.large import cluster_of, flagged
from fakes.world import World

pytestmark = pytest.mark.slow

CHECKS = ("serves", "unit", "journal", "node", "nodes")


@pytest.fixture
def checks(monkeypatch) -> Counter[str]:
    """How often the living cluster was asked what."""
    counts: Counter[str] = Counter()

    def counting(name: str):
        ask = getattr(FakeLive, name)

        def asked(*args, **more):
            counts[name] += 1
            return ask(*args, **more)

        return asked

    for name in CHECKS:
        monkeypatch.setattr(FakeLive, name, counting(name))
    return counts


def cost(workers: int, folder, checks: Counter[str]) -> tuple[float, float]:
    """Checks, and questions to hosts, for each worker when one flag of all of them changes."""
    folder.mkdir()
    world = World(cluster_of(workers), folder)
    world.run()
    before = sum(host.round_trips for host in world.hosts.values())
    checks.clear()
    flagged(world)
    trips = sum(host.round_trips for host in world.hosts.values()) - before
    assert {world.hosts[host.name].systemd.unit("kube-proxy.service").starts for host in world.cluster.workers} == {2}
    return sum(checks.values()) / workers, trips / workers


def test_one_flag_of_500_workers_costs_each_of_them_what_it_costs_one_of_50(tmp_path, checks):
    few, many = (cost(workers, tmp_path / str(workers), checks) for workers in (50, 500))
    assert many[0] <= few[0] and many[1] <= few[1], "the few control-plane hosts weigh less among many"
    assert many[0] <= 6, "asked: whether it is ready before its turn, whether another process runs, whether it is ready"


def test_nobody_else_is_asked_while_one_worker_has_its_turn(tmp_path):
    """The others are asked once, when the phase is done."""
    world = World(cluster_of(20), tmp_path)
    world.run()
    world.hosts["worker-7"].disk.write("/var/lib/kube-proxy/config.yaml", b"by hand\n", "600")
    asked: Counter[tuple[str, str]] = Counter()
    ask = world.live.serves
    world.live.serves = lambda host, unit, port: asked.update([(host.name, unit)]) or ask(host, unit, port)
    world.run()
    assert asked["worker-7", "kube-proxy"] == 3 and {
        count for (name, unit), count in asked.items() if unit == "kube-proxy" and name != "worker-7"
    } == {1}
