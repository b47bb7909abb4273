"""Install CoreDNS, the cluster's name server, behind the fixed address every kubelet gives its pods.

Two replicas run on different workers. Names outside the cluster are forwarded to the nodes' own
name servers, if pods can reach them. A name server on 127.0.0.1 would make CoreDNS query itself.
A running cluster keeps what it does as long as one worker is unreachable or has no such name server.

By hand: `kubectl -n kube-system get pods -l k8s-app=kube-dns`; in a pod `nslookup kubernetes.default`.

Goes wrong: outside names fail where a node has no name server, or one on 127.0.0.1, which in a pod is the pod
itself (then set `addons.coredns.forward`); 10-second pauses are lost UDP answers.
"""

from collections.abc import Mapping, Set
from typing import Any

from ..assets import image_reference
from ..facts import Facts
from ..phase import API, Inputs, Pending, Phase
from ..render import render
from ..resources import Resource
from ..targets.live import Live
from ..targets.pods import stuck
from .rbac import objects

# Where the node keeps its own name servers, as its pods see it.
NODES_OWN = ("/etc/resolv.conf",)


def forward(inputs: Inputs) -> tuple[str, ...]:
    """Where other names are asked: as the inventory says, or the node's resolver if every worker has one that pods can
    reach.

    Where it does not follow from every worker, a cluster keeps what it has: one that is off, or a new one with other
    name servers, must not take the names of the outside from all pods.
    """
    wanted = inputs.cluster.coredns.forward
    if wanted == "none":
        return ()
    if wanted != "auto":
        return tuple(wanted) if not isinstance(wanted, str) else (wanted,)
    workers = [inputs.facts[host.name] for host in inputs.cluster.workers]
    known = [facts for facts in workers if facts.known]
    fit = all(map(usable, known))
    if inputs.lives.forward is not None and not (fit and len(known) == len(workers)):
        return inputs.lives.forward
    return NODES_OWN if fit else ()


def usable(facts: Facts) -> bool:
    """Whether pods on a host can ask the name servers it uses."""
    return bool(facts.nameservers) and not facts.own_nameservers


def desired(inputs: Inputs, host) -> list[Resource]:
    if not inputs.cluster.coredns.enabled:
        return []
    image = image_reference(inputs.cluster, "coredns")
    return [*objects(render("coredns.yaml", inputs.cluster, coredns_image=image, forward=forward(inputs)))]


def ready(live: Live, target) -> Pending | None:
    workers = live.among(live.cluster.workers)
    if not (live.cluster.coredns.enabled and workers):
        return None
    wanted, there = _replicas(live, {host.name for host in workers})
    if there >= wanted:
        return None
    said = "; ".join([f"{there} of {wanted} replicas", *map(str, stuck(pods(live)))])
    return Pending(f"CoreDNS to be ready ({said})", workers[0].name, "kubelet.service")


def _replicas(live: Live, about: Set[str]) -> tuple[int, int]:
    """How many must be ready, and are: those on hosts that the run is not about are not waited for."""
    found = live.kube().get("/apis/apps/v1/namespaces/kube-system/deployments/coredns") or {}
    status, wanted = found.get("status", {}), live.cluster.coredns.replicas
    updated, running = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    if len(about) < len(live.cluster.workers):
        elsewhere = [pod for pod in pods(live) if pod.get("spec", {}).get("nodeName", "") not in ("", *about)]
        wanted -= len(elsewhere)
        running -= sum(map(_is_ready, elsewhere))
    return wanted, min(updated, running)


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = {one["type"]: one["status"] for one in pod.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True"


def pods(live: Live) -> list[dict[str, Any]]:
    return (live.kube().get("/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns") or {}).get(
        "items", []
    )


PHASE = Phase(
    name="dns",
    title="Install the DNS add-on",
    targets=lambda cluster: (API,),
    desired=desired,
    needs=lambda inputs: ("rbac", "pod-routes", "kube-proxy"),
    ready=ready,
    deadline=120,
)
