"""What users do with pods: read their logs, run something in them, forward a port."""

from __future__ import annotations

import secrets

from ..progress.closing import plural
from .check import Check
from .interview import heard, pods_of
from .manifests import PORT
from .outcome import Outcome, judged
from .pods import Pod
from .scene import KUBECTL, Scene, at_once, through_kubelet
from .smoke import Smoke

# kubectl itself is the local HTTP client: a minimal host has no other.
FORWARD = """out=$(mktemp); trap 'kill $pid 2>/dev/null; rm -f $out' EXIT
{kubectl} -n {namespace} port-forward pod/{pod} :{port} >$out 2>&1 & pid=$!
n=0; while [ $n -lt 50 ] && kill -0 $pid 2>/dev/null && ! grep -q '^Forwarding from 127' $out
do n=$((n + 1)); sleep 0.1 || sleep 1; done
local=$(sed -n 's/^Forwarding from 127.0.0.1:\\([0-9]*\\) .*/\\1/p' $out)
[ -n "$local" ] || {{ cat $out >&2; exit 1; }}
timeout 10 {binary} --kubeconfig /dev/null --server http://127.0.0.1:$local get --raw /
"""


def logs(scene: Scene) -> Outcome:
    smoke = pods_of(scene)

    def read(path: str) -> tuple[int, str]:
        status, body = scene.api.request("GET", path)
        return status, body.decode("utf-8", "replace")

    def look(pod: Pod) -> str:
        status, text = through_kubelet(lambda: read(f"{smoke.path}/pods/{pod.name}/log"), lambda answer: answer[1])
        return (
            ""
            if status == 200 and text.startswith(f"{pod.name} serves\n")
            else f"{pod.worker.name}: {status} {heard(text)}"
        )

    return judged(
        at_once(look, smoke.pods, lambda pod: pod.worker.name),
        f"read the first log line of {plural(len(smoke.pods), 'pod')}",
    )


def execute(scene: Scene) -> Outcome:
    """Bytes in, the same bytes out: nothing added, lost or turned around."""
    smoke = pods_of(scene)

    def look(pod: Pod) -> str:
        sent = secrets.token_bytes(512) + b"\r\n\x00\n"
        result = scene.kubectl(f"-n {smoke.namespace} exec -i {pod.name} -- cat", stdin=sent)
        if result.code:
            return f"{pod.worker.name}: exit code {result.code}: {heard(result.error_text)}"
        return (
            ""
            if result.out == sent
            else f"{pod.worker.name}: the {len(result.out)} bytes received differ from the {len(sent)} bytes sent"
        )

    return judged(
        at_once(look, smoke.pods, lambda pod: pod.worker.name),
        f"the same bytes came back from {plural(len(smoke.pods), 'pod')}",
    )


def forward_script(smoke: Smoke, pod: Pod) -> str:
    return FORWARD.format(
        kubectl=KUBECTL, binary=KUBECTL.split()[0], namespace=smoke.namespace, pod=pod.name, port=PORT
    )


def port_forward(scene: Scene) -> Outcome:
    smoke = pods_of(scene)

    def look(pod: Pod) -> str:
        script = forward_script(smoke, pod)
        result = through_kubelet(lambda: scene.door.run(script, timeout=30), lambda result: result.error_text)
        return (
            ""
            if result.text.strip() == pod.name
            else f"{pod.worker.name}: {heard(result.text.strip() or result.error_text.strip())}"
        )

    return judged(
        at_once(look, smoke.pods, lambda pod: pod.worker.name), f"a local port reached {plural(len(smoke.pods), 'pod')}"
    )


KUBELET = "on the worker: journalctl -u kubelet -n 50; kubectl get clusterrolebinding | grep kube-apiserver-to-kubelet"

CHECKS = (
    Check(
        "logs",
        "Logs can be read on every worker",
        "When a program fails, its logs are the first thing to read.",
        KUBELET,
        logs,
        True,
    ),
    Check(
        "exec",
        "Commands run in pods on every worker",
        "It is how you inspect a running program.",
        KUBELET,
        execute,
        True,
    ),
    Check(
        "port-forward",
        "Ports are forwarded from every worker",
        "It is how you reach a program that is not exposed.",
        KUBELET,
        port_forward,
        True,
    ),
)
