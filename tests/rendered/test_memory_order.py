"""Which programs of a host the kernel kills last when memory is short."""

import re

import pytest
from clusters import lab, shared
from units import unit

CONTROL = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


@pytest.mark.parametrize("cluster", [lab(), shared()], ids=["lab", "shared"])
def test_when_memory_is_short_the_store_is_killed_last(cluster):
    scores = {name: score(name, cluster) for name in (*CONTROL, "containerd")}
    # The kubelet gives pods that are guaranteed their memory -997.
    assert scores["etcd"] < scores["kube-apiserver"] < -997 and scores["containerd"] == -999
    assert scores["kube-scheduler"] == scores["kube-controller-manager"] == 0


def score(component, cluster) -> int:
    found = re.search(r"^OOMScoreAdjust=(\S+)$", unit(component, cluster), re.MULTILINE)
    return int(found[1]) if found else 0
