"""Start kube-proxy on every worker: it turns Services into packet rules.

It starts when the API answers through the load balancer. It binds to the node's address, so it
does not have to wait for a Node object that does not exist yet. Each worker has a key of its own: the
API knows which worker asks, and a stolen key is replaced on that worker alone.

By hand: `iptables-save | grep KUBE-SERVICES` on a worker.

Goes wrong: packets between pods on one node bypass iptables when br_netfilter is missing, so a Service
answers only from other nodes; another proxy that ran in a different mode left its rules behind.
"""

from ..cluster import Host
from ..phase import Inputs, Pending, Phase
from ..ports import KUBE_PROXY_METRICS
from ..render import render
from ..resources import Directory, File, Unit, text
from ..targets.live import Live
from .binaries import program
from .kubelet import keep_road
from .load_balancer import road


def desired(inputs: Inputs, host: Host) -> list:
    files = [
        File(
            "/etc/kubernetes/kube-proxy.conf",
            text(inputs.credentials.kubeconfig("kube-proxy", host).reveal(), secret=True),
            "600",
        ),
        File("/var/lib/kube-proxy/config.yaml", text(render("kube-proxy-config.yaml", inputs.cluster, host)), "600"),
        File("/etc/systemd/system/kube-proxy.service", text(render("kube-proxy.service", inputs.cluster, host)), "600"),
    ]
    proxy = program(inputs, host, "kube-proxy")
    return [
        Directory("/etc/kubernetes"),
        Directory("/var/lib/kube-proxy", "700", data=True),
        *files,
        proxy,
        Unit("kube-proxy.service", (*files, proxy)),
    ]


def ready(live: Live, host: Host) -> Pending | None:
    if live.serves(host, "kube-proxy", KUBE_PROXY_METRICS):
        return None
    return Pending(f"kube-proxy to run on {host.name}", host.name, "kube-proxy.service")


PHASE = Phase(
    name="kube-proxy",
    title="Start kube-proxy",
    targets=lambda cluster: cluster.workers,
    desired=desired,
    needs=lambda inputs: (*road(inputs), "rbac"),
    ready=ready,
    rolling=True,
    side_by_side=True,
    before_restart=keep_road,
)
