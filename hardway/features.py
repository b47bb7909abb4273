"""What differs between versions, as data: one table, read by the templates and phases.

A row says from which minor of Kubernetes on a value holds; a version newer than every row gets the newest value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .settings import Versions

Version = tuple[int, int]
OLDEST: Version = (0, 0)


@dataclass(frozen=True)
class Features:
    """The version-dependent facts of one cluster; each field is explained beside its row below."""

    pod_infra_container_image_flag: bool
    needs_cgroup_v2: bool
    kubelet_rereads_certificate: bool


KUBERNETES: dict[str, tuple[tuple[Version, Any], ...]] = {
    # kubelet --pod-infra-container-image kept the pause image from being collected; the flag is gone since 1.35.
    "pod_infra_container_image_flag": ((OLDEST, True), ((1, 35), False)),
    # KubeletConfiguration.failCgroupV1 defaults to true since 1.35.
    "needs_cgroup_v2": ((OLDEST, False), ((1, 35), True)),
    # The kubelet reads its serving certificate again when it changes. Before 1.36 it went on to show the old one to
    # clients that use its address, as the API server does.
    "kubelet_rereads_certificate": ((OLDEST, False), ((1, 36), True)),
}


def features(versions: Versions) -> Features:
    """The facts that hold for these versions."""
    return Features(**{name: _newest(rows, versions.minor) for name, rows in KUBERNETES.items()})


def _newest(rows: tuple[tuple[Version, Any], ...], version: Version) -> Any:
    return max((row for row in rows if row[0] <= version), key=lambda row: row[0])[1]
