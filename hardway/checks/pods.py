"""What the API says of our pods: which are ready, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..cluster import Host
from ..pki.secret import Secret

NAMESPACES = "/api/v1/namespaces"


@dataclass(frozen=True)
class Pod:
    """A ready server of ours on one worker."""

    name: str
    address: str
    worker: Host


@dataclass(frozen=True)
class Smoke:
    """What stands while the smoke checks run; `pods` are the ready ones, in the workers' order."""

    namespace: str
    secret: Secret
    pods: tuple[Pod, ...]
    cluster_ip: str
    node_port: int

    @property
    def workers(self) -> tuple[Host, ...]:
        return tuple(pod.worker for pod in self.pods)

    @property
    def path(self) -> str:
        return f"{NAMESPACES}/{self.namespace}"


def pod_findings(pods: Iterable[Mapping[str, Any]], workers: Iterable[Host]) -> list[str]:
    """Workers without a ready pod, and why."""
    listed = list(pods)
    on = {pod["spec"].get("nodeName"): pod for pod in listed}
    waiting = [_pending(pod) for pod in listed if not pod["spec"].get("nodeName")]
    found = []
    for host in workers:
        pod = on.get(host.name)
        if pod is None:
            found.append(f"{host.name}: no pod was scheduled to it{': ' + waiting[0] if waiting else ''}")
        elif not _ready(pod):
            found.append(f"{host.name}: pod {pod['metadata']['name']} is {pod['status'].get('phase')}: {_pending(pod)}")
    return found


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions) and bool(
        pod["status"].get("podIP")
    )


def _pending(pod: Mapping[str, Any]) -> str:
    """The most telling reason a pod is not ready."""
    states = [status.get("state", {}).get("waiting", {}) for status in pod["status"].get("containerStatuses", [])]
    told = [f"{state.get('reason', '')} {state.get('message', '')}".strip() for state in states if state]
    told += [each.get("message", "") for each in pod["status"].get("conditions", []) if each["status"] == "False"]
    return next((text for text in told if text), "no reason given")


def ready_pods(pods: Iterable[Mapping[str, Any]], workers: Iterable[Host]) -> tuple[Pod, ...]:
    on = {pod["spec"].get("nodeName"): pod for pod in pods if _ready(pod)}
    return tuple(
        Pod(on[host.name]["metadata"]["name"], on[host.name]["status"]["podIP"], host)
        for host in workers
        if host.name in on
    )


def ready_addresses(slices: Iterable[Mapping[str, Any]]) -> set[str]:
    """The addresses that a Service's EndpointSlices call ready; kube-proxies go by these."""
    endpoints = (endpoint for each in slices for endpoint in each.get("endpoints") or ())
    return {
        address
        for endpoint in endpoints
        if endpoint.get("conditions", {}).get("ready", True)
        for address in endpoint["addresses"]
    }
