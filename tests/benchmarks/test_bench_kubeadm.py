"""The comparison with kubeadm: what its clusters are made of, when one is complete, and what is told of the pairs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch):
    """The modules, as `python benchmarks/kubeadm.py` sees them; they are nobody else's afterwards."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import kubeadm

    yield sys.modules
    for path in BENCHMARKS.glob("*.py"):
        sys.modules.pop(path.stem, None)
    del kubeadm


@pytest.fixture
def cluster(peer, tmp_path):
    return peer["kubeadm_files"].spread(peer["bench_lab"].prepare(tmp_path).cluster)


def test_every_node_has_a_block_of_pod_addresses_and_routes_to_all_others(peer, cluster):
    blocks = {host.pod_cidr for host in cluster.workers}
    assert len(blocks) == len(cluster.workers) == 5
    for host in cluster.workers:
        files = peer["kubeadm_files"].small_files(cluster, host)
        assert f'"subnet": "{host.pod_cidr}"'.encode() in files["/root/network/10-bridge.conflist"]
        assert files["/root/network/pod-routes"].count(b"\n  route ") == 4


def test_the_load_balancer_knows_every_api_server(peer, cluster):
    text = peer["kubeadm_files"].small_files(cluster, cluster.host("lb"))["/etc/haproxy/haproxy.cfg"].decode()
    assert [line.split()[1:] for line in text.splitlines() if line.startswith("    server ")] == [
        [host.name, f"{host.address}:6443"] for host in cluster.control_plane
    ]


def test_kubeadm_asks_for_the_images_that_are_made(peer, cluster):
    config, kit = peer["kubeadm_config"], peer["kubeadm_kit"]
    text = config.init_config(cluster, cluster.control_plane[0], config.Keys())
    whole = next(one for one in yaml.safe_load_all(text) if one["kind"] == "ClusterConfiguration")
    assert kit.reference(cluster, "etcd").endswith(":" + whole["etcd"]["local"]["imageTag"])
    assert kit.reference(cluster, "coredns").endswith("/coredns/coredns:" + whole["dns"]["imageTag"])
    assert kit.reference(cluster, "kube-apiserver").endswith(":" + whole["kubernetesVersion"])


@pytest.mark.parametrize(("name", "plane"), [("controller-1", True), ("worker-0", False)])
def test_only_the_control_plane_joins_as_such(peer, cluster, name, plane):
    config = peer["kubeadm_config"]
    found = yaml.safe_load(config.join_config(cluster, cluster.host(name), config.Keys(), "sha256:00"))
    assert ("controlPlane" in found) is plane


def test_a_cluster_is_complete_when_nothing_is_lacking(peer, cluster):
    ready = peer["kubeadm_ready"]

    def thing(name: str, labels: dict | None = None, status: str = "True") -> dict:
        condition = {"type": "Ready", "status": status}
        return {"metadata": {"name": name, "labels": labels or {}}, "status": {"conditions": [condition]}}

    nodes = [thing(host.name) for host in cluster.workers]
    pods = [thing(f"{part}-{host.name}") for part in ready.STATIC for host in cluster.control_plane]
    pods += [thing(f"kube-proxy-{host.name}", {"k8s-app": "kube-proxy"}) for host in cluster.workers]
    pods += [thing(f"coredns-{number}", {"k8s-app": "kube-dns"}) for number in (1, 2)]
    assert ready.lacking(cluster, nodes, pods) == ""
    assert ready.lacking(cluster, nodes[1:], pods) == f"node {cluster.workers[0].name}"
    assert ready.lacking(cluster, nodes, pods[1:]) == f"pod etcd-{cluster.control_plane[0].name}"
    late = [*pods[:-1], thing("coredns-2", {"k8s-app": "kube-dns"}, "False")]
    assert ready.lacking(cluster, nodes, late) == "pods of kube-dns, of which 1 are ready"
    assert ready.lacking(cluster, nodes, []) and ready.lacking(cluster, [{"metadata": {"name": "new"}}], pods)


def test_ratios_are_formed_within_a_run(peer):
    kubeadm = peer["kubeadm"]

    def found(dns: float) -> dict:
        return dict.fromkeys(kubeadm.MEASURED, 1.0) | {"dns": dns}

    runs = [{"hardway": found(10.0), "together": found(30.0)}, {"hardway": found(20.0), "together": found(40.0)}]
    summary = kubeadm.conclusions(runs)
    assert summary["dns: together / hardway"] == {"median": 2.5, "min": 2.0, "max": 3.0}
    assert not any("in turn" in name for name in summary)
    assert not any("/" in name for name in kubeadm.conclusions([{"together": found(30.0)}]))
