"""A Kubernetes API on a dict: server-side apply, merge patches, conflicts, and the defaults a real server fills in."""

from __future__ import annotations

import itertools
import json
import pickle
import re
import urllib.parse
from collections.abc import Callable, Sequence
from typing import Any

from hardway.errors import ConflictError, RemoteCommandError

CONTAINER = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
POD = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "securityContext": {},
    "schedulerName": "default-scheduler",
}
DEPLOYMENT = {"progressDeadlineSeconds": 600, "revisionHistoryLimit": 10}
SERVICE = {"type": "ClusterIP", "sessionAffinity": "None", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
COLLECTIONS = {
    "certificatesigningrequests",
    "configmaps",
    "daemonsets",
    "leases",
    "namespaces",
    "nodes",
    "poddisruptionbudgets",
    "pods",
    "secrets",
}


class Objects:
    """The store behind every API server, by REST path. `point` is called before each write."""

    def __init__(self, point: Callable[[str], None] = lambda what: None):
        self.point = point
        self.by_path: dict[str, dict[str, Any]] = {}
        self.versions = itertools.count(1)
        self.writes: list[str] = []
        self.kubelets: Callable[[str], None] = lambda path: None  # hears which object is about to be read
        self.metrics = ""
        self.refused: dict[str, tuple[int, bytes]] = {}  # what is answered to who changes nothing in an object
        self.stored: dict[str, str] = {}  # the provider with which each Secret was written

    def listed(self, path: str, query: str = "") -> list[dict[str, Any]]:
        """The objects of a collection, of one namespace or of all; `query` may have a field selector."""
        above = re.compile(r"/namespaces/[^/]+(?=/[^/]+$)")
        parents = ((body, at.rpartition("/")[0]) for at, body in list(self.by_path.items()))
        found = [body for body, parent in parents if path in (parent, above.sub("", parent))]
        selector = query.partition("fieldSelector=")[2].partition("&")[0]
        wanted = re.findall(r"([\w.]+?)(!?=)([^,]*)", selector)
        return [
            body for body in found if all((_field(body, at) == value) == (sign == "=") for at, sign, value in wanted)
        ]

    def unreadable(self, providers: Sequence[str]) -> list[str]:
        """The Secrets that a server with these providers cannot read."""
        return [path for path, provider in self.stored.items() if provider not in providers]

    def save(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        meta = body.setdefault("metadata", {})
        meta.setdefault("uid", f"uid-{path}")
        meta.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        meta["resourceVersion"] = str(next(self.versions))
        self.by_path[path] = body
        return body

    def digest(self) -> str:
        """All but what the cluster reports of itself, which changes although nobody writes."""
        return json.dumps({path: _written(body) for path, body in self.by_path.items()}, sort_keys=True)


def copied(body: Any) -> Any:
    """Plain data once more, much faster than copy.deepcopy."""
    return pickle.loads(pickle.dumps(body))


def _written(body: dict[str, Any]) -> dict[str, Any]:
    """An object without what its server counts and reports."""
    meta = {key: value for key, value in body["metadata"].items() if key != "resourceVersion"}
    return {key: value for key, value in body.items() if key != "status"} | {"metadata": meta}


class MemoryKube:
    """What KubeApi offers, over Objects; refuses connections while `up` says why not.

    `providers` are those of the server's encryption, the one that writes first; `own` is what this server alone says.
    """

    def __init__(
        self,
        objects: Objects,
        up: Callable[[], str],
        providers: Callable[[], Sequence[str]] = lambda: ["identity"],
        own: Callable[[str], dict[str, Any] | None] = lambda path: None,
    ):
        self.objects, self.not_ready, self.providers, self.own = objects, up, providers, own

    def get(self, path: str) -> dict[str, Any] | None:
        self._connect()
        self.objects.kubelets(path)
        plain, _, query = path.partition("?")
        if plain.rpartition("/")[2] in COLLECTIONS and path not in self.objects.by_path:  # a test may put its own there
            return {"items": copied(self.objects.listed(plain, urllib.parse.unquote(query)))}
        if own := self.own(path):
            return own
        return copied(self.objects.by_path.get(path))

    def request(
        self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        """Only evictions, metrics and changes of nothing are asked for like this."""
        from .memory_pods import evicted

        self._connect()
        if (method, path) == ("GET", "/metrics"):
            return 200, self.objects.metrics.encode()
        if method == "PATCH" and body == b"{}":
            return self._stored_again(path)
        assert method == "POST" and path.endswith("/eviction"), (method, path)
        self.objects.kubelets(path)
        return evicted(self.objects, path.removesuffix("/eviction"), json.loads(body or b"{}"))

    def _stored_again(self, path: str) -> tuple[int, bytes]:
        """An object that lies in etcd as the server would write it is left alone."""
        before = self.objects.stored.get(path)
        if before is None:
            return 404, b"{}"
        if refusal := self.objects.refused.get(path):
            return refusal
        if before != self.providers()[0]:
            self._write(f"PATCH {path}")
            self.objects.stored[path] = self.providers()[0]
        return 200, b"{}"

    def send(self, method: str, path: str, body: Any, content_type: str = "application/json") -> dict[str, Any]:
        self._connect()
        path, wanted = path.partition("?")[0], json.loads(body) if isinstance(body, bytes) else copied(body)
        self._write(f"{method} {path}")
        if "/secrets/" in path:
            self.objects.stored[path] = self.providers()[0]
        actual = copied(self.objects.by_path.get(path, {}))
        if content_type == "application/merge-patch+json":
            return self.objects.save(path, self._merged(path, actual, wanted))
        return self.objects.save(path, defaulted(applied(actual, wanted)))

    def delete(self, path: str, uid: str = "") -> None:
        self._connect()
        found = self.objects.by_path.get(path)
        if found and uid not in ("", found["metadata"]["uid"]):
            raise ConflictError("the API answered 409", host="kubernetes", command=f"DELETE {path}")
        self._write(f"DELETE {path}")
        self.objects.by_path.pop(path, None)

    def close(self) -> None:
        pass

    def forbidden(self) -> str:
        binding = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/hardway:cluster-admins"
        return self.not_ready() or ("" if binding in self.objects.by_path else "not allowed")

    def _connect(self) -> None:
        if reason := self.not_ready():
            raise ConnectionRefusedError(reason)

    def _write(self, what: str) -> None:
        self.objects.point(what)
        self.objects.writes.append(what)

    @staticmethod
    def _merged(path: str, actual: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
        if patch.get("metadata", {}).get("resourceVersion", "") not in ("", actual["metadata"]["resourceVersion"]):
            raise ConflictError("the API answered 409", host="kubernetes", command=f"PATCH {path}")
        block = actual.get("spec", {}).get("podCIDR")
        if block and patch.get("spec", {}).get("podCIDR", block) != block:
            evidence = 'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'
            raise RemoteCommandError("the API answered 422", host="kubernetes", evidence=evidence)
        return merge_patch(actual, patch)


def _field(body: dict[str, Any], path: str) -> str:
    found: Any = body
    for part in path.split("."):
        found = (found or {}).get(part)
    return str(found or "")


def merge_patch(actual: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    base = dict(actual) if isinstance(actual, dict) else {}
    for key, value in patch.items():
        if value is None:
            base.pop(key, None)
        else:
            base[key] = merge_patch(base.get(key), value)
    return base


def applied(actual: Any, wanted: Any) -> Any:
    """Server-side apply by one manager: declared fields win, other fields stay; of the lists, containers keep what
    others added."""
    if isinstance(wanted, dict) and isinstance(actual, dict):
        return actual | {key: applied(actual.get(key), value) for key, value in wanted.items()}
    if not (_containers(wanted) and _containers(actual)):
        return wanted
    mine, theirs = ({item["name"]: item for item in items} for items in (wanted, actual))
    return [applied(theirs.get(name), item) for name, item in mine.items()] + [
        item for name, item in theirs.items() if name not in mine
    ]


def _containers(items: Any) -> bool:
    return isinstance(items, list) and bool(items) and all(isinstance(item, dict) and "image" in item for item in items)


def defaulted(body: dict[str, Any]) -> dict[str, Any]:
    """What a server adds of its own accord."""
    body["metadata"].setdefault("managedFields", [{"manager": "hardway"}])
    spec = body.get("spec", {})
    if body["kind"] == "Deployment":
        body["spec"] = DEPLOYMENT | spec
        body["spec"]["strategy"] = {"type": "RollingUpdate"} | spec.get("strategy", {})
        pod = body["spec"]["template"]["spec"] = POD | spec["template"]["spec"]
        pod["containers"] = [_container(container) for container in pod["containers"]]
        pod["volumes"] = [
            {**volume, "configMap": {"defaultMode": 420, **volume["configMap"]}} for volume in pod["volumes"]
        ]
        body["status"] = {"readyReplicas": spec["replicas"], "updatedReplicas": spec["replicas"]}
    if body["kind"] == "Service":
        body["spec"] = SERVICE | {"clusterIPs": [spec["clusterIP"]]} | spec
        body["status"] = {"loadBalancer": {}}
    return body


def _container(container: dict[str, Any]) -> dict[str, Any]:
    probes = {name: PROBE | container[name] for name in ("readinessProbe", "livenessProbe") if name in container}
    ports = [{"protocol": "TCP", **port} for port in container.get("ports", ())]
    return CONTAINER | container | probes | ({"ports": ports} if ports else {})
