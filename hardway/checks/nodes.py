"""The nodes and the name service: what kubelets report, and whether every node can ask the cluster's DNS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..cluster import Cluster, Host
from ..live import UNREACHABLE, Live
from . import dns_query
from .model import Check, Outcome, judged, skipped
from .scene import Scene, items, on_hosts

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
    for component in ("kubeletVersion", "kubeProxyVersion"):
        # Kubernetes 1.33 stopped reporting kube-proxy's version.
        if about.get(component, "") not in (f"v{cluster.versions.kubernetes}", ""):
            found.append(f"{component} is {about[component]} instead of v{cluster.versions.kubernetes}")
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


def dns_findings(cluster: Cluster, deployment: Mapping[str, Any] | None, service: Mapping[str, Any] | None) -> list[str]:
    """Where the add-on is not what was installed: its replicas, its Service's address."""
    ready, wanted = (deployment or {}).get("status", {}).get("readyReplicas", 0), cluster.coredns.replicas
    found = [] if ready >= wanted else [f"{ready} of {wanted} replicas are ready"]
    address = (service or {}).get("spec", {}).get("clusterIP")
    if address != str(cluster.network.dns_ip):
        found.append(f"the Service kube-dns is at {address or 'no address'} instead of {cluster.network.dns_ip}")
    return found


def coredns(scene: Scene) -> Outcome:
    if not scene.cluster.coredns.enabled:
        return skipped("the inventory turns the DNS add-on off")
    api = scene.api
    pods = items(api.get("/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns"))
    found = dns_findings(
        scene.cluster,
        api.get("/apis/apps/v1/namespaces/kube-system/deployments/coredns"),
        api.get("/api/v1/namespaces/kube-system/services/kube-dns"),
    )
    where = sorted({pod["spec"].get("nodeName", "no node") for pod in pods})
    restarted = sum(status["restartCount"] for pod in pods for status in pod.get("status", {}).get("containerStatuses", []))
    return judged(found, f"{len(pods)} pods on {', '.join(where)}, {restarted} restarts")


def asked_from(live: Live, host: Host) -> str:
    """Why cluster DNS does not answer this host, or an empty string."""
    network = live.cluster.network
    found = dns_query.resolve(live.transports[host.name].dial(53, str(network.dns_ip)), live.cluster.service_names[-1])
    return (
        ""
        if found == [network.service_ip]
        else f"{live.cluster.service_names[-1]} is {', '.join(map(str, found)) or 'unknown'} instead of {network.service_ip}"
    )


def dns_answers(live: Live) -> bool:
    """Whether cluster DNS gives every worker the address of the `kubernetes` Service, right now."""
    try:
        return not any(asked_from(live, host) for host in live.cluster.workers)
    except UNREACHABLE:
        return False


def dns_from_hosts(scene: Scene) -> Outcome:
    if not scene.cluster.coredns.enabled:
        return skipped("the inventory turns the DNS add-on off")
    found = on_hosts(lambda host: asked_from(scene.live, host), scene.cluster.workers)
    return judged(found, f"{scene.cluster.network.dns_ip} answers {len(scene.cluster.workers)} workers")


CHECKS = (
    Check(
        "nodes-ready",
        "Every worker is a Ready node",
        "A node that is not Ready gets no pods and loses those it has.",
        "kubectl describe node NAME; on it: journalctl -u kubelet -n 50",
        nodes_ready,
    ),
    Check(
        "coredns-ready",
        "CoreDNS is up",
        "No pod finds a Service without it.",
        "kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide; kubectl -n kube-system logs -l k8s-app=kube-dns",
        coredns,
    ),
    Check(
        "dns-from-hosts",
        "Cluster DNS answers every worker",
        "It shows in one question that kube-proxy, routes and CoreDNS work on that worker.",
        "on that host: journalctl -u kube-proxy -n 50; iptables-save | grep kube-dns",
        dns_from_hosts,
    ),
)
