"""The living cluster as it follows from the units that run on the memory hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hardway.cluster import Cluster, Host, LoadBalancer

from .memory_host import MemoryHost
from .memory_kube import MemoryKube, Objects


class FakeLive:
    """What phases ask of Live."""

    def __init__(self, cluster: Cluster, hosts: Mapping[str, MemoryHost], objects: Objects):
        self.cluster, self.hosts, self.objects = cluster, hosts, objects
        self.sick: dict[str, str] = {}
        self.not_ready_nodes: set[str] = set()

    def runs(self, host: Host, unit: str) -> bool:
        return self.hosts[host.name].systemd.unit(f"{unit}.service").active == "active"

    def journal(self, host: str, unit: str, lines: int = 20) -> str:
        return self.hosts[host].q_journal(unit, str(lines))

    def etcd_health(self, host: Host) -> str:
        running = [member for member in self.cluster.etcd_members if self.runs(member, "etcd")]
        if host.name in self.sick:
            return self.sick[host.name]
        if host not in running:
            return "connection refused"
        return "" if len(running) > len(self.cluster.etcd_members) // 2 else "no leader"

    def kube(self, host: Host | None = None) -> MemoryKube:
        if host:
            return MemoryKube(self.objects, lambda: self._apiserver(host))
        up = [candidate for candidate in self.cluster.control_plane if not self._apiserver(candidate)]
        return self.kube((up or list(self.cluster.control_plane))[0])

    def balanced(self) -> MemoryKube:
        return MemoryKube(self.objects, self._balanced)

    administrator = balanced

    def nodes(self) -> dict[str, dict[str, Any]]:
        self.kube().get("/api/v1/nodes")  # raises while no API server answers, as the real one does
        for host in self.cluster.workers:
            path = f"/api/v1/nodes/{host.name}"
            if path not in self.objects.by_path and self._registers(host):
                meta = {"name": host.name, "labels": {"kubernetes.io/hostname": host.name}}
                self.objects.save(path, {"kind": "Node", "metadata": meta, "spec": {}})
        return {host.name: self._node(host) for host in self.cluster.workers if f"/api/v1/nodes/{host.name}" in self.objects.by_path}

    def _node(self, host: Host) -> dict[str, Any]:
        ready = self._registers(host) and host.name not in self.not_ready_nodes
        condition = {"type": "Ready", "status": "True" if ready else "False", "message": "" if ready else "container runtime is down"}
        return {**self.objects.by_path[f"/api/v1/nodes/{host.name}"], "status": {"conditions": [condition]}}

    def _registers(self, host: Host) -> bool:
        return self.runs(host, "kubelet") and self.runs(host, "containerd") and not self._balanced()

    def _apiserver(self, host: Host) -> str:
        if not self.runs(host, "kube-apiserver"):
            return "connection refused"
        healthy = [member for member in self.cluster.etcd_members if not self.etcd_health(member)]
        return "" if healthy else "readyz 500 [-]etcd failed"

    def _balanced(self) -> str:
        servers = [host for host in self.cluster.control_plane if not self._apiserver(host)]
        doors = [host for host in self.cluster.load_balancers if self.runs(host, "haproxy")]
        if self.cluster.api.load_balancer is LoadBalancer.HAPROXY and not doors:
            return "no load balancer"
        return "" if servers else "no API server is ready"
