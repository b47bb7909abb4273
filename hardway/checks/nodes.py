"""The nodes: what kubelets report of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..cluster import Cluster, Host
from .outcome import Check, Outcome, judged
from .scene import Scene

PRESSURE = ("MemoryPressure", "DiskPressure", "PIDPressure")


def node_findings(cluster: Cluster, host: Host, node: Mapping[str, Any] | None) -> list[str]:
    """Where a node is not what the inventory says."""
    if node is None:
        return ["it is not registered"]
    status = node.get("status", {})
    conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
    ready = conditions.get("Ready", {})
    found = [] if ready.get("status") == "True" else [f"it is not Ready: {ready.get('message', 'it has reported nothing')}"]
    found += [f"{name}: {conditions[name].get('message', '')}" for name in PRESSURE if conditions.get(name, {}).get("status") == "True"]
    address = next((each["address"] for each in status.get("addresses", []) if each["type"] == "InternalIP"), "none")
    if address != str(host.address):
        found.append(f"its address is {address} instead of {host.address}")
    about = status.get("nodeInfo", {})
    # An empty version is one that the kubelet has not told yet.
    if about.get("kubeletVersion", "") not in (f"v{cluster.versions.kubernetes}", ""):
        found.append(f"kubeletVersion is {about['kubeletVersion']} instead of v{cluster.versions.kubernetes}")
    if not about.get("containerRuntimeVersion", "").startswith("containerd://"):
        found.append(f"its runtime is {about.get('containerRuntimeVersion') or 'unknown'} instead of containerd")
    return found


def nodes_ready(scene: Scene) -> Outcome:
    nodes = scene.live.nodes()
    found = [
        f"{host.name}: {finding}" for host in scene.cluster.workers for finding in node_findings(scene.cluster, host, nodes.get(host.name))
    ]
    others = sorted(nodes.keys() - {host.name for host in scene.cluster.workers})
    cordoned = sorted(name for name, node in nodes.items() if node["spec"].get("unschedulable"))
    seen = [f"{len(scene.cluster.workers)} nodes Ready, v{scene.cluster.versions.kubernetes}"]
    seen += [f"cordoned: {', '.join(cordoned)}"] if cordoned else []
    seen += [f"not in the inventory: {', '.join(others)}"] if others else []
    return judged(found, "; ".join(seen))


CHECKS = (
    Check(
        "nodes-ready",
        "Every worker is a Ready node",
        "A node that is not Ready gets no pods and loses those it has.",
        "kubectl describe node NAME; on it: journalctl -u kubelet -n 50",
        nodes_ready,
    ),
)
