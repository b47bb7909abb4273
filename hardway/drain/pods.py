"""Pods as a drain sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..targets.kube import KubeApi

MIRROR = "kubernetes.io/config.mirror"
HASH = "pod-template-hash"
FINISHED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Pod:
    """`controller` is (kind, name) of what starts it again, None where nothing does; `empty_dirs` are the names of its
    emptyDir volumes; `ending` is when its deletion began, as the API says it, empty while it has not; `grace` is in
    seconds."""

    namespace: str
    name: str
    uid: str
    phase: str = "Running"
    labels: Mapping[str, str] = field(default_factory=dict)
    controller: tuple[str, str] | None = None
    mirror: bool = False
    empty_dirs: tuple[str, ...] = ()
    ending: str = ""
    grace: int = 30
    ready: bool = True

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def finished(self) -> bool:
        return self.phase in FINISHED

    @property
    def owner(self) -> str:
        """What a person knows as its owner: the Deployment of a ReplicaSet."""
        if not self.controller:
            return "no controller"
        kind, name = self.controller
        template = self.labels.get(HASH, "")
        if kind == "ReplicaSet" and template and name.endswith(f"-{template}"):
            return f"Deployment {name.removesuffix(f'-{template}')}"
        return f"{kind} {name}"


def pod(found: Mapping[str, Any]) -> Pod:
    """A Pod object of the API in our own terms."""
    about, spec, status = found["metadata"], found.get("spec", {}), found.get("status", {})
    owners = (one for one in about.get("ownerReferences") or () if one.get("controller"))
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    return Pod(
        about.get("namespace", ""),
        about["name"],
        about.get("uid", ""),
        status.get("phase", ""),
        about.get("labels") or {},
        next(((one["kind"], one["name"]) for one in owners), None),
        MIRROR in (about.get("annotations") or {}),
        tuple(volume["name"] for volume in spec.get("volumes") or () if "emptyDir" in volume),
        about.get("deletionTimestamp") or "",
        about.get("deletionGracePeriodSeconds") or spec.get("terminationGracePeriodSeconds") or 0,
        conditions.get("Ready") == "True",
    )


def pods_on(api: KubeApi, node: str) -> tuple[Pod, ...]:
    """All pods that are bound to a node, by namespace and name."""
    found = api.get(f"/api/v1/pods?fieldSelector=spec.nodeName={node}") or {}
    return tuple(sorted(map(pod, found.get("items") or ()), key=str))
