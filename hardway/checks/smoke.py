"""The smoke suite's own corner of the cluster: made, waited for, cleared away, whatever happens in between."""

from __future__ import annotations

import contextlib
import datetime
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..assets import image_reference
from ..cluster import Host
from ..errors import HardwayError
from ..kube import KubeApi
from ..live import UNREACHABLE
from ..secret import Secret
from . import manifests
from .manifests import APP, HEADLESS
from .model import Check, Outcome, failed, passed
from .scene import Scene, items, names

NAMESPACES = "/api/v1/namespaces"
PODS_SECONDS = 30.0
GONE_SECONDS = 60.0
# Longer than any verification: what is older was left by one that was killed.
STALE = datetime.timedelta(minutes=10)


@dataclass(frozen=True)
class Pod:
    """A ready server of ours on one worker."""

    name: str
    address: str
    worker: Host


@dataclass(frozen=True)
class Smoke:
    """What stands while the smoke checks run; `pods` are the ready ones, in the workers' order."""

    namespace: str
    secret: Secret
    pods: tuple[Pod, ...]
    cluster_ip: str
    node_port: int

    @property
    def path(self) -> str:
        return f"{NAMESPACES}/{self.namespace}"


class SmokeSuite:
    """One namespace's life. `prepare` and `clear` may run in different threads, one after the other."""

    def __init__(self, scene: Scene):
        self.scene = scene
        self.namespace = f"hardway-verify-{secrets.token_hex(4)}"
        self.secret = Secret(secrets.token_hex(32).encode())
        self.path = f"{NAMESPACES}/{self.namespace}"
        self.workers: tuple[Host, ...] = ()
        self.left_out: tuple[Host, ...] = ()
        self.made = False

    def prepare(self) -> Outcome:
        """Make everything and wait for a ready pod on each worker; whatever became ready is in `scene.smoke`."""
        try:
            self._choose_workers()
            if not self.workers:
                return failed("there is no worker that takes pods")
            remove_stale(self.scene.api, datetime.datetime.now(datetime.UTC))
            service = self._create()
            missing = self._await_pods()
        except UNREACHABLE as error:
            return failed(f"the smoke pods could not be set up: {error}", getattr(error, "evidence", "")[-300:])
        pods = ready_pods(self._pods(), self.workers)
        if self._settled(pods):
            self.scene.smoke = Smoke(
                self.namespace, self.secret, pods, service["spec"]["clusterIP"], service["spec"]["ports"][0]["nodePort"]
            )
        return failed(*missing) if missing else passed(self._seen(pods))

    def _seen(self, pods: tuple[Pod, ...]) -> str:
        left_out = f"; left out because cordoned: {names(self.left_out)}" if self.left_out else ""
        return f"{len(pods)} pods in {self.namespace} on {names(pod.worker for pod in pods)}{left_out}"

    def _choose_workers(self) -> None:
        nodes = self.scene.live.nodes()
        cordoned = {name for name, node in nodes.items() if node["spec"].get("unschedulable")}
        self.workers = tuple(host for host in self.scene.cluster.workers if host.name not in cordoned)
        self.left_out = tuple(host for host in self.scene.cluster.workers if host.name in cordoned)

    def _create(self) -> dict[str, Any]:
        """All objects; the NodePort Service as the API completed it."""
        api, path = self.scene.api, self.path
        self.made = True
        api.send("POST", NAMESPACES, manifests.namespace(self.namespace))
        api.send("POST", f"{path}/secrets", manifests.secret(self.secret))
        service = api.send("POST", f"{path}/services", manifests.service(APP, "NodePort"))
        api.send("POST", f"{path}/services", manifests.service(HEADLESS, "Headless"))
        # Pods are refused until the namespace has its service account, and then tried again ever more slowly.
        self.scene.wait(
            lambda: "" if api.get(f"{path}/serviceaccounts/default") else f"the service account of namespace {self.namespace}",
            PODS_SECONDS,
            0.1,
        )
        image = image_reference(self.scene.cluster, "busybox")
        api.send("POST", f"/apis/apps/v1/namespaces/{self.namespace}/deployments", manifests.deployment(image, self.workers))
        return service

    def _pods(self) -> list[dict[str, Any]]:
        return items(self.scene.api.get(f"{self.path}/pods?labelSelector=app%3D{APP}"))

    def _await_pods(self) -> list[str]:
        """Wait for every pod; what is still missing at the deadline, in the words of the scheduler or the kubelet."""
        try:
            self.scene.wait(lambda: "; ".join(pod_findings(self._pods(), self.workers)), PODS_SECONDS, 0.25)
            return []
        except HardwayError:
            return pod_findings(self._pods(), self.workers)

    def _settled(self, pods: tuple[Pod, ...]) -> bool:
        """Wait until the Service knows the ready pods: what comes after asks through it."""
        wanted = {pod.address for pod in pods}

        def missing() -> str:
            found = self.scene.api.get(f"{self.path}/endpoints/{APP}") or {}
            seen = {entry["ip"] for subset in found.get("subsets", []) for entry in subset.get("addresses", [])}
            return f"{', '.join(sorted(wanted - seen))} behind the Service" if wanted - seen else ""

        with contextlib.suppress(HardwayError):
            self.scene.wait(missing, 10.0)
        return bool(pods)

    def clear(self) -> None:
        """Ask for the namespace's deletion; everything of ours is in it."""
        if self.made:
            self.scene.api.delete(self.path)

    def gone(self) -> Outcome:
        """Wait until nothing is left."""
        if not self.made:
            return passed("nothing had been made")
        try:
            self.scene.wait(lambda: f"namespace {self.namespace} to be gone" if self.scene.api.get(self.path) else "", GONE_SECONDS, 0.25)
        except UNREACHABLE as error:
            return failed(str(error), stuck(self.scene.api, self.path))
        return passed(f"namespace {self.namespace} is gone")


def stuck(api: KubeApi, path: str) -> str:
    """Why a namespace does not go away, in the API's own words."""
    with contextlib.suppress(*UNREACHABLE):
        conditions = (api.get(path) or {}).get("status", {}).get("conditions", [])
        return "; ".join(each["message"] for each in conditions if each["status"] == "True")
    return ""


def pod_findings(pods: Iterable[Mapping[str, Any]], workers: Iterable[Host]) -> list[str]:
    """Workers without a ready pod, and why."""
    listed = list(pods)
    on = {pod["spec"].get("nodeName"): pod for pod in listed}
    waiting = [_pending(pod) for pod in listed if not pod["spec"].get("nodeName")]
    found = []
    for host in workers:
        pod = on.get(host.name)
        if pod is None:
            found.append(f"{host.name}: no pod was scheduled to it{': ' + waiting[0] if waiting else ''}")
        elif not _ready(pod):
            found.append(f"{host.name}: pod {pod['metadata']['name']} is {pod['status'].get('phase')}: {_pending(pod)}")
    return found


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions) and bool(pod["status"].get("podIP"))


def _pending(pod: Mapping[str, Any]) -> str:
    """The most telling reason a pod is not ready."""
    states = [status.get("state", {}).get("waiting", {}) for status in pod["status"].get("containerStatuses", [])]
    told = [f"{state.get('reason', '')} {state.get('message', '')}".strip() for state in states if state]
    told += [each.get("message", "") for each in pod["status"].get("conditions", []) if each["status"] == "False"]
    return next((text for text in told if text), "no reason given")


def ready_pods(pods: Iterable[Mapping[str, Any]], workers: Iterable[Host]) -> tuple[Pod, ...]:
    on = {pod["spec"].get("nodeName"): pod for pod in pods if _ready(pod)}
    return tuple(Pod(on[host.name]["metadata"]["name"], on[host.name]["status"]["podIP"], host) for host in workers if host.name in on)


def stale(namespaces: Iterable[Mapping[str, Any]], now: datetime.datetime) -> list[str]:
    """Namespaces of ours that a killed verification left behind."""
    found = []
    for each in namespaces:
        metadata = each["metadata"]
        born = datetime.datetime.fromisoformat(metadata["creationTimestamp"].replace("Z", "+00:00"))
        ours = manifests.is_ours(metadata["name"]) and metadata.get("labels", {}).get(manifests.LABEL) == "true"
        if ours and now - born > STALE and each.get("status", {}).get("phase") != "Terminating":
            found.append(metadata["name"])
    return found


def remove_stale(api: KubeApi, now: datetime.datetime) -> None:
    for name in stale(items(api.get(f"{NAMESPACES}?labelSelector={manifests.LABEL.replace('/', '%2F')}%3Dtrue")), now):
        api.delete(f"{NAMESPACES}/{name}")


PODS = Check("pods-run", "A deployment runs on every worker", "Scheduling, images, the runtime, the pod network and the kubelet's probes, all in one.",
             "kubectl get events -A --sort-by=.lastTimestamp | tail; on the worker: journalctl -u kubelet -u containerd -n 50",
             lambda scene: scene.suite.prepare())  # fmt: skip
CLEARED = Check("cleaned-up", "Nothing of the checks is left", "A verification must leave a cluster in use as it was.",
                f"kubectl get namespaces -l {manifests.LABEL}=true; kubectl delete namespace NAME",
                lambda scene: scene.suite.gone())  # fmt: skip
