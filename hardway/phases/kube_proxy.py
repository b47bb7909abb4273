"""Start kube-proxy on every worker: it turns Services into packet rules.

It starts when the API answers through the load balancer, and binds to the node's address, so it
need not wait for a Node object that does not exist yet.

By hand: `iptables-save | grep KUBE-SERVICES` on a worker.

Goes wrong: packets between pods on one node bypass iptables when br_netfilter is missing, so a Service
answers from other nodes only; a second proxy of another mode left its rules behind.
"""

from ..cluster import Host, LoadBalancer
from ..phase import Inputs, Pending, Phase
from ..render import render
from ..resources import Directory, File, Unit, text
from ..targets.live import Live
from .binaries import program

METRICS_PORT = 10249


def desired(inputs: Inputs, host: Host) -> list:
    files = [
        File("/etc/kubernetes/kube-proxy.conf", text(inputs.credentials.kubeconfig("kube-proxy").reveal(), secret=True), "600"),
        File("/var/lib/kube-proxy/config.yaml", text(render("kube-proxy-config.yaml", inputs.cluster, host)), "600"),
        File("/etc/systemd/system/kube-proxy.service", text(render("kube-proxy.service", inputs.cluster, host)), "600"),
    ]
    return [
        Directory("/etc/kubernetes"),
        Directory("/var/lib/kube-proxy", "700", data=True),
        *files,
        Unit("kube-proxy.service", (*files, program(inputs, host, "kube-proxy"))),
    ]


def ready(live: Live) -> Pending | None:
    for host in live.among(live.cluster.workers):
        if not live.serves(host, "kube-proxy", METRICS_PORT):
            return Pending(f"kube-proxy to run on {host.name}", host.name, "kube-proxy.service")
    return None


PHASE = Phase(
    name="kube-proxy",
    title="Start kube-proxy",
    targets=lambda cluster: cluster.workers,
    desired=desired,
    needs=lambda inputs: (
        ("control-plane", "load-balancer") if inputs.cluster.api.load_balancer is LoadBalancer.HAPROXY else ("control-plane",)
    ),
    ready=ready,
    rolling=True,
)
