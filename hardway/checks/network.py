"""The pod network as pods meet it: each other, Services, node ports, names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..cluster import Cluster
from ..features import features
from . import peer
from .interview import Answers, interview, lookups
from .manifests import APP, PORT
from .model import Check, Outcome, failed, judged, skipped
from .scene import Scene, at_once, names
from .smoke import Pod, Smoke

ONE_WORKER = "one worker only"
NO_ENDPOINT_NAMES = "CoreDNS serves no headless names on Kubernetes below 1.21: it knows EndpointSlices of discovery.k8s.io/v1 only"


def heard(answer: str | None) -> str:
    """An answer in a finding."""
    return (answer or "no answer").splitlines()[0][:120]


def who(answer: str | None) -> tuple[str, str]:
    """(server's name, the address it saw) out of /cgi-bin/who; two empty strings for anything else."""
    found = re.fullmatch(r"(\S+) \[?(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)\]?", (answer or "").strip())
    return (found[1], found[2]) if found else ("", "")


def pair_findings(pods: Sequence[Pod], answers: Mapping[str, Answers]) -> list[str]:
    """Ordered pairs of pods on different workers where the one does not hear the other."""
    return [f"{asker.worker.name} to {asked.worker.name} ({asked.address}): {heard(answers[asker.name].get(f'pod {asked.name}'))}"
            for asker in pods for asked in pods if asker != asked and who(answers[asker.name].get(f"pod {asked.name}"))[0] != asked.name]  # fmt: skip


def source_findings(pods: Sequence[Pod], answers: Mapping[str, Answers]) -> list[str]:
    """Pods that are seen under another address than their own."""
    found = []
    for asker in pods:
        for asked in pods:
            seen = who(answers[asker.name].get(f"pod {asked.name}"))[1]
            if seen and seen != asker.address:
                found.append(f"{asked.worker.name} sees the pod of {asker.worker.name} as {seen} instead of {asker.address}")
    return found


def service_findings(pods: Sequence[Pod], answers: Mapping[str, Answers]) -> list[str]:
    """Backends that a pod does not reach through the Service; itself is hairpin's business."""
    found = []
    for asker in pods:
        missing = [pod for pod in pods if pod != asker and pod.name not in answers[asker.name].get("service", "").splitlines()]
        found += [f"from {asker.worker.name}: the server on {pod.worker.name} never answers" for pod in missing]
    return found


def hairpin_findings(pods: Sequence[Pod], answers: Mapping[str, Answers]) -> list[str]:
    """Pods that never meet themselves behind their own Service."""
    return [
        f"the pod on {pod.worker.name} does not reach itself"
        for pod in pods
        if pod.name not in answers[pod.name].get("service", "").splitlines()
    ]


def port_findings(pods: Sequence[Pod], answers: Mapping[str, Answers]) -> list[str]:
    """Node ports that do not lead a pod to a server of ours."""
    ours = {pod.name for pod in pods}
    return [f"from the pod on {asker.worker.name} to {target.worker.name}: {heard(answers[asker.name].get(f'node {target.worker.name}'))}"
            for asker in pods for target in pods if answers[asker.name].get(f"node {target.worker.name}") not in ours]  # fmt: skip


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


def lookup_finding(name: str, answer: str | None, wanted: Iterable[str]) -> str:
    seen, expected = looked_up(answer), set(wanted)
    return "" if seen == expected else f"{name} is {', '.join(sorted(seen)) or heard(answer)} instead of {', '.join(sorted(expected))}"


def name_findings(pods: Sequence[Pod], answers: Mapping[str, Answers], wanted: Mapping[str, str]) -> list[str]:
    """Names that lead a pod to no server of ours, and full names with other addresses than `wanted`."""
    ours, found = {pod.name for pod in pods}, []
    for pod in pods:
        said = answers[pod.name]
        bad = [f"{key[5:]}: {heard(value)}" for key, value in said.items() if key.startswith("name ") and value not in ours]
        bad += filter(None, (lookup_finding(name, said.get(f"lookup {name}"), [address]) for name, address in wanted.items()))
        found += [f"on {pod.worker.name}: {each}" for each in bad]
    return found


def _crossing(judge: Callable[[Sequence[Pod], Mapping[str, Answers]], list[str]], seen: str) -> Callable[[Scene], Outcome]:
    """A check that needs two pods on two workers."""

    def run(scene: Scene) -> Outcome:
        pods = _smoke(scene).pods
        if len(scene.suite.workers) < 2:
            return skipped(ONE_WORKER)
        if len(pods) < 2:
            return skipped(f"a pod became ready on {names(pod.worker for pod in pods)} only")
        return judged(judge(pods, interview(scene)), seen.format(pairs=len(pods) * (len(pods) - 1), pods=len(pods)))

    return run


def _from_pods(judge: Callable[[Sequence[Pod], Mapping[str, Answers]], list[str]], seen: str) -> Callable[[Scene], Outcome]:
    def run(scene: Scene) -> Outcome:
        pods = _smoke(scene).pods
        return judged(judge(pods, interview(scene)), seen.format(pods=len(pods), ports=len(pods) * len(pods)))

    return run


def _smoke(scene: Scene) -> Smoke:
    assert scene.smoke, "smoke checks run only when there are pods"
    return scene.smoke


def cluster_ip(scene: Scene) -> Outcome:
    """From the pods, and from every worker itself, as kubelets and host-network pods would."""
    smoke = _smoke(scene)
    ours = {pod.name for pod in smoke.pods}

    def look(pod: Pod) -> str:
        code, body = peer.status(lambda: scene.live.transports[pod.worker.name].dial(PORT, smoke.cluster_ip), "/")
        return "" if code == 200 and body.strip() in ours else f"from the host {pod.worker.name}: {code} {heard(body)}"

    found = service_findings(smoke.pods, interview(scene)) + at_once(look, smoke.pods, lambda pod: f"from the host {pod.worker.name}")
    return judged(found, f"{smoke.cluster_ip} leads to {len(smoke.pods)} servers, from pods and from workers")


def node_port(scene: Scene) -> Outcome:
    """From a host outside the pod network, and from the pods."""
    smoke = _smoke(scene)
    outside = next(iter([*scene.cluster.load_balancers, *scene.cluster.control_plane]))
    ours = {pod.name for pod in smoke.pods}

    def look(pod: Pod) -> str:
        code, body = peer.status(lambda: scene.live.transports[outside.name].dial(smoke.node_port, str(pod.worker.address)), "/")
        return "" if code == 200 and body.strip() in ours else f"from {outside.name} to {pod.worker.name}: {code} {heard(body)}"

    found = at_once(look, smoke.pods, lambda pod: f"from {outside.name} to {pod.worker.name}") + port_findings(smoke.pods, interview(scene))
    return judged(found, f"port {smoke.node_port} of {len(smoke.pods)} workers, from {outside.name} and from pods")


def api_to_pods(scene: Scene) -> Outcome:
    """Each API server to each pod, as for aggregated APIs and webhooks."""
    smoke = _smoke(scene)

    def look(pair: tuple) -> str:
        host, pod = pair
        status, body = scene.live.kube(host).request("GET", f"{smoke.path}/pods/{pod.name}:{PORT}/proxy/")
        text = body.decode("utf-8", "replace")
        return (
            ""
            if status == 200 and text.strip() == pod.name
            else f"{host.name} to {pod.worker.name} ({pod.address}): {status} {heard(text)}"
        )

    pairs = [(host, pod) for host in scene.cluster.control_plane for pod in smoke.pods]
    return judged(
        at_once(look, pairs, lambda pair: f"{pair[0].name} to {pair[1].worker.name}"), f"{len(pairs)} ways from API servers to pods"
    )


def resolver(scene: Scene) -> Outcome:
    smoke = _smoke(scene)
    found = [f"on {pod.worker.name}: {finding}" for pod in smoke.pods
             for finding in resolver_findings(scene.cluster, smoke.namespace, interview(scene)[pod.name].get("resolv", ""))]  # fmt: skip
    return judged(found, f"nameserver {scene.cluster.network.dns_ip}, three search domains, ndots:5 in {len(smoke.pods)} pods")


def dns_names(scene: Scene) -> Outcome:
    if not scene.cluster.coredns.enabled:
        return skipped("the inventory turns the DNS add-on off")
    smoke = _smoke(scene)
    kubernetes, service, _ = lookups(scene, smoke)
    wanted = {kubernetes: str(scene.cluster.network.service_ip), service: smoke.cluster_ip}
    return judged(name_findings(smoke.pods, interview(scene), wanted),
                  f"{APP}, {APP}.NAMESPACE, {APP}.NAMESPACE.svc.{scene.cluster.network.domain} and kubernetes.default in {len(smoke.pods)} pods")  # fmt: skip


def dns_headless(scene: Scene) -> Outcome:
    if not scene.cluster.coredns.enabled:
        return skipped("the inventory turns the DNS add-on off")
    if features(scene.cluster.versions).coredns_noendpoints:
        return skipped(NO_ENDPOINT_NAMES)
    smoke = _smoke(scene)
    name = lookups(scene, smoke)[2]
    addresses = [pod.address for pod in smoke.pods]
    found = [f"on {pod.worker.name}: {finding}" for pod in smoke.pods
             if (finding := lookup_finding(name, interview(scene)[pod.name].get(f"lookup {name}"), addresses))]  # fmt: skip
    return failed(*found) if found else judged((), f"{len(addresses)} addresses, those of the pods")


ROUTES = "on the workers: ip route; systemctl status pod-routes; sysctl net.ipv4.ip_forward"
PROXY = "on the worker: journalctl -u kube-proxy -n 50; iptables-save -t nat | grep hardway-verify while verify runs"
DNS = "kubectl -n kube-system logs -l k8s-app=kube-dns; kubectl -n kube-system get endpoints kube-dns"

CHECKS = (
    Check("pod-to-pod", "Pods reach pods on other workers", "There is one flat pod network, or there is no cluster.", ROUTES,
          _crossing(pair_findings, "{pairs} ordered pairs"), True),
    Check("source-address", "Pods are seen under their own address", "Network policies, logs and rate limits go by the address a pod comes from.",
          "compare ipMasq in /etc/cni/net.d/10-bridge.conflist; iptables -t nat -S POSTROUTING", _crossing(source_findings, "kept in {pairs} ordered pairs"), True),
    Check("cluster-ip", "A Service address reaches every server behind it", "It is how programs in the cluster find each other.", PROXY, cluster_ip, True),
    Check("hairpin", "A pod reaches itself through its Service", "A program that calls its own Service fails now and then where this does not work.",
          "on the worker: grep hairpinMode /etc/cni/net.d/10-bridge.conflist; cat /sys/class/net/cni0/brif/*/hairpin_mode",
          _from_pods(hairpin_findings, "{pods} of {pods} pods"), True),
    Check("node-port", "A node port answers on every worker", "It is how traffic comes in from outside.", PROXY, node_port, True),
    Check("api-to-pods", "API servers reach pods", "Webhooks and aggregated APIs are pods that the API server calls.",
          "on the control-plane hosts: ip route; systemctl status pod-routes", api_to_pods, True),
    Check("pod-resolver", "Pods are told where DNS is", "A wrong search list makes short names fail or leak outside.",
          "compare clusterDNS and clusterDomain in /var/lib/kubelet/config.yaml", resolver, True),
    Check("dns-names", "Names lead to Services, from every worker", "Programs use names; each worker has its own road to DNS.", DNS, dns_names, True),
    Check("dns-headless", "A headless Service has its pods' addresses", "Databases find their members this way.", DNS, dns_headless, True),
)  # fmt: skip
