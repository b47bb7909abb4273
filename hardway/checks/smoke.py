"""The smoke suite's own corner of the cluster: made, waited for, cleared away, whatever happens in between."""

from __future__ import annotations

import contextlib
import datetime
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from ..assets import image_reference
from ..cluster import Host
from ..errors import HardwayError
from ..pki.secret import Secret
from ..progress.closing import plural
from ..targets.kube import KubeApi
from ..targets.live import UNREACHABLE, wait
from . import manifests, peer
from .check import Check
from .manifests import APP, HEADLESS, PORT
from .name_service import await_current
from .outcome import Outcome, failed, passed
from .pods import NAMESPACES, Pod, Smoke, pod_findings, ready_addresses, ready_pods
from .scene import HEARD_WITHIN, Scene, items, names, on_hosts, told

GONE_SECONDS = 60.0
# Longer than any verification: what is older was left by one that was killed.
STALE = datetime.timedelta(minutes=10)


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
        self.asked = False
        self.uncleared = ""

    def prepare(self) -> Outcome:
        """Make everything and wait for a ready pod on each worker; whatever became ready is in `scene.smoke`."""
        try:
            self._choose_workers()
            if not self.workers:
                return failed("no worker accepts pods")
            remove_stale(self.scene.api, datetime.datetime.now(datetime.UTC))
            service = self._create()
            missing = self._await_pods()
            pods = ready_pods(self._pods(), self.workers)
        except UNREACHABLE as error:
            return failed(f"cannot create the smoke pods: {told(error)}")
        if pods:
            spec = service["spec"]
            smoke = Smoke(self.namespace, self.secret, pods, spec["clusterIP"], spec["ports"][0]["nodePort"])
            self._settle(pods, smoke)
            self.scene.smoke = smoke
        return failed(*missing) if missing else passed(self._seen(pods))

    def _seen(self, pods: tuple[Pod, ...]) -> str:
        left_out = f"; cordoned, so without a pod: {names(self.left_out)}" if self.left_out else ""
        return f"{plural(len(pods), 'pod')} in {self.namespace} on {names(pod.worker for pod in pods)}{left_out}"

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
            lambda: (
                ""
                if api.get(f"{path}/serviceaccounts/default")
                else f"the service account of namespace {self.namespace}"
            ),
            HEARD_WITHIN,
            0.1,
        )
        image = image_reference(self.scene.cluster, "busybox")
        api.send(
            "POST", f"/apis/apps/v1/namespaces/{self.namespace}/deployments", manifests.deployment(image, self.workers)
        )
        return service

    def _pods(self) -> list[dict[str, Any]]:
        return items(self.scene.api.get(f"{self.path}/pods?labelSelector=app%3D{APP}"))

    def _await_pods(self) -> list[str]:
        """Wait for every pod; what is still missing at the deadline, in the words of the scheduler or the kubelet."""
        try:
            self.scene.wait(lambda: "; ".join(pod_findings(self._pods(), self.workers)), HEARD_WITHIN, 0.25)
            return []
        except HardwayError:
            return pod_findings(self._pods(), self.workers)

    def _settle(self, pods: tuple[Pod, ...], smoke: Smoke) -> None:
        """Wait until the Service's slices, the kube-proxies and CoreDNS are up to date; who is not by then is found out
        by the checks."""
        slices = f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"
        path = f"{slices}?labelSelector=kubernetes.io%2Fservice-name%3D{APP}"
        wanted = {pod.address for pod in pods}

        def missing() -> str:
            unknown = wanted - ready_addresses(items(self.scene.api.get(path)))
            return f"{', '.join(sorted(unknown))} to become endpoints of the Service" if unknown else ""

        with contextlib.suppress(*UNREACHABLE):
            self.scene.wait(missing, HEARD_WITHIN)
            self.scene.wait(
                lambda: "; ".join(on_hosts(lambda host: self._unprogrammed(host, smoke), smoke.workers)),
                HEARD_WITHIN,
                0.25,
            )
            if self.scene.cluster.coredns.enabled:
                await_current(self.scene)

    def _unprogrammed(self, host: Host, smoke: Smoke) -> str:
        """Why a worker does not yet know the Service; its own connection to the Service address tells."""
        code, body = peer.status(lambda: self.scene.live.transports[host.name].dial(PORT, smoke.cluster_ip), "/")
        return "" if code == 200 else f"no answer from the Service: {code} {body}"

    def clear(self) -> None:
        """Ask once for the namespace's deletion, everything of ours is in it; the failure to ask is told by `gone`."""
        if not self.made or self.asked:
            return
        self.asked = True
        try:
            api = self._any_api()
            api.delete(self.path)
            # Left to the namespace controller, pods go one after the other by their kubelets' 10 s rounds. Ours hold
            # nothing.
            api.send(
                "DELETE", f"{self.path}/pods", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
            )
        except UNREACHABLE as error:
            self.uncleared = told(error)

    def _any_api(self) -> KubeApi:
        """The API server in use, or another that is ready when it went away in the meantime."""
        return self.scene.live.kube() if self.scene.api.not_ready() else self.scene.api

    def gone(self) -> Outcome:
        """Wait until nothing is left."""
        if not self.made:
            return passed("nothing was created")
        if self.uncleared:
            return failed(f"cannot delete namespace {self.namespace}: {self.uncleared}")
        api = self._any_api()
        try:
            # Not the scene's own wait: this one goes on when all others have been told to stop.
            wait(
                lambda: api.get(self.path), GONE_SECONDS, lambda left: f"namespace {self.namespace} to be deleted", 0.25
            )
        except UNREACHABLE as error:
            return failed(told(error), stuck(api, self.path))
        return passed(f"namespace {self.namespace} is deleted")


def stuck(api: KubeApi, path: str) -> str:
    """Why a namespace does not go away, in the API's own words."""
    with contextlib.suppress(*UNREACHABLE):
        conditions = (api.get(path) or {}).get("status", {}).get("conditions", [])
        return "; ".join(each["message"] for each in conditions if each["status"] == "True")
    return ""


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


PODS = Check(
    "pods-run",
    "A deployment runs on every worker",
    "It tests scheduling, images, the runtime, the pod network and the kubelet's probes at once.",
    "kubectl get events -A --sort-by=.lastTimestamp | tail; on the worker: journalctl -u kubelet -u containerd -n 50",
    lambda scene: scene.suite.prepare(),
)
CLEARED = Check(
    "cleaned-up",
    "The checks leave nothing behind",
    "A verification must not change a cluster in use.",
    f"kubectl get namespaces -l {manifests.LABEL}=true; kubectl delete namespace NAME",
    lambda scene: scene.suite.gone(),
)
