"""What moves pods in the cluster in memory: evictions under their budgets, kubelets that end pods, the controllers that
count, and the one that collects what is left of nodes that are gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hardway.drain.budgets import matches

from .memory_kube import Objects

POLICY = "/apis/policy/v1/"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


def of_kind(objects: Objects, kind: str) -> list[tuple[str, dict[str, Any]]]:
    return [(path, body) for path, body in list(objects.by_path.items()) if body.get("kind") == kind]


def pod(objects: Objects, node: str, name: str, owner: tuple[str, str] | None = ("ReplicaSet", "web-1"), **more: Any):
    """A running pod on a node, as a controller makes it; `more` is labels, namespace, volumes or annotations."""
    space = more.get("namespace", "default")
    meta = {"name": name, "namespace": space, "labels": more.get("labels", {"app": "web"}),
            "annotations": more.get("annotations", {})}  # fmt: skip
    if owner:
        meta["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "controller": True}]
    body = {"kind": "Pod", "metadata": meta, "spec": {"nodeName": node, "volumes": more.get("volumes", [])},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}  # fmt: skip
    return objects.save(f"/api/v1/namespaces/{space}/pods/{name}", body)


def budget(objects: Objects, name: str, labels: dict[str, str], least: int, namespace: str = "default"):
    """A PodDisruptionBudget that needs so many healthy pods."""
    spec = {"minAvailable": least, "selector": {"matchLabels": labels}}
    meta = {"name": name, "namespace": namespace}
    path = f"{POLICY}namespaces/{namespace}/poddisruptionbudgets/{name}"
    return objects.save(path, {"kind": "PodDisruptionBudget", "metadata": meta, "spec": spec})


def counted(objects: Objects) -> None:
    """The disruption controller: the status of every budget."""
    for _, found in of_kind(objects, "PodDisruptionBudget"):
        mine = [body for _, body in of_kind(objects, "Pod") if _selects(found, body)]
        healthy = sum(_ready(body) for body in mine)
        spec, expected = found["spec"], len(mine)
        desired = spec.get("minAvailable", expected - spec.get("maxUnavailable", 0))
        found["status"] = {
            "disruptionsAllowed": max(0, healthy - desired),
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
        }


def _selects(found: dict[str, Any], body: dict[str, Any]) -> bool:
    meta = body["metadata"]
    return meta.get("namespace") == found["metadata"].get("namespace") and matches(
        found["spec"]["selector"], meta.get("labels") or {}
    )


def _ready(body: dict[str, Any]) -> bool:
    conditions = body.get("status", {}).get("conditions", [])
    ending = "deletionTimestamp" in body["metadata"]
    return not ending and any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def evicted(objects: Objects, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
    """The eviction subresource of a pod at `path`."""
    counted(objects)
    found = objects.by_path.get(path)
    if not found:
        return 404, _status("not found")
    wanted = body.get("deleteOptions", {}).get("preconditions", {}).get("uid")
    if wanted and wanted != found["metadata"]["uid"]:
        return 409, _status("the UID in the precondition does not match")
    mine = [one for _, one in of_kind(objects, "PodDisruptionBudget") if _selects(one, found)]
    if len(mine) > 1:
        return 500, _status(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    if mine and not mine[0]["status"]["disruptionsAllowed"]:
        name, status = mine[0]["metadata"]["name"], mine[0]["status"]
        cause = (
            f"The disruption budget {name} needs {status['desiredHealthy']} healthy pods and has"
            f" {status['currentHealthy']} currently"
        )
        why = "Cannot evict pod as it would violate the pod's disruption budget."
        return 429, _status(why, {"reason": "DisruptionBudget", "message": cause})
    objects.point(f"POST {path}/eviction")
    found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:10Z"
    return 201, b"{}"


def _status(message: str, *causes: dict[str, str]) -> bytes:
    return json.dumps({"kind": "Status", "message": message, "details": {"causes": list(causes)}}).encode()


def ended(objects: Objects, runs: Callable[[str], bool]) -> None:
    """Kubelets that run end the pods that are being deleted; pods of nodes that are gone, or out of service, are
    collected."""
    nodes = {body["metadata"]["name"]: body for _, body in of_kind(objects, "Node")}
    for path, body in of_kind(objects, "Pod"):
        node = body["spec"].get("nodeName", "")
        ending = "deletionTimestamp" in body["metadata"] and runs(node)
        if ending or node not in nodes or _out_of_service(nodes[node]):
            objects.by_path.pop(path, None)


def _out_of_service(node: dict[str, Any]) -> bool:
    ready = any(
        one["type"] == "Ready" and one["status"] == "True" for one in node.get("status", {}).get("conditions", [])
    )
    return not ready and any(taint["key"] == OUT_OF_SERVICE for taint in node["spec"].get("taints", []))
