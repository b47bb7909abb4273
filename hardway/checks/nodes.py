"""The nodes: what kubelets report of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..cluster import Cluster, Host
from ..facts import Facts
from ..living import Lives
from ..living.departed import departed
from ..living.lives import node
from ..progress.closing import plural
from .check import Check
from .outcome import Outcome, judged
from .scene import Scene

PRESSURE = ("MemoryPressure", "DiskPressure", "PIDPressure")


def node_findings(
    cluster: Cluster, host: Host, node: Mapping[str, Any] | None, kubelets: Collection[str] = ()
) -> list[str]:
    """Where a node is not what the inventory says; its kubelet may have one of these versions instead."""
    if node is None:
        return ["it is not registered"]
    status = node.get("status", {})
    conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
    ready = conditions.get("Ready", {})
    found = (
        []
        if ready.get("status") == "True"
        else [f"it is not Ready: {ready.get('message', 'the kubelet has not reported yet')}"]
    )
    found += [
        f"{name}: {conditions[name].get('message', '')}"
        for name in PRESSURE
        if conditions.get(name, {}).get("status") == "True"
    ]
    address = next((each["address"] for each in status.get("addresses", []) if each["type"] == "InternalIP"), "none")
    if address != str(host.address):
        found.append(f"its address is {address} instead of {host.address}")
    about = status.get("nodeInfo", {})
    # An empty version is one that the kubelet has not told yet.
    allowed = (cluster.versions.kubernetes, *kubelets, "")
    if about.get("kubeletVersion", "").removeprefix("v") not in allowed:
        found.append(f"kubeletVersion is {about['kubeletVersion']} instead of v{cluster.versions.kubernetes}")
    if not about.get("containerRuntimeVersion", "").startswith("containerd://"):
        found.append(f"its runtime is {about.get('containerRuntimeVersion') or 'unknown'} instead of containerd")
    return found


def nodes_ready(scene: Scene) -> Outcome:
    nodes = scene.live.nodes()
    found = [
        f"{host.name}: {finding}"
        for host in scene.cluster.workers
        for finding in node_findings(scene.cluster, host, nodes.get(host.name), scene.kubelets)
    ]
    cordoned = sorted(name for name, node in nodes.items() if node["spec"].get("unschedulable"))
    seen = [f"{plural(len(scene.cluster.workers), 'node')} Ready, v{', v'.join(sorted(scene.kubelets))}"]
    seen += [f"cordoned: {', '.join(cordoned)}"] if cordoned else []
    return judged(found, "; ".join(seen))


def departed_findings(cluster: Cluster, facts: Mapping[str, Facts], lives: Lives) -> list[str]:
    """Nodes whose worker left the inventory, each with the command that removes it."""
    return [f"{node} is a node, but not in the inventory: {node.removal}" for node in departed(cluster, facts, lives)]


def nodes_known(scene: Scene) -> Outcome:
    nodes = {name: node(found) for name, found in scene.live.nodes().items()}
    found = departed_findings(scene.cluster, scene.inputs.facts, Lives(nodes=nodes))
    return judged(found, f"{plural(len(nodes), 'node')}, and no other than the inventory's")


CHECKS = (
    Check(
        "nodes-ready",
        "Every worker is a Ready node",
        "A node that is not Ready gets no pods and loses those it has.",
        "kubectl describe node NAME; on it: journalctl -u kubelet -n 50",
        nodes_ready,
    ),
    Check(
        "nodes-known",
        "Every node is in the inventory",
        "hardway keeps the routes to a node that left the inventory, but nothing else of it.",
        "put the worker back into the inventory, or: hardway node remove INV NAME",
        nodes_known,
    ),
)
