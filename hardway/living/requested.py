"""What the pods on a worker request, where its kubelet is to keep more from them than it does now.

A kubelet that restarts lets the pods of its node in again, one after the other; those that no longer fit it rejects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ..cluster import Cluster, Host
from ..facts import Facts
from ..foreign.quantity import amount
from ..foreign.understanding import mapping, mappings, understood
from ..targets.kube import KubeApi
from .lives import COUNTED, Node

FINISHED = ("Succeeded", "Failed")
NONE = Decimal(0)
Amounts = dict[str, Decimal]


def growth(host: Host, facts: Facts) -> Amounts:
    """By resource how much more its kubelet is to keep from pods than its file says now; nothing before it had any."""
    if not (facts.known and facts.joined):
        return {}
    kept = {resource: amount(facts.reserved.get(resource, 0)) for resource in host.reserved}
    more = {resource: amount(text) - kept[resource] for resource, text in host.reserved.items()}
    return {resource: found for resource, found in more.items() if found > 0}


def requests(
    api: KubeApi, cluster: Cluster, facts: Mapping[str, Facts], nodes: Mapping[str, Node]
) -> dict[str, Amounts]:
    """What the pods request, by the Node's name, of those whose kubelet is to keep more from them."""
    growing = (host.name for host in cluster.workers if host.name in facts and growth(host, facts[host.name]))
    return {name: _on(api, name) for name in growing if name in nodes}


def _on(api: KubeApi, node: str) -> Amounts:
    said = api.get(f"/api/v1/pods?fieldSelector=spec.nodeName={node}") or {}
    with understood("the API server", said):
        return together(map(of_pod, mappings(said.get("items"))))


def of_pod(pod: Mapping[str, Any]) -> Amounts:
    """As the kubelet counts it: all containers together, or the largest moment of its start if that takes more. What is
    written for the pod as a whole counts instead, and what its runtime takes besides always does."""
    if mapping(pod.get("status")).get("phase") in FINISHED:
        return {}
    spec = mapping(pod.get("spec"))
    beside, peak = Amounts(), Amounts()
    for one in mappings(spec.get("initContainers")):
        now = together([beside, _requests(one)])
        peak = _larger(peak, now)
        beside = now if one.get("restartPolicy") == "Always" else beside  # a sidecar stays
    running = together([beside, *map(_requests, mappings(spec.get("containers")))])
    return together([_larger(peak, running) | _requests(spec), _amounts(spec.get("overhead"))])


def _larger(one: Amounts, other: Amounts) -> Amounts:
    return {resource: max(one.get(resource, NONE), other.get(resource, NONE)) for resource in one | other}


def _requests(one: Mapping[str, Any]) -> Amounts:
    return _amounts(mapping(one.get("resources")).get("requests"))


def _amounts(found: object) -> Amounts:
    return {resource: amount(value) for resource, value in mapping(found).items() if resource in COUNTED}


def together(every: Iterable[Amounts]) -> Amounts:
    """The sum by resource."""
    found = Amounts()
    for one in every:
        found |= {resource: found.get(resource, NONE) + more for resource, more in one.items()}
    return found
