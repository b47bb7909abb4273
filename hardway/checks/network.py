"""The pod network as pods meet it: each other, Services, node ports, names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ..progress.closing import plural
from . import peer
from .check import Check
from .interview import Answers, heard, interview, pods_of
from .manifests import PORT
from .outcome import Outcome, judged, skipped
from .pods import Pod
from .scene import Scene, at_once, names

ONE_WORKER = "there is only one worker"


def who(answer: str | None) -> tuple[str, str]:
    """(server's name, the address it saw) out of /cgi-bin/who; two empty strings for anything else."""
    found = re.fullmatch(r"(\S+) \[?(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)\]?", (answer or "").strip())
    return (found[1], found[2]) if found else ("", "")


def pair_findings(pods: Sequence[Pod], answers: Mapping[str, Answers]) -> list[str]:
    """Ordered pairs of pods on different workers where the one does not hear the other."""
    found = []
    for asker in pods:
        for asked in pods:
            answer = answers[asker.name].get(f"pod {asked.name}")
            if asker != asked and who(answer)[0] != asked.name:
                found.append(f"{asker.worker.name} to {asked.worker.name} ({asked.address}): {heard(answer)}")
    return found


def source_findings(pods: Sequence[Pod], answers: Mapping[str, Answers]) -> list[str]:
    """Pods that are seen under another address than their own."""
    found = []
    for asker in pods:
        for asked in pods:
            seen = who(answers[asker.name].get(f"pod {asked.name}"))[1]
            if seen and seen != asker.address:
                found.append(
                    f"{asked.worker.name} sees the pod of {asker.worker.name} as {seen} instead of {asker.address}"
                )
    return found


def service_findings(pods: Sequence[Pod], answers: Mapping[str, Answers]) -> list[str]:
    """Backends that a pod does not reach through the Service; itself is hairpin's business."""
    found = []
    for asker in pods:
        missing = [
            pod for pod in pods if pod != asker and pod.name not in answers[asker.name].get("service", "").splitlines()
        ]
        found += [f"from {asker.worker.name}: the server on {pod.worker.name} never answers" for pod in missing]
    return found


def hairpin_findings(pods: Sequence[Pod], answers: Mapping[str, Answers]) -> list[str]:
    """Pods that never meet themselves behind their own Service."""
    return [
        f"the pod on {pod.worker.name} cannot reach itself"
        for pod in pods
        if pod.name not in answers[pod.name].get("service", "").splitlines()
    ]


def port_findings(pods: Sequence[Pod], answers: Mapping[str, Answers]) -> list[str]:
    """Node ports that do not lead a pod to a server of ours."""
    ours = {pod.name for pod in pods}
    return [
        f"from the pod on {asker.worker.name} to {target.worker.name}:"
        f" {heard(answers[asker.name].get(f'node {target.worker.name}'))}"
        for asker in pods
        for target in pods
        if answers[asker.name].get(f"node {target.worker.name}") not in ours
    ]


def _crossing(
    judge: Callable[[Sequence[Pod], Mapping[str, Answers]], list[str]], seen: str
) -> Callable[[Scene], Outcome]:
    """A check that needs two pods on two workers."""

    def run(scene: Scene) -> Outcome:
        pods = pods_of(scene).pods
        if len(scene.cluster.workers) < 2:
            return skipped(ONE_WORKER)
        if len(scene.suite.workers) < 2:
            return skipped(f"only one worker accepts pods; cordoned: {names(scene.suite.left_out)}")
        if len(pods) < 2:
            return skipped(f"a pod became ready only on {names(pod.worker for pod in pods)}")
        return judged(judge(pods, interview(scene)), seen.format(pairs=len(pods) * (len(pods) - 1), pods=len(pods)))

    return run


def _from_pods(
    judge: Callable[[Sequence[Pod], Mapping[str, Answers]], list[str]], seen: str
) -> Callable[[Scene], Outcome]:
    def run(scene: Scene) -> Outcome:
        pods = pods_of(scene).pods
        return judged(judge(pods, interview(scene)), seen.format(pods=len(pods), ports=len(pods) * len(pods)))

    return run


def cluster_ip(scene: Scene) -> Outcome:
    """From the pods, and from every worker itself, as kubelets and host-network pods would."""
    smoke = pods_of(scene)
    ours = {pod.name for pod in smoke.pods}

    def look(pod: Pod) -> str:
        code, body = peer.status(lambda: scene.live.transports[pod.worker.name].dial(PORT, smoke.cluster_ip), "/")
        return "" if code == 200 and body.strip() in ours else f"from the host {pod.worker.name}: {code} {heard(body)}"

    found = service_findings(smoke.pods, interview(scene)) + at_once(
        look, smoke.pods, lambda pod: f"from the host {pod.worker.name}"
    )
    return judged(found, f"{smoke.cluster_ip} reaches {plural(len(smoke.pods), 'server')}, from pods and from workers")


def node_port(scene: Scene) -> Outcome:
    """From a host outside the pod network, and from the pods."""
    smoke = pods_of(scene)
    outside = next(iter([*scene.cluster.load_balancers, *scene.cluster.control_plane]))
    ours = {pod.name for pod in smoke.pods}

    def look(pod: Pod) -> str:
        code, body = peer.status(
            lambda: scene.live.transports[outside.name].dial(smoke.node_port, str(pod.worker.address)), "/"
        )
        return (
            ""
            if code == 200 and body.strip() in ours
            else f"from {outside.name} to {pod.worker.name}: {code} {heard(body)}"
        )

    found = at_once(look, smoke.pods, lambda pod: f"from {outside.name} to {pod.worker.name}") + port_findings(
        smoke.pods, interview(scene)
    )
    return judged(
        found, f"port {smoke.node_port} of {plural(len(smoke.pods), 'worker')}, from {outside.name} and from pods"
    )


def api_to_pods(scene: Scene) -> Outcome:
    """Each API server to each pod, as for aggregated APIs and webhooks."""
    smoke = pods_of(scene)

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
        at_once(look, pairs, lambda pair: f"{pair[0].name} to {pair[1].worker.name}"),
        f"{plural(len(pairs), 'connection')} from API servers to pods",
    )


ROUTES = "on the workers: ip route; systemctl status pod-routes; sysctl net.ipv4.ip_forward"
PROXY = "on the worker: journalctl -u kube-proxy -n 50; iptables-save -t nat | grep hardway-verify while verify runs"

CHECKS = (
    Check(
        "pod-to-pod",
        "Pods reach pods on other workers",
        "Kubernetes needs one flat network in which every pod reaches every other pod.",
        ROUTES,
        _crossing(pair_findings, "{pairs} connections between pods"),
        True,
    ),
    Check(
        "source-address",
        "Pods keep their own source address",
        "Network policies, logs and rate limits depend on a pod's source address.",
        "compare ipMasq in /etc/cni/net.d/10-bridge.conflist; iptables -t nat -S POSTROUTING",
        _crossing(source_findings, "kept in {pairs} connections between pods"),
        True,
    ),
    Check(
        "cluster-ip",
        "A Service address reaches every server behind it",
        "It is how programs in the cluster find each other.",
        PROXY,
        cluster_ip,
        True,
    ),
    Check(
        "hairpin",
        "A pod reaches itself through its Service",
        "Without this, a program that calls its own Service fails now and then.",
        "on the worker: grep hairpinMode /etc/cni/net.d/10-bridge.conflist; cat"
        " /sys/class/net/cni0/brif/*/hairpin_mode",
        _from_pods(hairpin_findings, "{pods} of {pods} pods"),
        True,
    ),
    Check(
        "node-port",
        "A node port answers on every worker",
        "Traffic from outside enters the cluster this way.",
        PROXY,
        node_port,
        True,
    ),
    Check(
        "api-to-pods",
        "API servers reach pods",
        "Webhooks and aggregated APIs are pods that the API server calls.",
        "on the control-plane hosts: ip route; systemctl status pod-routes",
        api_to_pods,
        True,
    ),
)
