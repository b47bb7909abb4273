"""Why pods do not run, in the kubelet's own words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# What a kubelet calls an image it cannot have.
IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"}
)
CRASH_REASONS = frozenset(
    {"CrashLoopBackOff", "RunContainerError", "CreateContainerError", "CreateContainerConfigError"}
)


@dataclass(frozen=True)
class Stuck:
    """A container that waits: `reason` is the kubelet's word, `message` its sentence."""

    namespace: str
    pod: str
    node: str
    image: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.pod}: {self.reason} {self.image}"


def stuck(
    pods: Iterable[Mapping[str, Any]], reasons: frozenset[str] = IMAGE_REASONS | CRASH_REASONS
) -> Iterator[Stuck]:
    """Containers that wait for one of these reasons."""
    for pod in pods:
        about, status = pod["metadata"], pod.get("status", {})
        for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
            waiting = container.get("state", {}).get("waiting", {})
            if waiting.get("reason") in reasons:
                where = about.get("namespace", ""), about["name"], pod.get("spec", {}).get("nodeName", "")
                yield Stuck(*where, container.get("image", ""), waiting["reason"], waiting.get("message", ""))
