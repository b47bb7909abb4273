"""The cluster as its API tells it: asked once, by the first control-plane host that can."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ...cluster import Host
from ...foreign.quantity import amount
from ...foreign.understanding import mapping, mappings, text, understood, whole
from ...targets.kube import KubeApi
from ...targets.live import UNREACHABLE, Live
from .picture import Addon, Api, Node

LIVING_PODS = "/api/v1/pods?fieldSelector=status.phase!=Succeeded,status.phase!=Failed"
COREDNS = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"


class ApiView:
    """`ask` may be called for every control-plane host at once; whoever finds a ready server first asks for all of
    it."""

    def __init__(self, live: Live):
        self.live = live
        self.nodes: tuple[Node, ...] = ()
        self.addons: tuple[Addon, ...] = ()
        self.api: Api | None = None
        self.problem = ""
        self._asked = False
        self._lock = threading.Lock()

    def ask(self, host: Host) -> None:
        """Nodes and add-ons from the server on this host, and whether the address of all clients leads to one."""
        with self._lock:
            if self._asked:
                return
            self.api = self.api or self._balanced(host)
            try:
                self._read(self.live.kube(host))
            except UNREACHABLE as error:
                self.problem = str(error) or type(error).__name__
            else:
                self._asked, self.problem = True, ""

    def _balanced(self, host: Host) -> Api:
        url = self.live.cluster.api_url
        try:
            problem = self.live.balanced(host).not_ready()
        except UNREACHABLE as error:  # no certificate to ask with
            problem = str(error)
        return Api(url, not problem, problem, host.name)

    def _read(self, api: KubeApi) -> None:
        pods = pods_of(api.get(LIVING_PODS) or {})
        self.nodes = tuple(node(found, pods) for found in (api.get("/api/v1/nodes") or {}).get("items", []))
        if self.live.cluster.coredns.enabled:
            self.addons = (Addon("coredns", self.live.cluster.coredns.replicas, ready_of(api.get(COREDNS) or {})),)


def pods_of(answer: Mapping[str, Any]) -> Counter[str]:
    """How many of a list of pods are on each node, by its name."""
    with understood("the API server", answer):
        return Counter(text(mapping(pod.get("spec")).get("nodeName", "")) for pod in mappings(answer.get("items")))


def ready_of(answer: Mapping[str, Any]) -> int:
    """How many pods of a Deployment are ready."""
    with understood("the API server", answer):
        return whole(mapping(answer.get("status")).get("readyReplicas", 0))


def node(found: Mapping[str, Any], pods: Mapping[str, int]) -> Node:
    """A Node object in the words of ours. What it does not say is empty; NotUnderstood when it is no Node at all."""
    with understood("the API server", found):
        return _node(found, pods)


def _node(found: Mapping[str, Any], pods: Mapping[str, int]) -> Node:
    name, status = text(found["metadata"]["name"]), mapping(found.get("status"))
    ready = next((c for c in mappings(status.get("conditions")) if c.get("type") == "Ready"), {})
    about = mapping(status.get("nodeInfo"))
    return Node(
        name,
        ready.get("status") == "True",
        "" if ready.get("status") == "True" else text(ready.get("message") or "has not reported yet"),
        not mapping(found.get("spec")).get("unschedulable", False),
        text(about.get("kubeletVersion", "")).removeprefix("v"),
        text(about.get("containerRuntimeVersion", "")).replace("://", " "),
        pods.get(name, 0),
        int(amount(mapping(status.get("allocatable")).get("pods", 0))),
    )
