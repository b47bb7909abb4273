"""What pods trust: the ConfigMap kube-root-ca.crt of their namespace, which a program may read once when it starts.

A container that is older than the new CA in that ConfigMap may not trust it. Whether its program reads the file again
nobody can see from outside: Go programs do since client-go 0.36.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from ....foreign.objects import data_of
from ....foreign.understanding import understood
from ....pki.reading import parsed
from ....targets.kube import KubeApi

ROOT = "kube-root-ca.crt"
CONFIG_MAPS = f"/api/v1/configmaps?fieldSelector=metadata.name%3D{ROOT}"
PODS = "/api/v1/pods?fieldSelector=status.phase%3DRunning"
APPS = "/apis/apps/v1/namespaces"
# Its kind, and where it is in the API: what can be told to replace its pods one after the other.
RESTARTABLE = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
RESTARTED = "kubectl.kubernetes.io/restartedAt"
# A kubelet brings a changed ConfigMap into a running pod within so many seconds, at most.
PROJECTED = datetime.timedelta(seconds=150)
OURS = ("kube-system", "Deployment", "coredns")


@dataclass(frozen=True, order=True)
class Owner:
    """What has made a pod: a Deployment and the like, or, where nothing has that can be restarted, the pod itself."""

    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def path(self) -> str:
        """Its place in the API; empty when it cannot be restarted."""
        resource = RESTARTABLE.get(self.kind)
        return f"{APPS}/{self.namespace}/{resource}/{self.name}" if resource else ""

    @property
    def ours(self) -> bool:
        return (self.namespace, self.kind, self.name) == OURS


def lacking(api: KubeApi, has: x509.Certificate | None, without: x509.Certificate | None) -> list[str]:
    """The namespaces whose pods are not told to trust `has`, or still to trust `without`."""
    maps = {_namespace(one): data_of(one).get("ca.crt", "") for one in _items(api, CONFIG_MAPS)}
    names = [one["metadata"]["name"] for one in _items(api, "/api/v1/namespaces") if _stays(one)]
    found = {name: parsed(maps.get(name, "").encode(errors="replace")) for name in names}
    return [name for name, there in found.items() if (has and has not in there) or (without and without in there)]


def _namespace(found: Mapping[str, Any]) -> str:
    return found["metadata"].get("namespace", "")


def _stays(namespace: Mapping[str, Any]) -> bool:
    return namespace.get("status", {}).get("phase", "Active") == "Active"


def behind(api: KubeApi) -> dict[Owner, int]:
    """How many pods of each owner may not trust what their ConfigMap says by now."""
    since = {_namespace(one): _told(one) for one in _items(api, CONFIG_MAPS)}
    moment = lambda pod: since.get(_namespace(pod))  # noqa: E731
    return _counted(api, lambda pod: bool(moment(pod)) and mounts(pod) and older(pod, moment(pod)))


def readers(api: KubeApi) -> dict[Owner, int]:
    """How many pods of each owner have that ConfigMap, but for those that hardway restarts in any case."""
    return {owner: count for owner, count in _counted(api, mounts).items() if not owner.ours}


def _counted(api: KubeApi, means: Callable[[Mapping[str, Any]], bool]) -> dict[Owner, int]:
    """Running pods by their owner."""
    replicas = _Replicas(api)
    return dict(sorted(Counter(replicas.owner(pod) for pod in _items(api, PODS) if means(pod)).items()))


def mounts(pod: Mapping[str, Any]) -> bool:
    """Whether the ConfigMap is mounted in a pod, as it is beside the token of its service account."""
    sources = (
        one
        for volume in pod.get("spec", {}).get("volumes", ())
        for one in volume.get("projected", {}).get("sources", ())
    )
    return any(source.get("configMap", {}).get("name") == ROOT for source in sources)


def older(pod: Mapping[str, Any], moment: datetime.datetime) -> bool:
    """Whether any container of a pod may have read its ConfigMap before it said what it has said since then."""
    status = pod.get("status", {})
    if moment <= _time(status.get("startTime")):
        return False
    running = [one.get("state", {}).get("running") for one in status.get("containerStatuses") or ()]
    return not running or any(one and _time(one.get("startedAt")) < moment + PROJECTED for one in running)


def restart(api: KubeApi, owner: Owner) -> None:
    """Have its pods replaced one after the other, as `kubectl rollout restart` does; once is enough."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    patch = {"spec": {"template": {"metadata": {"annotations": {RESTARTED: now}}}}}
    api.send("PATCH", owner.path, patch, "application/merge-patch+json")


def restarting(api: KubeApi, owner: Owner) -> bool:
    """Whether its pods are being replaced since its namespace was told of the new CA."""
    found = api.get(owner.path) or {}
    annotations = found.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations") or {}
    told = _told(api.get(f"/api/v1/namespaces/{owner.namespace}/configmaps/{ROOT}") or {"metadata": {}})
    return _time(annotations.get(RESTARTED)) >= told


class _Replicas:
    """Whose pod it is; each ReplicaSet is asked once for its Deployment."""

    def __init__(self, api: KubeApi):
        self.api = api
        self.known: dict[str, Mapping[str, Any] | None] = {}

    def owner(self, pod: Mapping[str, Any]) -> Owner:
        namespace, made = _namespace(pod), _maker(pod["metadata"])
        if made and made["kind"] == "ReplicaSet":
            path = f"{APPS}/{namespace}/replicasets/{made['name']}"
            if path not in self.known:
                self.known[path] = self.api.get(path)
            made = _maker((self.known[path] or {}).get("metadata", {})) or made
        if made and made["kind"] in RESTARTABLE:
            return Owner(namespace, made["kind"], made["name"])
        return Owner(namespace, "Pod", pod["metadata"]["name"])


def _maker(metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((one for one in metadata.get("ownerReferences") or () if one.get("controller")), None)


def _items(api: KubeApi, path: str) -> Sequence[Mapping[str, Any]]:
    return (api.get(path) or {}).get("items", [])


def _told(config_map: Mapping[str, Any]) -> datetime.datetime:
    """When a ConfigMap was changed last."""
    meta = config_map["metadata"]
    return max(_moments(meta), default=_time(meta.get("creationTimestamp")))


def _moments(meta: Mapping[str, Any]) -> Iterator[datetime.datetime]:
    for one in meta.get("managedFields") or ():
        if one.get("time"):
            yield _time(one["time"])


def _time(text: str | None) -> datetime.datetime:
    """A moment as the API writes it; long ago when it does not say."""
    with understood("the API server", text, "kubernetes"):
        return datetime.datetime.fromisoformat(text) if text else datetime.datetime.fromtimestamp(0, datetime.UTC)
