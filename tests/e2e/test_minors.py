"""Every minor of Kubernetes that is supported besides the newest, which all other tests run: built, proven, taken
away. The one before the newest is also where test_upgrade_of_a_lab.py begins."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from stage import COMMON, Stage
from test_other_shapes import host

from hardway.assets import default_versions
from hardway.assets.versions import minors

*OLDER, _ = (".".join(map(str, minor)) for minor in minors())


def inventory(kubernetes: str) -> dict:
    return {
        "cluster": f"e2e-minor-{kubernetes.split('.')[1]}",
        "kubernetes": kubernetes,
        **COMMON,
        "network": {"node_cidr": "10.245.0.0/24", "pod_cidr": "10.205.0.0/16", "service_cidr": "10.37.0.0/24"},
        "lab": {"gateway": "10.245.0.1"},
        "hosts": [
            host("lb", "10.245.0.9", "lb"),
            host("controller-0", "10.245.0.10", "etcd", "control-plane"),
            host("worker-0", "10.245.0.20", "worker"),
            host("worker-1", "10.245.0.21", "worker"),
        ],
    }


@pytest.mark.soak
@pytest.mark.timeout(3600)  # Its programs may have to be compiled first.
@pytest.mark.parametrize("minor", OLDER)
def test_a_minor(minor: str, make_stage: Callable[[dict], Stage]):
    kubernetes = default_versions(minor).kubernetes
    stage = make_stage(inventory(kubernetes))
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    assert stage.bootstrap().events[-1]["changes"] > 100
    assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out
    stage.verified()
    nodes = stage.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.nodeInfo.kubeletVersion}").ok().out
    assert nodes.split() == [f"v{kubernetes}"] * 2
    stage.hardway("reset", "INV", "--yes").ok()
    stage.lab("wipe")
