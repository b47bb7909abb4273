"""Pods that cannot run because of the cluster: images nobody has, sandboxes that cannot be made, add-ons that crash."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from ...checks.scene import items
from ...cluster import Cluster
from ...run.refusals import last_words
from ...targets.pods import CRASH_REASONS, IMAGE_REASONS, Stuck, stuck
from .diagnosis import Diagnosis, Finding
from .patient import Patient

SANDBOX_EVENTS = "/api/v1/events?fieldSelector=reason%3DFailedCreatePodSandBox"
PULLING = "pull"


def pods(patient: Patient) -> list[dict[str, Any]]:
    return patient.scene.once("all pods", lambda: items(patient.scene.api.get("/api/v1/pods")))


def images(patient: Patient) -> Iterator[Finding]:
    by_image: dict[str, list[Stuck]] = defaultdict(list)
    for one in stuck(pods(patient), IMAGE_REASONS):
        by_image[one.image].append(one)
    for image, waiting in by_image.items():
        yield image_finding(patient.cluster, image, waiting)


def image_finding(cluster: Cluster, image: str, waiting: list[Stuck]) -> Finding:
    """An image that pods wait for; where hardway brings images itself, a bootstrap puts its own there again."""
    nodes = sorted({one.node for one in waiting})
    evidence = tuple(dict.fromkeys(f"{one.namespace}/{one}: {one.message}".splitlines()[0] for one in waiting))[:3]
    what = f"the image {image} is not on {', '.join(nodes)} and cannot be pulled ({waiting[0].reason})"
    own = all(one.namespace == "kube-system" for one in waiting)
    return Finding(nodes[0] if len(nodes) == 1 else "", what, _image_remedy(cluster, image, nodes, own), evidence)


def _image_remedy(cluster: Cluster, image: str, nodes: list[str], own: bool) -> str:
    if own and cluster.assets.images != PULLING:
        return "hardway bootstrap INV   copies the image there again"
    if own:
        return (
            f"give {', '.join(nodes)} access to the image's registry, or write `assets: {{images: push}}` in INV, then:"
            " hardway bootstrap INV"
        )
    return (
        f"give {', '.join(nodes)} access to its registry, or import the image there:"
        f" ctr -n k8s.io images import FILE   ({image})"
    )


def sandboxes(patient: Patient) -> Iterator[Finding]:
    """A pod's sandbox needs the pause image, a CNI configuration and a runtime; the kubelet tells which is missing."""
    waiting = {pod["metadata"]["uid"] for pod in pods(patient) if pod.get("status", {}).get("phase") == "Pending"}
    said: dict[str, str] = {}
    for event in items(patient.scene.api.get(SANDBOX_EVENTS)):
        if event["involvedObject"].get("uid") in waiting:
            said[event.get("source", {}).get("host", "")] = event.get("message", "")
    for node, message in said.items():
        look = f"on {node}: journalctl -b -u containerd -u kubelet -n 50; hardway bootstrap INV"
        yield Finding(node, "pods cannot start: their sandbox cannot be created", look, (message[:300],))


def crashing(patient: Patient) -> Iterator[Finding]:
    """Only our own add-ons: what users run is theirs."""
    for one in stuck(pods(patient), CRASH_REASONS):
        if one.namespace == "kube-system":
            look = f"kubectl -n {one.namespace} logs --previous {one.pod}"
            yield Finding(one.node, f"the pod {one.pod} keeps failing: {one.reason}", look, _log(patient, one))


def _log(patient: Patient, one: Stuck) -> tuple[str, ...]:
    path = f"/api/v1/namespaces/{one.namespace}/pods/{one.pod}/log?previous=true&tailLines=10"
    status, body = patient.scene.api.request("GET", path)
    return last_words(body.decode("utf-8", "replace")) if status == 200 else (one.message,)


HERE = ("disk-full", "unit-kubelet", "unit-containerd")
IMAGES = Diagnosis("image-missing", "An image is missing and cannot be pulled", images, needs_api=True)
SANDBOXES = Diagnosis("sandbox", "Pods cannot start", sandboxes, (*HERE, "node-image-missing"), needs_api=True)
CRASHING = Diagnosis("add-on-crashing", "An add-on crashes", crashing, HERE, ("image-missing",), needs_api=True)
