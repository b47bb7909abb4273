"""Install CoreDNS, the cluster's name server, behind the fixed address every kubelet hands to its pods.

Two replicas on different workers. Names outside the cluster are forwarded to the nodes' own name
servers when they have any that pods can reach: one on 127.0.0.1 would be CoreDNS asking itself.

By hand: `kubectl -n kube-system get pods -l k8s-app=kube-dns`; in a pod `nslookup kubernetes.default`.

Goes wrong: names outside fail where a node has no name server, or one on 127.0.0.1, which in a pod is the pod
itself (then write `addons.coredns.forward`); 10-second pauses are lost UDP answers.
"""

from typing import Any

from ..assets import image_reference
from ..phase import API, Inputs, Pending, Phase
from ..render import render
from ..targets.live import Live
from ..targets.pods import stuck
from .rbac import objects


def forward(inputs: Inputs) -> tuple[str, ...]:
    """Where other names are asked: as the inventory says, or the node's resolver if every worker has one that pods can reach."""
    wanted = inputs.cluster.coredns.forward
    if wanted == "none":
        return ()
    if wanted != "auto":
        return tuple(wanted) if not isinstance(wanted, str) else (wanted,)
    workers = [inputs.facts[host.name] for host in inputs.cluster.workers if inputs.facts[host.name].known]
    usable = all(facts.nameservers and not facts.own_nameservers for facts in workers)
    return ("/etc/resolv.conf",) if usable else ()


def desired(inputs: Inputs, host) -> list:
    if not inputs.cluster.coredns.enabled:
        return []
    return objects(
        render("coredns.yaml", inputs.cluster, coredns_image=image_reference(inputs.cluster, "coredns"), forward=forward(inputs))
    )


def ready(live: Live) -> Pending | None:
    if not live.cluster.coredns.enabled:
        return None
    found = live.kube().get("/apis/apps/v1/namespaces/kube-system/deployments/coredns")
    status = (found or {}).get("status", {})
    wanted = live.cluster.coredns.replicas
    if status.get("readyReplicas", 0) >= wanted and status.get("updatedReplicas", 0) >= wanted:
        return None
    worker = live.cluster.workers[0].name
    said = "; ".join([f"{status.get('readyReplicas', 0)} of {wanted} replicas", *map(str, stuck(pods(live)))])
    return Pending(f"CoreDNS to be ready ({said})", worker, "kubelet.service")


def pods(live: Live) -> list[dict[str, Any]]:
    return (live.kube().get("/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns") or {}).get("items", [])


PHASE = Phase(
    name="dns",
    title="Install the DNS add-on",
    targets=lambda cluster: (API,),
    desired=desired,
    needs=lambda inputs: ("rbac", "pod-routes", "kube-proxy"),
    ready=ready,
    deadline=120,
)
