"""A real kube-apiserver over a real etcd, both on loopback: no kubelet, no controller, no scheduler."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import threading
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from hardway.assets import default_versions
from hardway.cluster import Cluster, Host, Role
from hardway.pki.credentials import Credentials
from hardway.settings import Api
from hardway.state.statedir import Overlay, StateDir
from hardway.targets.kube import KubeApi, tls_context
from hardway.targets.live import wait

NODES = ("node-a", "node-b")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class RealApi:
    """The processes, and a client with all rights."""

    def __init__(self, folder: Path, etcd: Path, apiserver: Path):
        self.folder, self.port = folder, free_port()
        host = Host("one", IPv4Address("127.0.0.1"), frozenset({Role.ETCD, Role.CONTROL_PLANE}))
        cluster = Cluster("real", (host,), default_versions(), Api("127.0.0.1"))
        self.credentials = Credentials(cluster, Overlay(StateDir(folder / "state")))
        self.processes: list[subprocess.Popen] = []
        self._etcd(etcd)
        self._apiserver(apiserver)
        wait(lambda: self.client().not_ready(), 120, str, 0.2)
        for name in NODES:
            self.client().send(
                "POST", "/api/v1/nodes", {"kind": "Node", "apiVersion": "v1", "metadata": {"name": name}}
            )

    def client(self) -> KubeApi:
        pair = self.credentials.certificate("super-admin")
        context = tls_context(self.credentials.ca(), pair.cert, pair.key)
        return KubeApi(lambda: socket.create_connection(("127.0.0.1", self.port)), context)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()

    def _run(self, name: str, command: list[Any]) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self.processes.append(subprocess.Popen([str(word) for word in command], stdout=log, stderr=log))

    def _etcd(self, program: Path) -> None:
        self.etcd, peers = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        clients = ["--listen-client-urls", self.etcd, "--advertise-client-urls", self.etcd]
        members = ["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--name", "one"]
        cluster = ["--initial-cluster", f"one={peers}", "--data-dir", self.folder / "data"]
        self._run("etcd", [program, *clients, *members, *cluster])

    def _apiserver(self, program: Path) -> None:
        files = self.folder / "pki"
        files.mkdir()
        pair, tokens = self.credentials.certificate("apiserver"), self.credentials.service_account()
        contents = {"ca.crt": self.credentials.ca(), "tls.crt": pair.cert, "tls.key": pair.key.reveal(),
                    "sa.pub": tokens.public, "sa.key": tokens.private.reveal()}  # fmt: skip
        for name, content in contents.items():
            (files / name).touch(0o600)
            (files / name).write_bytes(content)
        flags = {
            "etcd-servers": self.etcd,
            "bind-address": "127.0.0.1",
            "secure-port": self.port,
            "client-ca-file": files / "ca.crt",
            "tls-cert-file": files / "tls.crt",
            "tls-private-key-file": files / "tls.key",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": files / "sa.pub",
            "service-account-signing-key-file": files / "sa.key",
            "service-cluster-ip-range": "10.32.0.0/24",
            "authorization-mode": "RBAC",
            # No controller makes the accounts that pods would get.
            "disable-admission-plugins": "ServiceAccount",
        }
        self._run("apiserver", [program, *(f"--{name}={value}" for name, value in flags.items())])

    def pod(self, name: str, node: str, labels: dict[str, str], ready: bool = True, **spec: Any) -> str:
        """A running pod of a ReplicaSet; its path."""
        owner = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": "web",
            "uid": secrets.token_hex(8),
            "controller": True,
        }
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels, "ownerReferences": [owner]},
            "spec": {"nodeName": node, "containers": [{"name": "c", "image": "none"}]},
        }
        api, path = self.client(), f"/api/v1/namespaces/default/pods/{name}"
        api.send("POST", "/api/v1/namespaces/default/pods", body)
        self._status(path, {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})

    def budget(self, name: str, labels: dict[str, str], **status: int) -> None:
        """A budget with the status that the controller would give it."""
        path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
        spec = {"minAvailable": 1, "selector": {"matchLabels": labels}}
        body = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}
        made = self.client().send("POST", path, body)
        known = {"observedGeneration": made["metadata"]["generation"], "disruptedPods": {}}
        self._status(f"{path}/{name}", {**known, **status})

    def _status(self, path: str, status: dict[str, Any]) -> None:
        self.client().send("PATCH", f"{path}/status", {"status": status}, "application/merge-patch+json")

    def clear(self) -> None:
        """No pods, no budgets, and no node is cordoned."""
        api, now = self.client(), json.dumps({"gracePeriodSeconds": 0}).encode()
        for path in ("/api/v1/namespaces/default/pods", "/apis/policy/v1/namespaces/default/poddisruptionbudgets"):
            for one in (api.get(path) or {}).get("items") or ():
                api.request("DELETE", f"{path}/{one['metadata']['name']}", now)
        for name in NODES:
            patch = {"spec": {"unschedulable": None}, "metadata": {"annotations": None}}
            api.send("PATCH", f"/api/v1/nodes/{name}", patch, "application/merge-patch+json")


class Kubelet:
    """Ends the pods that are being deleted, as long as it runs."""

    def __init__(self, api: RealApi):
        self.api, self.over = api, threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Kubelet:
        self.thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.over.set()
        self.thread.join()

    def _work(self) -> None:
        api, now = self.api.client(), json.dumps({"gracePeriodSeconds": 0}).encode()
        while not self.over.wait(0.1):
            for one in (api.get("/api/v1/pods") or {}).get("items") or ():
                if "deletionTimestamp" in one["metadata"]:
                    api.request("DELETE", f"/api/v1/namespaces/default/pods/{one['metadata']['name']}", now)
