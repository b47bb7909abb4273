"""What differs between versions, as data: one table per project, read by the templates and phases.

A row says from which version on a value holds; a version newer than every row gets the newest value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .cluster import Versions

Version = tuple[int, int]
OLDEST: Version = (0, 0)


@dataclass(frozen=True)
class Features:
    """The version-dependent facts of one cluster; each field is explained beside its row below."""

    insecure_port_flag: bool
    scheduler_api: str
    container_runtime_flag: bool
    pod_infra_container_image_flag: bool
    runtime_endpoint_in_config: bool
    fail_cgroup_v1_key: bool
    needs_cgroup_v2: bool
    aws_probe: bool
    kubelet_starts_after: str
    pod_disruption_budget_api: str
    coredns_noendpoints: bool
    service_watch_cache: bool
    containerd_config_version: int
    cni_bin_dirs: bool


KUBERNETES: dict[str, tuple[tuple[Version, Any], ...]] = {
    # kube-controller-manager and kube-scheduler: --port=0 closes the plain http port; the flag is gone since 1.24.
    "insecure_port_flag": ((OLDEST, True), ((1, 24), False)),
    # v1beta1 is gone since 1.23, v1beta2 since 1.28, v1beta3 since 1.29.
    "scheduler_api": (
        (OLDEST, "kubescheduler.config.k8s.io/v1beta1"),
        ((1, 22), "kubescheduler.config.k8s.io/v1beta2"),
        ((1, 25), "kubescheduler.config.k8s.io/v1"),
    ),
    # kubelet --container-runtime=remote was needed while Docker was the default; the flag is gone since 1.27.
    "container_runtime_flag": ((OLDEST, True), ((1, 27), False)),
    # kubelet --pod-infra-container-image kept the pause image from being collected; the flag is gone since 1.35.
    "pod_infra_container_image_flag": ((OLDEST, True), ((1, 35), False)),
    # KubeletConfiguration.containerRuntimeEndpoint replaces --container-runtime-endpoint since 1.27.
    "runtime_endpoint_in_config": ((OLDEST, False), ((1, 27), True)),
    # KubeletConfiguration.failCgroupV1 exists since 1.31 and defaults to true since 1.35.
    "fail_cgroup_v1_key": ((OLDEST, False), ((1, 31), True)),
    "needs_cgroup_v2": ((OLDEST, False), ((1, 35), True)),
    # The kubelet's built-in AWS code asks 169.254.169.254 for credentials for 6 s at start; it is gone since 1.27.
    "aws_probe": ((OLDEST, True), ((1, 27), False)),
    # An old kubelet is silent for its first seconds (Docker probe, gone since 1.24): overlap them with the API's start.
    # A newer one registers within a second, and backs off for up to 7 s when the API is not there yet.
    "kubelet_starts_after": ((OLDEST, "etcd"), ((1, 24), "control-plane")),
    "pod_disruption_budget_api": ((OLDEST, "policy/v1beta1"), ((1, 21), "policy/v1")),
    # CoreDNS 1.11 and later speak EndpointSlice v1 only, which Kubernetes has since 1.21; below, headless names are not served.
    "coredns_noendpoints": ((OLDEST, True), ((1, 21), False)),
    # The API server's watch cache ends all its watches when etcd has no leader. In 1.20 those of Services stay open and silent until
    # they time out, after up to ten minutes (kubernetes issue 102464); watches that do without the cache are ended.
    "service_watch_cache": ((OLDEST, False), ((1, 21), True)),
}

CONTAINERD: dict[str, tuple[tuple[Version, Any], ...]] = {
    # Configuration version 3 (io.containerd.cri.v1.*) came with containerd 2.0; 2.3 knows a version 4 and reads 3 just the same.
    "containerd_config_version": ((OLDEST, 2), ((2, 0), 3)),
    # cni.bin_dir became the list cni.bin_dirs in 2.1; the old key still works up to 2.3, with a warning.
    "cni_bin_dirs": ((OLDEST, False), ((2, 1), True)),
}


def features(versions: Versions) -> Features:
    """The facts that hold for these versions."""
    values = {name: _newest(rows, versions.minor) for name, rows in KUBERNETES.items()}
    values |= {name: _newest(rows, _minor(versions.containerd)) for name, rows in CONTAINERD.items()}
    return Features(**values)


def _newest(rows: tuple[tuple[Version, Any], ...], version: Version) -> Any:
    return max((row for row in rows if row[0] <= version), key=lambda row: row[0])[1]


def _minor(version: str) -> Version:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
