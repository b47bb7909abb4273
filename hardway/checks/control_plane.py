"""The control plane: every API server is ready on every path to it, serves the right certificate, and both leaders
work."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from cryptography import x509

from ..cluster import Cluster, Host
from ..errors import NotReadyError
from ..pki.certificates import definition
from ..pki.inspection import difference
from ..progress.closing import plural
from ..targets.kube import KubeApi, tls_context
from .check import Check
from .doors import TO_ETCD, Door, doors
from .outcome import Outcome, judged
from .scene import Scene, at_once, items, on_hosts, prefixed

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
LEADERS = ("kube-controller-manager", "kube-scheduler")
# Both renew every 2 s; a lease that is not renewed for 15 s is taken over.
RENEWED_WITHIN = 30.0
# API servers that start together write the Service's endpoints at once, and all but one may be refused; each tries
# again every 10 s.
RECONCILED_WITHIN = 25.0


def apiservers(scene: Scene) -> Outcome:
    found = on_hosts(lambda host: scene.live.kube(host).not_ready(), scene.cluster.control_plane)
    return judged(found, f"/readyz is ok on {len(scene.cluster.control_plane)} of {len(scene.cluster.control_plane)}")


def identity(scene: Scene, name: str, via: Host, host: Host | None = None) -> KubeApi:
    """The API at the address all clients use, dialled from `via` as the holder of a certificate."""
    credentials, cluster = scene.inputs.credentials, scene.cluster
    pair = credentials.certificate(name, host)
    dial = lambda: scene.live.transports[via.name].dial(cluster.api.port, cluster.api.address)  # noqa: E731
    return KubeApi(dial, tls_context(credentials.ca(), pair.cert, pair.key))


def api_address(scene: Scene) -> Outcome:
    """From every worker, as its own kubelet: the road each node depends on."""

    def look(host: Host) -> str:
        api = identity(scene, "kubelet", host, host)
        try:
            return api.not_ready()
        finally:
            api.close()

    found = on_hosts(look, scene.cluster.workers)
    if problem := scene.live.balanced().not_ready():
        found.append(f"from the control plane: {problem}")
    return judged(
        found,
        f"{scene.cluster.api_url} is ready from {plural(len(scene.cluster.workers), 'worker')} and the control plane",
    )


def administrator(scene: Scene) -> Outcome:
    if problem := scene.live.administrator().forbidden():
        return judged([f"as {scene.cluster.name}-admin: {problem}"], "")
    result = scene.kubectl("get nodes -o name")
    if result.code:
        return judged(
            [f"kubectl on {scene.door.host.name} failed with exit code {result.code}: {result.error_text.strip()}"], ""
        )
    return judged(
        (),
        f"the administrator's kubeconfig has full rights; kubectl on {scene.door.host.name} lists"
        f" {plural(len(result.text.split()), 'node')}",
    )


def holder_finding(names: Collection[str], lease: Mapping[str, Any] | None) -> str:
    """Why a lease is not held by a host of one of these names."""
    holder = ((lease or {}).get("spec", {}).get("holderIdentity") or "").rsplit("_", 1)[0]
    if not holder:
        return "no process holds the lease"
    return "" if holder in names else f"the lease is held by {holder}, which is not a control-plane host"


def _own_names(scene: Scene) -> set[str]:
    """What control-plane hosts call themselves, which need not be what the inventory calls them: a program that leads
    says its host's own name."""
    hosts, facts = scene.cluster.control_plane, scene.inputs.facts
    return {host.name for host in hosts} | {facts[host.name].hostname for host in hosts if host.name in facts}


def leader(scene: Scene, name: str) -> str:
    """Why nobody leads. The lease is watched until it is renewed, so that no clock but the API's own order counts."""
    api = scene.api
    first = api.get(f"{LEASES}/{name}")
    if problem := holder_finding(_own_names(scene), first):
        return f"{name}: {problem}"
    held = (first or {})["spec"]

    def unchanged() -> str:
        now = (api.get(f"{LEASES}/{name}") or {}).get("spec", {})
        return f"{name} to renew its lease" if now.get("renewTime") == held["renewTime"] else ""

    scene.wait(unchanged, RENEWED_WITHIN, 0.5)
    scene.once(("leader", name), lambda: held["holderIdentity"].rsplit("_", 1)[0])
    return ""


def leaders(scene: Scene) -> Outcome:
    found = at_once(lambda name: leader(scene, name), LEADERS)
    return judged(found, ", ".join(f"{name} on {scene.once(('leader', name), lambda: 'none')}" for name in LEADERS))


def unavailable(services: Iterable[Mapping[str, Any]]) -> list[str]:
    """API services that are not served, with the API server's own words."""
    found = []
    for service in services:
        condition = next((c for c in service.get("status", {}).get("conditions", []) if c["type"] == "Available"), {})
        if condition.get("status") != "True":
            found.append(
                f"{service['metadata']['name']}:"
                f" {condition.get('message') or condition.get('reason') or 'no condition'}"
            )
    return found


def apiservices(scene: Scene) -> Outcome:
    listed = items(scene.api.get("/apis/apiregistration.k8s.io/v1/apiservices"))
    return judged(unavailable(listed), f"{len(listed)} available")


def service_findings(
    cluster: Cluster, service: Mapping[str, Any] | None, endpoints: Mapping[str, Any] | None
) -> list[str]:
    """Where the `kubernetes` Service differs from the first Service address and the control-plane hosts."""
    found, address = [], (service or {}).get("spec", {}).get("clusterIP")
    if address != str(cluster.network.service_ip):
        found.append(
            f"the address of the kubernetes Service is {address or 'absent'} instead of {cluster.network.service_ip}"
        )
    seen = {
        (entry["ip"], port["port"])
        for subset in (endpoints or {}).get("subsets", [])
        for entry, port in itertools.product(subset.get("addresses", []), subset.get("ports", []))
    }
    wanted = {(str(host.address), cluster.apiserver_port(host)) for host in cluster.control_plane}
    found += [f"the kubernetes Service has no endpoint {ip}:{port}" for ip, port in sorted(wanted - seen)]
    return found + [
        f"the kubernetes Service has endpoint {ip}:{port}, which is not a control-plane host"
        for ip, port in sorted(seen - wanted)
    ]


def kubernetes_service(scene: Scene) -> Outcome:
    base = "/api/v1/namespaces/default"

    def finding() -> str:
        service, endpoints = (scene.api.get(f"{base}/{kind}/kubernetes") for kind in ("services", "endpoints"))
        return "\n".join(service_findings(scene.cluster, service, endpoints))

    try:
        scene.wait(finding, RECONCILED_WITHIN, 0.5)
    except NotReadyError as error:
        return judged([f"{error.waited_for} (waited {error.waited_seconds:.0f} s)"], "")
    return judged((), f"{scene.cluster.network.service_ip} reaches {len(scene.cluster.control_plane)} API servers")


def shown_finding(scene: Scene, door: Door, shown: bytes) -> str:
    """Why a certificate (DER) that a port shows is not the one in the state directory: what is wrong with it, when
    something is."""
    credentials, row = scene.inputs.credentials, definition(door.row)
    if shown == ssl.PEM_cert_to_DER_cert(credentials.certificate(door.row, door.host).cert.decode()):
        return ""
    authority = x509.load_pem_x509_certificate(credentials.issuer(row.ca))
    profile = row.profile(scene.cluster, door.host if row.per_host else None)
    fault = difference(x509.load_der_x509_certificate(shown), profile, authority)
    differs = f"{door.where} serves another certificate than {door.row} in the state directory"
    return differs + (f": {fault}" if fault else "")


def certificates_served(scene: Scene) -> Outcome:
    """A component keeps the certificate it read at its start: the file may be newer than what is shown."""
    credentials, found = scene.inputs.credentials, doors(scene.cluster, scene.door.host)
    client = credentials.certificate(TO_ETCD)

    def look(door: Door) -> str:
        shown = door.shown(scene.live.transports, credentials.ca(definition(door.row).ca), client)
        return prefixed(door.host.name, shown_finding(scene, door, shown))

    faults = at_once(look, found, lambda door: door.host.name)
    return judged(faults, f"the certificates of the state directory on {plural(len(found), 'port')}")


CHECKS = (
    Check(
        "apiservers-ready",
        "Every API server is ready",
        "Each API server that is not ready leaves less redundancy.",
        "on that host: journalctl -u kube-apiserver -n 50; curl -k https://127.0.0.1:6443/readyz?verbose",
        apiservers,
    ),
    Check(
        "api-address",
        "The API answers at the address all clients use",
        "Kubelets, kube-proxies and users connect to this address only.",
        "on that host: curl -vk the address with /readyz; on lb hosts, if there are any: systemctl status haproxy",
        api_address,
    ),
    Check(
        "administrator",
        "The administrator's kubeconfig works",
        "You manage the cluster with it.",
        "hardway bootstrap INV --from rbac",
        administrator,
    ),
    Check(
        "leaders",
        "Controller manager and scheduler each have a leader",
        "Without a leader nothing is scheduled, replaced or cleaned up, although all else looks healthy.",
        "journalctl -u kube-controller-manager -u kube-scheduler -n 50 on the control-plane hosts",
        leaders,
    ),
    Check(
        "apiservices",
        "Every API group is served",
        "One broken aggregated API blocks the deletion of namespaces.",
        "kubectl get apiservices; kubectl describe apiservice NAME",
        apiservices,
    ),
    Check(
        "kubernetes-service",
        "The kubernetes Service reaches the API servers",
        "Every pod that talks to the API uses this Service's address.",
        "kubectl get svc,endpoints kubernetes; compare --advertise-address and --service-cluster-ip-range",
        kubernetes_service,
    ),
    Check(
        "certificates-served",
        "Ports serve the current certificates",
        "A component serves the certificate it started with until it is restarted.",
        "restart that unit; hardway plan INV",
        certificates_served,
    ),
)
