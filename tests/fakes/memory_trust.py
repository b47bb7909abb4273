"""What the control plane on the memory hosts tells others of its CAs and keys, as far as somebody asks for it.

Written after kubernetes' rootcacertpublisher, clusterauthenticationtrust and the discovery of OpenID keys.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hardway.cluster import Host
from hardway.pki.reading import parsed
from hardway.pki.tokens import key_id

if TYPE_CHECKING:
    from .memory_host import MemoryHost
    from .memory_kube import Objects

PKI = "/etc/kubernetes/pki"
NAMESPACES = ("default", "kube-system", "shop")
SYSTEM = "/api/v1/namespaces/kube-system"
EXTENSIONS = f"{SYSTEM}/configmaps/extension-apiserver-authentication"
FIELDS = {"client-ca-file": f"{PKI}/ca.crt", "requestheader-client-ca-file": f"{PKI}/front-proxy-ca.crt"}
ROOT = "kube-root-ca.crt"
REPLICAS = "/apis/apps/v1/namespaces/kube-system/replicasets/coredns-5d9"
PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----\n", re.DOTALL)


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat()


class Trust:
    """Nothing is there before it is asked for."""

    def __init__(self, hosts: Mapping[str, MemoryHost], objects: Objects):
        self.hosts, self.objects = hosts, objects

    def tell(self, path: str) -> None:
        """Bring about what a question is about."""
        if path.startswith("/api/v1/namespaces") and "?" not in path and path.count("/") == 3:
            for name in NAMESPACES:
                self._make(f"/api/v1/namespaces/{name}", {"kind": "Namespace", "status": {"phase": "Active"}})
        if ROOT in path:
            self._publish()
        if path == EXTENSIONS:
            self._extend()
        if path == REPLICAS:
            owner = {"kind": "Deployment", "name": "coredns", "controller": True}
            self._make(path, {"kind": "ReplicaSet", "metadata": {"ownerReferences": [owner]}})
        if path == f"{SYSTEM}/serviceaccounts/default":
            self._make(path, {"kind": "ServiceAccount"})

    def answer(self, path: str, host: Host) -> dict[str, Any] | None:
        """What one API server says of itself: it has read its keys when it was started."""
        if path != "/openid/v1/jwks":
            return None
        keys = self._unit(self.hosts[host.name], "kube-apiserver").get(f"{PKI}/sa.pub", b"")
        return {"keys": [{"kid": key_id(key)} for key in PEM.findall(keys)]}

    def _publish(self) -> None:
        """By the controller manager that leads, with the list that it has read when it was started."""
        managers = [self._unit(host, "kube-controller-manager") for host in self.hosts.values()]
        for root in [loaded[f"{PKI}/ca.crt"].decode() for loaded in managers if loaded][:1]:
            for name in NAMESPACES:
                path = f"/api/v1/namespaces/{name}/configmaps/{ROOT}"
                if self.objects.by_path.get(path, {}).get("data") != {"ca.crt": root}:
                    self.objects.by_path.pop(path, None)
                    meta = {"managedFields": [{"manager": "kube-controller-manager", "time": now()}]}
                    self._make(path, {"kind": "ConfigMap", "metadata": meta, "data": {"ca.crt": root}})

    def _extend(self) -> None:
        """Every API server adds what its files say; none takes anything away."""
        there = self._make(EXTENSIONS, {"kind": "ConfigMap", "data": {}})["data"]
        servers = [host for host in self.hosts.values() if self._unit(host, "kube-apiserver")]
        for field, file in FIELDS.items():
            found = there.get(field, "").encode()
            for server in servers:
                known, wanted = parsed(found), server.disk.read(file)
                found += b"" if set(parsed(wanted)) <= set(known) else wanted
            there[field] = found.decode()

    def _make(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path not in self.objects.by_path:
            names = path.split("/")
            meta = {
                "name": names[-1],
                **({"namespace": names[4]} if len(names) > 5 else {}),
                **body.get("metadata", {}),
            }
            self.objects.save(path, {**body, "metadata": meta})
        return self.objects.by_path[path]

    @staticmethod
    def _unit(host: MemoryHost, name: str) -> Mapping[str, bytes]:
        """The files that a running unit was started with."""
        unit = host.systemd.unit(f"{name}.service")
        return unit.loaded if unit.active == "active" else {}
