"""What the ports of a cluster in memory answer to checks that go to the network themselves, and what its API holds of
its own accord: with these all diagnoses of doctor can be made of a world, and of a healthy one they find nothing."""

from __future__ import annotations

import contextlib
import itertools
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from hardway.checks import control_plane, etcd_cluster, name_service, peer
from hardway.checks.scene import Scene
from hardway.commands.doctor import etcd_cluster as etcd
from hardway.commands.doctor import units
from hardway.errors import ConnectionFailed, HardwayError
from hardway.ports import ETCD_CLIENT, ETCD_PEER, KUBELET
from hardway.transport import Result

from .world import World

UNIT = {ETCD_CLIENT: "etcd", ETCD_PEER: "etcd", KUBELET: "kubelet", 53: "kube-proxy"}
NAMES = {ETCD_CLIENT: "etcd-server", ETCD_PEER: "etcd-peer", KUBELET: "kubelet-server"}


@dataclass
class Peers:
    """`anonymous` is what a kubelet says to anybody; `open_etcd` are hosts whose etcd lets everybody in; `older` those
    whose ports still show another certificate; `metrics` are a member's, and `dns` the answer of cluster DNS."""

    world: World
    patch: pytest.MonkeyPatch | None = None
    anonymous: int = 401
    open_etcd: set[str] = field(default_factory=set)
    older: set[str] = field(default_factory=set)
    metrics: dict[str, float] = field(default_factory=dict)
    dns: list[Any] = field(default_factory=list)
    stuck: bool = False  # nobody renews a lease
    cut: set[str] = field(default_factory=set)  # hosts from which the API's address is not reached
    kubectl: Result = field(default_factory=lambda: Result(0, b"node/worker-0\n", b""))
    members: Callable[[Any], Any] = lambda listed: listed
    beats: Any = field(default_factory=lambda: itertools.count(1))

    def dial(self, host: str, port: int, address: str = "127.0.0.1") -> SimpleNamespace:
        unit = self.world.hosts[host].systemd.unit(f"{UNIT.get(port, '')}.service")
        if host in self.world.away or (port in UNIT and unit.active != "active"):
            raise ConnectionFailed(f"nothing listens on {address}:{port}", host)
        return SimpleNamespace(host=host, port=port)

    def status(self, dial, path: str, settings: bytes = b"") -> tuple[int, str]:
        door = dial()
        if path == "/pods":
            return self.anonymous, "{}"
        known = self.world.credentials.certificate("etcd-healthcheck-client").cert
        return (200, "{}") if settings == known or door.host in self.open_etcd else (0, "bad certificate")

    def certificate(self, dial, settings) -> bytes:
        door = dial()
        if door.host in self.older:
            return ssl.PEM_cert_to_DER_cert(self.world.credentials.ca().decode())
        row, host = NAMES.get(door.port, "apiserver"), self.world.cluster.host(door.host)
        return ssl.PEM_cert_to_DER_cert(self.world.credentials.certificate(row, host).cert.decode())

    def resolve(self, dial, name: str) -> list[Any]:
        dial()
        return self.dns

    def open_any(self, scene: Scene):
        running = [one for one in scene.cluster.etcd_members if self.world.live.runs(one, "etcd")]
        if not running:
            raise HardwayError("no etcd host answers")
        client = self.world.live.client(running[0])
        told = SimpleNamespace(
            members=lambda: self.members(client.members()), health=client.health, status=client.status
        )
        return contextlib.nullcontext(told)

    def identity(self, scene: Scene, name: str, via, host=None) -> SimpleNamespace:
        problem = "nothing answers there" if via.name in self.cut else self.world.live.road(via)
        return SimpleNamespace(not_ready=lambda: problem, close=lambda: None)

    def heard(self, path: str) -> None:
        """What the cluster itself keeps up, whenever something is read."""
        self.world.live._kubelets(path)
        for where, body in list(self.world.objects.by_path.items()):
            if where.startswith(control_plane.LEASES) and not self.stuck:
                body["spec"]["renewTime"] = str(next(self.beats))


def healthy(world: World, patch: pytest.MonkeyPatch) -> Peers:
    """The peers of a built world, to which every check of the network is led."""
    peers = Peers(world, patch, metrics={etcd.SIZE: 1e6, etcd.QUOTA: 2e9}, dns=[world.cluster.network.service_ip])
    patch.setattr(peer, "status", peers.status)
    patch.setattr(peer, "certificate", peers.certificate)
    patch.setattr(peer, "context", lambda ca, pair=None, believe=True: pair.cert if pair else b"")
    patch.setattr(control_plane, "identity", peers.identity)
    patch.setattr(name_service.dns_query, "resolve", peers.resolve)
    patch.setattr(etcd_cluster, "open_any", peers.open_any)
    patch.setattr(etcd, "metrics", lambda patient, host: peers.metrics)
    patch.setattr(Scene, "kubectl", lambda scene, *words, **more: peers.kubectl)
    for module, name in ((control_plane, "RENEWED_WITHIN"), (control_plane, "RECONCILED_WITHIN")):
        patch.setattr(module, name, 0.1)
    patch.setattr(name_service, "_patience", lambda scene, host: 0.0)
    patch.setattr("hardway.checks.shared_address.SETTLED_WITHIN", 0.1)
    patch.setattr(units, "STEADY", 0.05)
    for name, transport in world.live.transports.items():
        patch.setattr(transport, "dial", lambda port, address="127.0.0.1", name=name: peers.dial(name, port, address))
    _keep_up(world, peers)
    return peers


def _keep_up(world: World, peers: Peers) -> None:
    """The objects that a control plane makes by itself."""
    leader, planes = world.cluster.control_plane[0], world.cluster.control_plane
    for name in control_plane.LEADERS:
        held = {"holderIdentity": f"{leader.name}_1", "renewTime": "0"}
        world.objects.save(f"{control_plane.LEASES}/{name}", {"kind": "Lease", "metadata": {}, "spec": held})
    base, about = "/api/v1/namespaces/default", {"name": "kubernetes", "namespace": "default"}
    address = {"clusterIP": str(world.cluster.network.service_ip)}
    world.objects.save(f"{base}/services/kubernetes", {"kind": "Service", "metadata": {**about}, "spec": address})
    behind = [
        {"addresses": [{"ip": str(host.address)}], "ports": [{"port": world.cluster.apiserver_port(host)}]}
        for host in planes
    ]
    world.objects.save(f"{base}/endpoints/kubernetes", {"kind": "Endpoints", "metadata": {**about}, "subsets": behind})
    world.objects.kubelets = peers.heard
