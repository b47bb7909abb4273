"""Names: the DNS settings of a pod, and whether names resolve to the right addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ..cluster import Cluster
from ..progress.closing import plural
from .check import Check
from .interview import Answers, heard, interview, lookups, pods_of
from .manifests import APP
from .outcome import Outcome, failed, judged, skipped
from .pods import Pod
from .scene import Scene


def resolver_findings(cluster: Cluster, namespace: str, text: str) -> list[str]:
    """Where a pod's resolv.conf would not lead a short name to the cluster's DNS."""
    lines = [line.split() for line in text.splitlines() if line.split()]
    servers = [line[1] for line in lines if line[0] == "nameserver" and len(line) > 1]
    search = next((line[1:] for line in lines if line[0] == "search"), [])
    options = next((line[1:] for line in lines if line[0] == "options"), [])
    domain = cluster.network.domain
    wanted = [f"{namespace}.svc.{domain}", f"svc.{domain}", domain]
    found = (
        []
        if servers == [str(cluster.network.dns_ip)]
        else [f"nameserver is {', '.join(servers) or 'absent'} instead of {cluster.network.dns_ip}"]
    )
    found += [] if search[:3] == wanted else [f"search is {' '.join(search) or 'absent'} instead of {' '.join(wanted)}"]
    return found + ([] if "ndots:5" in options else [f"options are {' '.join(options) or 'absent'} without ndots:5"])


def looked_up(answer: str | None) -> set[str]:
    """The addresses in nslookup's answer, the name server's own left out."""
    _, _, tail = (answer or "").partition("Name:")
    return set(re.findall(r"^Address(?: \d+)?: +(\d+\.\d+\.\d+\.\d+)", tail, re.MULTILINE))


def _denied(answer: str | None) -> str:
    """What the server said; its own address stands before that."""
    said = (line for line in (answer or "").splitlines() if line.startswith("**"))
    return next(said, heard(answer))


def lookup_finding(name: str, answer: str | None, wanted: Iterable[str]) -> str:
    seen, expected = looked_up(answer), set(wanted)
    return (
        ""
        if seen == expected
        else f"{name} resolves to {', '.join(sorted(seen)) or f'nothing ({_denied(answer)})'} instead of"
        f" {', '.join(sorted(expected))}"
    )


def name_findings(pods: Sequence[Pod], answers: Mapping[str, Answers], wanted: Mapping[str, str]) -> list[str]:
    """Names that lead a pod to no server of ours, and full names with other addresses than `wanted`."""
    ours, found = {pod.name for pod in pods}, []
    for pod in pods:
        said = answers[pod.name]
        bad = [
            finding
            for name, address in wanted.items()
            if (finding := lookup_finding(name, said.get(f"lookup {name}"), [address]))
        ]
        for key, answer in said.items():
            # A name that was resolved, with a server behind it that does not answer, is no matter of DNS.
            if key.startswith("name ") and answer not in ours and (bad or "bad address" in answer):
                bad.append(f"{key[5:]}: {heard(answer)}")
        found += [f"on {pod.worker.name}: {each}" for each in bad]
    return found


def resolver(scene: Scene) -> Outcome:
    smoke = pods_of(scene)
    found = [
        f"on {pod.worker.name}: {finding}"
        for pod in smoke.pods
        for finding in resolver_findings(scene.cluster, smoke.namespace, interview(scene)[pod.name].get("resolv", ""))
    ]
    return judged(
        found,
        f"nameserver {scene.cluster.network.dns_ip}, three search domains, ndots:5 in {plural(len(smoke.pods), 'pod')}",
    )


def dns_names(scene: Scene) -> Outcome:
    if not scene.cluster.coredns.enabled:
        return skipped("the inventory disables the DNS add-on")
    smoke = pods_of(scene)
    kubernetes, service, _ = lookups(scene, smoke)
    wanted = {kubernetes: str(scene.cluster.network.service_ip), service: smoke.cluster_ip}
    seen = (
        f"{APP}, {APP}.NAMESPACE, {APP}.NAMESPACE.svc.{scene.cluster.network.domain} and kubernetes.default in"
        f" {plural(len(smoke.pods), 'pod')}"
    )
    return judged(name_findings(smoke.pods, interview(scene), wanted), seen)


def dns_headless(scene: Scene) -> Outcome:
    if not scene.cluster.coredns.enabled:
        return skipped("the inventory disables the DNS add-on")
    smoke = pods_of(scene)
    *_, name = lookups(scene, smoke)
    addresses = [pod.address for pod in smoke.pods]
    found = [
        f"on {pod.worker.name}: {finding}"
        for pod in smoke.pods
        if (finding := lookup_finding(name, interview(scene)[pod.name].get(f"lookup {name}"), addresses))
    ]
    return failed(*found) if found else judged((), f"{len(addresses)} addresses, those of the pods")


LOGS = "kubectl -n kube-system logs -l k8s-app=kube-dns"
DNS = f"{LOGS}; when only new names are unknown: kubectl -n kube-system rollout restart deployment coredns"

CHECKS = (
    Check(
        "pod-resolver",
        "Pods have the right DNS settings",
        "With a wrong search list short names fail, or go to outside name servers.",
        "compare clusterDNS and clusterDomain in /var/lib/kubelet/config.yaml",
        resolver,
        True,
    ),
    Check(
        "dns-names",
        "Service names resolve on every worker",
        "Programs use names, and each worker has its own path to DNS.",
        DNS,
        dns_names,
        True,
    ),
    Check(
        "dns-headless",
        "A headless Service resolves to its pods' addresses",
        "Databases find their members this way.",
        DNS,
        dns_headless,
        True,
    ),
)
