"""The cluster as its API tells it: asked once, by the first control-plane host that can."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ...cluster import Host
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
        pods = Counter(pod["spec"].get("nodeName", "") for pod in (api.get(LIVING_PODS) or {}).get("items", []))
        self.nodes = tuple(node(found, pods) for found in (api.get("/api/v1/nodes") or {}).get("items", []))
        if self.live.cluster.coredns.enabled:
            status = (api.get(COREDNS) or {}).get("status", {})
            self.addons = (Addon("coredns", self.live.cluster.coredns.replicas, status.get("readyReplicas", 0)),)


def node(found: Mapping[str, Any], pods: Mapping[str, int]) -> Node:
    """A Node object in the words of ours."""
    name, status = found["metadata"]["name"], found.get("status", {})
    ready = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), {})
    about = status.get("nodeInfo", {})
    return Node(
        name,
        ready.get("status") == "True",
        "" if ready.get("status") == "True" else ready.get("message") or "has not reported yet",
        not found.get("spec", {}).get("unschedulable", False),
        about.get("kubeletVersion", "").removeprefix("v"),
        about.get("containerRuntimeVersion", "").replace("://", " "),
        pods.get(name, 0),
        int(status.get("allocatable", {}).get("pods", 0)),
    )
