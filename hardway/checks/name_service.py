"""The name service: CoreDNS is up, every worker can ask it, and it knows what the API knows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Address
from typing import Any

from ..cluster import Cluster, Host
from ..errors import HardwayError, NotReadyError
from ..progress.closing import plural
from ..targets.live import UNREACHABLE, Live
from ..vocabulary import Probe
from . import dns_query
from .check import Check
from .outcome import Outcome, judged, skipped
from .scene import HEARD_WITHIN, Scene, items, on_hosts, told

OFF = "the inventory disables the DNS add-on"
# A replica whose watch has died knows none of the newest Services; more of them would say no more.
NEWEST = 3
ANSWERS_WITHIN = 10.0
SERVICES = "/api/v1/services"
PODS = "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns"

# Asks the replica at an address for a name.
Ask = Callable[[str, str], list[IPv4Address]]


def dns_findings(
    cluster: Cluster, deployment: Mapping[str, Any] | None, service: Mapping[str, Any] | None
) -> list[str]:
    """Where the add-on is not what was installed: its replicas, its Service's address."""
    ready, wanted = (deployment or {}).get("status", {}).get("readyReplicas", 0), cluster.coredns.replicas
    found = [] if ready >= wanted else [f"{ready} of {wanted} replicas are ready"]
    address = (service or {}).get("spec", {}).get("clusterIP")
    if address != str(cluster.network.dns_ip):
        found.append(
            f"the address of the Service kube-dns is {address or 'absent'} instead of {cluster.network.dns_ip}"
        )
    return found


def coredns(scene: Scene) -> Outcome:
    if not scene.cluster.coredns.enabled:
        return skipped(OFF)
    api = scene.api
    pods = items(api.get(PODS))
    found = dns_findings(
        scene.cluster,
        api.get("/apis/apps/v1/namespaces/kube-system/deployments/coredns"),
        api.get("/api/v1/namespaces/kube-system/services/kube-dns"),
    )
    where = sorted({pod["spec"].get("nodeName", "no node") for pod in pods})
    restarted = sum(
        status["restartCount"] for pod in pods for status in pod.get("status", {}).get("containerStatuses", [])
    )
    return judged(found, f"{plural(len(pods), 'pod')} on {', '.join(where)}, {plural(restarted, 'restart')}")


def asked_from(live: Live, host: Host) -> str:
    """Why cluster DNS does not answer this host, or an empty string."""
    network = live.cluster.network
    found = dns_query.resolve(
        lambda: live.transports[host.name].dial(53, str(network.dns_ip)), live.cluster.service_names[-1]
    )
    return (
        ""
        if found == [network.service_ip]
        else (
            f"{live.cluster.service_names[-1]} resolves to {', '.join(map(str, found)) or 'nothing'} instead of"
            f" {network.service_ip}"
        )
    )


def dns_answers(live: Live) -> bool:
    """Whether cluster DNS gives every worker the address of the `kubernetes` Service, right now."""
    try:
        return not any(asked_from(live, host) for host in live.cluster.workers)
    except UNREACHABLE:
        return False


def dns_from_hosts(scene: Scene) -> Outcome:
    if not scene.cluster.coredns.enabled:
        return skipped(OFF)
    waited: list[float] = []

    def look(host: Host) -> str:
        start = time.monotonic()
        try:
            if _unanswered(scene.live, host):
                scene.wait(lambda: _unanswered(scene.live, host), _patience(scene, host), 0.5)
            return ""
        except NotReadyError as error:
            return error.waited_for
        finally:
            waited.append(time.monotonic() - start)

    found = on_hosts(look, scene.cluster.workers)
    longest = max(waited, default=0.0)
    after = f", the last one after {longest:.0f} s" if longest > ANSWERS_WITHIN else ""
    return judged(
        found, f"{scene.cluster.network.dns_ip} answers {plural(len(scene.cluster.workers), 'worker')}{after}"
    )


def _unanswered(live: Live, host: Host) -> str:
    try:
        return asked_from(live, host)
    except UNREACHABLE as error:
        return told(error)


def _patience(scene: Scene, host: Host) -> float:
    """Seconds for which an answer may still be on its way: a kube-proxy that was started just now, or whose API server
    was, has yet to hear where CoreDNS is. Where neither was, and where kube-proxy does not run or the host does not
    answer, there is nothing to wait for."""
    own = _lived(scene, host, "kube-proxy.service")
    if own is None:
        return 0.0
    servers = (_lived(scene, one, "kube-apiserver.service") for one in scene.cluster.control_plane)
    return max(HEARD_WITHIN - min([own, *(age for age in servers if age is not None)]), 0.0)


def _lived(scene: Scene, host: Host, unit: str) -> float | None:
    """Seconds since the unit's program was started; None when it does not run or cannot be asked."""
    probe = Probe("lived", (unit,))
    try:
        answer = scene.ask(host, [probe])[probe].strip()
    except UNREACHABLE:
        return None
    return float(answer) if answer else None


def newest(services: Iterable[Mapping[str, Any]], domain: str) -> dict[str, IPv4Address]:
    """Full names and addresses of the Services that were made last."""
    having = [service for service in services if service["spec"].get("clusterIP", "None") not in ("None", "")]
    having.sort(key=lambda service: (service["metadata"]["creationTimestamp"], service["metadata"]["name"]))
    return {
        f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc.{domain}": IPv4Address(
            service["spec"]["clusterIP"]
        )
        for service in having[-NEWEST:]
    }


def stale(replicas: Mapping[str, str], wanted: Mapping[str, IPv4Address], ask: Ask) -> Iterator[str]:
    """What each replica (a pod and its address) says otherwise than the API."""
    for pod, address in replicas.items():
        for name, right in wanted.items():
            try:
                said = ", ".join(map(str, ask(address, name))) or "nothing"
            except HardwayError as error:
                said = f"nothing ({error})"
            if said != str(right):
                yield f"{pod} resolves {name} to {said} instead of {right}"


def replicas_of(scene: Scene) -> dict[str, str]:
    """CoreDNS's running pods and their addresses."""
    pods = [
        pod
        for pod in items(scene.api.get(PODS))
        if pod["status"].get("phase") == "Running" and pod["status"].get("podIP")
    ]
    return {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in pods}


def await_current(scene: Scene) -> int:
    """Wait until every replica knows the newest Services; how many replicas there are. NotReadyError names one that
    does not.

    Each is asked by itself: one that lost its watch answers all the same, out of what it knew then. One that is silent
    gets less time.
    """
    ask: Ask = lambda address, name: dns_query.resolve(lambda: scene.door.dial(53, address), name)  # noqa: E731
    domain, oldest = scene.cluster.network.domain, {scene.cluster.service_names[-1]: scene.cluster.network.service_ip}
    scene.wait(lambda: next(stale(replicas_of(scene), oldest, ask), ""), ANSWERS_WITHIN, 0.5)
    scene.wait(
        lambda: next(stale(replicas_of(scene), newest(items(scene.api.get(SERVICES)), domain), ask), ""),
        HEARD_WITHIN,
        0.5,
    )
    return len(replicas_of(scene))


def dns_current(scene: Scene) -> Outcome:
    if not scene.cluster.coredns.enabled:
        return skipped(OFF)
    try:
        return judged((), f"{await_current(scene)} replicas know the newest Services")
    except NotReadyError as error:
        return judged([error.waited_for], "")


CHECKS = (
    Check(
        "coredns-ready",
        "CoreDNS is ready",
        "Without it no pod can find a Service by name.",
        "kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide; kubectl -n kube-system logs -l k8s-app=kube-dns",
        coredns,
    ),
    Check(
        "dns-from-hosts",
        "Cluster DNS answers every worker",
        "One query shows that kube-proxy, routes and CoreDNS work for that worker.",
        "on that host: journalctl -u kube-proxy -n 50; iptables-save | grep kube-dns",
        dns_from_hosts,
    ),
    Check(
        "dns-current",
        "CoreDNS knows the newest Services",
        "A replica that lost its watch on the API keeps answering with old data.",
        "kubectl -n kube-system rollout restart deployment coredns",
        dns_current,
    ),
)
