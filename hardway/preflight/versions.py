"""Whether a host can run these versions at all."""

from __future__ import annotations

from collections.abc import Iterator

from ..cluster import Host, Role
from ..facts import Facts
from ..features import features
from ..phase import Inputs
from .finding import HostCheck
from .upgrades import parsed

NFTABLES_KERNEL = (5, 13)
Found = Iterator[tuple[str, str]]


def cgroup(inputs: Inputs, host: Host, facts: Facts) -> Found:
    cluster = inputs.cluster
    refused = features(cluster.versions).needs_cgroup_v2 and cluster.kubelet.fail_cgroup_v1
    if host.is_(Role.WORKER) and facts.cgroup == 1 and refused:
        what = f"has cgroup v1, which the kubelet of Kubernetes {cluster.versions.kubernetes} refuses"
        yield what, "boot it with cgroup v2, or write `kubelet: {fail_cgroup_v1: false}` in the inventory"


def kernel(inputs: Inputs, host: Host, facts: Facts) -> Found:
    kernel = parsed(facts.kernel)[:2]
    if host.is_(Role.WORKER) and inputs.cluster.proxy_mode == "nftables" and kernel and kernel < NFTABLES_KERNEL:
        remedy = "boot a kernel of 5.13 or newer, or write `kube_proxy: {mode: iptables}` in the inventory"
        yield f"has Linux {facts.kernel}, too old for kube-proxy's mode nftables", remedy


CHECKS = (
    HostCheck("Cgroup", "The kubelet's cgroup version is allowed (workers).", cgroup),
    HostCheck("Kernel", "The kernel is new enough for the mode of kube-proxy (workers).", kernel),
)
