"""The living cluster as it follows from the units that run on the memory hosts."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

from hardway.cluster import Cluster, Host, LoadBalancer
from hardway.resources.unit import properties
from hardway.targets.live import Live

from .memory_host import MemoryHost
from .memory_kube import MemoryKube, Objects


class FakeLive(Live):
    """Live, with every look at the network replaced by a look at the memory hosts."""

    def __init__(self, cluster: Cluster, hosts: Mapping[str, MemoryHost], objects: Objects):
        super().__init__(cluster, None, {host.name: SimpleNamespace(host=host, connect=lambda: None) for host in cluster.hosts})
        self.hosts, self.objects = hosts, objects
        self.sick: dict[str, str] = {}
        self.not_ready_nodes: set[str] = set()
        self.not_ready_apiservers: set[str] = set()
        objects.kubelets = self._kubelets

    def runs(self, host: Host, unit: str) -> bool:
        return self.hosts[host.name].systemd.unit(f"{unit}.service").active == "active"

    def journal(self, host: str, unit: str, lines: int = 20) -> str:
        return self.hosts[host].q_journal(unit, str(lines))

    def serves(self, host: Host, unit: str, port: int) -> bool:
        return self.runs(host, unit)

    def unit(self, host: str, unit: str) -> dict[str, str]:
        return properties(self.hosts[host].q_unit(unit))

    def etcd_health(self, host: Host) -> str:
        running = [member for member in self.cluster.etcd_members if self.runs(member, "etcd")]
        if host.name in self.sick:
            return self.sick[host.name]
        if host not in running:
            return "connection refused"
        return "" if len(running) > len(self.cluster.etcd_members) // 2 else "no leader"

    def _api(self, host: Host, identity: str, port: int, address: str) -> MemoryKube:
        here = port == self.cluster.apiserver_port(host) and address == "127.0.0.1"
        return MemoryKube(self.objects, (lambda: self._apiserver(host)) if here else self._balanced)

    def _door(self) -> Host:
        return self.cluster.control_plane[0]

    def _apiserver(self, host: Host) -> str:
        if not self.runs(host, "kube-apiserver"):
            return "connection refused"
        if host.name in self.not_ready_apiservers:
            return "readyz 500 [-]poststarthook failed"
        healthy = [member for member in self.cluster.etcd_members if not self.etcd_health(member)]
        return "" if healthy else "readyz 500 [-]etcd failed"

    def _balanced(self) -> str:
        servers = [host for host in self.cluster.control_plane if not self._apiserver(host)]
        doors = [host for host in self.cluster.load_balancers if self.runs(host, "haproxy")]
        if self.cluster.api.load_balancer is LoadBalancer.HAPROXY and not doors:
            return "no load balancer"
        return "" if servers else "no API server is ready"

    def _kubelets(self) -> None:
        """Register the nodes whose kubelet runs and reaches the API, and report their condition."""
        for host in self.cluster.workers:
            path, works = f"/api/v1/nodes/{host.name}", self.runs(host, "kubelet") and not self._balanced()
            if path not in self.objects.by_path and works:
                meta = {"name": host.name, "labels": {"kubernetes.io/hostname": host.name}}
                self.objects.save(path, {"kind": "Node", "metadata": meta, "spec": {}})
            if path in self.objects.by_path:
                ready = works and self.runs(host, "containerd") and host.name not in self.not_ready_nodes
                status = {"status": "True", "message": ""} if ready else {"status": "False", "message": "container runtime is down"}
                self.objects.by_path[path]["status"] = {"conditions": [{"type": "Ready", **status}]}
