"""When a cluster of kubeadm's is complete; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hardway.cluster import Cluster

STATIC = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
COREDNS = 2

Objects = Sequence[Mapping[str, Any]]


def lacking(cluster: Cluster, nodes: Objects, pods: Objects) -> str:
    """The first thing that is not ready yet, or an empty string: nodes, the control plane's pods, kube-proxy, CoreDNS.

    `cluster` is a `spread` one: its workers are all the nodes. A member of etcd counts by its pod.
    """
    ready = {node["metadata"]["name"] for node in nodes if _is_ready(node)}
    running = [pod["metadata"] for pod in pods if _is_ready(pod)]
    names = {pod["name"] for pod in running}
    for host in cluster.workers:
        if host.name not in ready:
            return f"node {host.name}"
    for name in (f"{part}-{host.name}" for part in STATIC for host in cluster.control_plane):
        if name not in names:
            return f"pod {name}"
    for app, wanted in {"kube-proxy": len(cluster.workers), "kube-dns": COREDNS}.items():
        found = sum(pod.get("labels", {}).get("k8s-app") == app for pod in running)
        if found < wanted:
            return f"pods of {app}, of which {found} are ready"
    return ""


def _is_ready(found: Mapping[str, Any]) -> bool:
    conditions = found.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
