"""The measurement of growth: its judgement, and the clusters that it measures."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from hardway.assets import AssetStore
from hardway.cluster import Role
from hardway.inventory import load

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def scale(monkeypatch: pytest.MonkeyPatch):
    """The benchmark's modules, as `python benchmarks/scale.py` sees them."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import scale
    import scale_stage

    yield scale, scale_stage
    for name in ("bench_lab", "bootstrap", "dns_probe", "floor", "scale", "scale_stage"):
        sys.modules.pop(name, None)


def runs(cost, *counts: int) -> list[dict]:
    return [{"hosts": n, "changes": n, "cpu": cost(n), "wall": 1.0, "peak_mb": 100.0 + n / 10} for n in counts]


@pytest.mark.parametrize(("cost", "slope"), [(lambda n: 0.1 * n, 1.0), (lambda n: n * n / 500, 2.0)])
def test_the_exponent_is_that_of_the_growth(scale, cost, slope):
    assert scale[0].exponent(runs(cost, *scale[0].COUNTS)) == pytest.approx(slope)


def test_what_a_process_costs_before_it_does_anything_does_not_count(scale):
    few = runs(lambda n: 0.1 * n, 25, 500)
    assert scale[0].exponent([*runs(lambda n: 9.0, 6), *few]) == scale[0].exponent(few)


def test_every_target_is_judged_by_the_largest_cluster(scale):
    benchmark = scale[0]
    found = benchmark.conclusions(runs(lambda n: 0.1 * n, 6, 25, 500))
    assert {name: one["met"] for name, one in found.items()} == {"cpu": True, "peak_mb": True, "exponent": True}
    found = benchmark.conclusions(runs(lambda n: n * n / 1000, 25, 3000))
    assert {name: one["met"] for name, one in found.items()} == {"cpu": False, "peak_mb": False, "exponent": False}
    assert "exponent: 2.00 <= 1.15: MISSED" in benchmark.table(runs(lambda n: 1.0, 6), found)
    assert "exponent" not in benchmark.conclusions(runs(lambda n: 1.0, 6, 25)), "one point makes no line"


@pytest.mark.parametrize("count", [6, 500])
def test_its_clusters_are_whole_and_need_no_download(scale, tmp_path, monkeypatch, count):
    for name in ("host_key.pub", "user_key"):
        (tmp_path / name).write_text("ssh-ed25519 AAAA a comment\n")
    street = scale[1].Street(tmp_path, "nowhere")
    cluster = load(street.inventory(count))
    roles = Counter(role for host in cluster.hosts for role in host.roles)
    assert roles == {Role.LB: 1, Role.ETCD: 3, Role.CONTROL_PLANE: 3, Role.WORKER: count - 4}
    assert len({host.address for host in cluster.hosts}) == len(cluster.hosts) == count
    assert all(host.address in scale[1].NODES for host in cluster.hosts)
    known = (tmp_path / f"known_hosts-{count}").read_text().splitlines()
    assert [line.split()[0] for line in known] == [str(host.address) for host in cluster.hosts]
    monkeypatch.setenv("HARDWAY_CACHE", street.environment["HARDWAY_CACHE"])
    assert len(AssetStore(cluster).gather()) > 10
