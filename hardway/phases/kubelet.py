"""Start the kubelet on every worker; it registers the node.

The kubelet proves itself with a client certificate whose name is the node's (`system:node:…`),
so the Node authorizer lets it see only what its own pods need. Its own API takes no anonymous
callers and asks the API server whether a caller may. The certificate in its kubeconfig is the one it
begins with: from then on it renews its own, in /var/lib/kubelet/pki.

By hand: `kubectl get nodes -o wide`; `curl -k https://<worker>:10250/pods` answers 401.

Goes wrong: the node's name in the certificate is not the name it registers by (`node … is not allowed`); swap
is on; the kubelet's cgroup driver is not containerd's.
"""

from ..assets import image_reference
from ..cluster import Host
from ..phase import Inputs, Pending, Phase
from ..render import render
from ..resources import Directory, File, Leftover, Unit, text
from ..targets.live import Live
from .binaries import program

# The kubelet and the controller manager would make these folders by themselves; made by us, a reset knows whose they are.
VOLUME_PLUGINS = tuple(
    Directory(f"/usr/libexec/{path}")
    for path in ("kubernetes", "kubernetes/kubelet-plugins", "kubernetes/kubelet-plugins/volume", "kubernetes/kubelet-plugins/volume/exec")
)


def desired(inputs: Inputs, host: Host) -> list:
    server = inputs.credentials.certificate("kubelet-server", host)
    config = render("kubelet-config.yaml", inputs.cluster, host, resolv_conf=inputs.facts[host.name].resolv_conf)
    unit = render("kubelet.service", inputs.cluster, host, pause_image=image_reference(inputs.cluster, "pause"))
    files = [
        File("/etc/kubernetes/pki/ca.crt", text(inputs.credentials.ca("ca"))),
        File("/etc/kubernetes/kubelet.conf", text(inputs.credentials.kubeconfig("kubelet", host).reveal(), secret=True), "600"),
        File("/var/lib/kubelet/pki/kubelet.crt", text(server.cert)),
        File("/var/lib/kubelet/pki/kubelet.key", text(server.key.reveal(), secret=True), "600"),
        File("/var/lib/kubelet/config.yaml", text(config), "600"),
        File("/etc/systemd/system/kubelet.service", text(unit), "600"),
    ]
    return [
        Directory("/etc/kubernetes"),
        Directory("/etc/kubernetes/pki"),
        Directory("/etc/kubernetes/manifests"),
        Directory("/etc/kubernetes/kubelet.conf.d", "700"),
        Directory("/var/lib/kubelet", "700", data=True),
        Directory("/var/lib/kubelet/pki", "700"),
        *VOLUME_PLUGINS,
        *files,
        *(Leftover(kind) for kind in ("mounts", "pods")),
        Unit("kubelet.service", (*files, program(inputs, host, "kubelet"))),
    ]


def ready(live: Live) -> Pending | None:
    nodes = live.nodes()
    for host in live.among(live.cluster.workers):
        conditions = {c["type"]: c for c in nodes.get(host.name, {}).get("status", {}).get("conditions", [])}
        if host.name not in nodes:
            return Pending(f"node {host.name} to register", host.name, "kubelet.service")
        if conditions.get("Ready", {}).get("status") != "True":
            return Pending(
                f"node {host.name} to be Ready ({conditions.get('Ready', {}).get('message', 'no status yet')})",
                host.name,
                "kubelet.service",
            )
    return None


PHASE = Phase(
    name="kubelet",
    title="Start the kubelets",
    targets=lambda cluster: cluster.workers,
    desired=desired,
    needs=lambda inputs: ("pki", "control-plane"),
    ready=ready,
    deadline=120,
    rolling=True,
)
