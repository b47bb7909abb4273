"""Start the kubelet on every worker; it registers the node.

The kubelet authenticates with a client certificate that carries the node's name (`system:node:…`),
so the Node authorizer shows it only what its own pods need. Its own API rejects anonymous requests
and asks the API server what a caller may do. The certificate in its kubeconfig is only the first
one: from then on the kubelet renews its own, in /var/lib/kubelet/pki. When the kubeconfig gets another
certificate, hardway takes the kubelet's own away, so that it starts over from the new one.

Where the machine has other roles too, `reserved` in the inventory keeps some of it from pods (systemReserved).

By hand: `kubectl get nodes -o wide`; `curl -k https://<worker>:10250/pods` answers 401;
`kubectl describe node <worker>` shows what the machine has (Capacity) and what pods may have (Allocatable).

Goes wrong: the node name in the certificate differs from the name under which it registers (`node … is not
allowed`); swap is on; the kubelet's cgroup driver is not containerd's.
"""

from ..assets import image_reference
from ..cluster import Host
from ..errors import NotReadyError
from ..features import features
from ..phase import Inputs, Pending, Phase
from ..render import render
from ..resources import Directory, File, Leftover, OwnCertificate, Unit, text
from ..targets.live import Live, wait
from .binaries import program
from .load_balancer import road

# A load balancer that has just been reloaded looks at its servers first, and an API server reads a changed certificate
# again within a minute.
ROAD_SECONDS = 70.0
KUBECONFIG, OWN = "/etc/kubernetes/kubelet.conf", "/var/lib/kubelet/pki/kubelet-client-current.pem"
# The kubelet and the controller manager would create these folders themselves; hardway creates them, so that a reset
# removes them.
VOLUME_PLUGINS = tuple(
    Directory(f"/usr/libexec/{path}")
    for path in (
        "kubernetes",
        "kubernetes/kubelet-plugins",
        "kubernetes/kubelet-plugins/volume",
        "kubernetes/kubelet-plugins/volume/exec",
    )
)


def desired(inputs: Inputs, host: Host) -> list:
    server = inputs.credentials.certificate("kubelet-server", host)
    resolv_conf, signs = inputs.facts[host.name].resolv_conf, inputs.credentials.has_ca_key("ca")
    config = render("kubelet-config.yaml", inputs.cluster, host, resolv_conf=resolv_conf, signs=signs)
    unit = render("kubelet.service", inputs.cluster, host, pause_image=image_reference(inputs.cluster, "pause"))
    files = [
        File("/etc/kubernetes/pki/ca.crt", text(inputs.credentials.ca("ca"))),
        File(
            KUBECONFIG,
            text(inputs.credentials.kubeconfig("kubelet", host).reveal(), secret=True),
            "600",
        ),
        File("/var/lib/kubelet/config.yaml", text(config), "600"),
        File("/etc/systemd/system/kubelet.service", text(unit), "600"),
    ]
    pair = (
        File("/var/lib/kubelet/pki/kubelet.crt", text(server.cert)),
        File("/var/lib/kubelet/pki/kubelet.key", text(server.key.reveal(), secret=True), "600"),
    )
    rereads = pair if features(inputs.cluster.versions).kubelet_rereads_certificate else ()
    kubelet = program(inputs, host, "kubelet")
    uses = (*files, *(() if rereads else pair), kubelet)
    return [
        Directory("/etc/kubernetes"),
        Directory("/etc/kubernetes/pki"),
        Directory("/etc/kubernetes/manifests"),
        Directory("/etc/kubernetes/kubelet.conf.d", "700"),
        Directory("/var/lib/kubelet", "700", data=True),
        Directory("/var/lib/kubelet/pki", "700"),
        *VOLUME_PLUGINS,
        *((_own_certificate(inputs, host),) if signs else ()),
        *files,
        *pair,
        *(Leftover(kind) for kind in ("mounts", "pods")),
        kubelet,
        Unit("kubelet.service", uses, rereads=rereads, watches=frozenset({OWN})),
    ]


def _own_certificate(inputs: Inputs, host: Host) -> OwnCertificate:
    first = inputs.credentials.certificate("kubelet", host).cert
    return OwnCertificate(OWN, KUBECONFIG, first, inputs.credentials.issuer("ca"))


def keep_road(live: Live, host: Host) -> None:
    """Refuse to restart a client of the API on a worker from which the API does not answer at the inventory's address:
    what it uses now may be the former one."""
    url = live.cluster.api_url
    try:
        wait(lambda: live.road(host), ROAD_SECONDS, str)
    except NotReadyError as error:
        raise NotReadyError(
            f"{host.name} cannot use the API at {url}: nothing was restarted there",
            host=host.name,
            waited_for=f"the API to answer at {url}",
            waited_seconds=error.waited_seconds,
            evidence=error.waited_for,
            hint=f"on {host.name}: curl -k {url}/readyz; correct api.address or api.port in the inventory",
        ) from None


def needs(inputs: Inputs) -> tuple[str, ...]:
    """A new kubelet waits for the load balancer by itself; one that is led to another address must find it open."""
    return ("pki", "control-plane") if inputs.settled else ("pki", *road(inputs))


def ready(live: Live, host: Host) -> Pending | None:
    node = live.node(host)
    if not node:
        return Pending(f"node {host.name} to register", host.name, "kubelet.service")
    found = {one["type"]: one for one in node.get("status", {}).get("conditions", [])}.get("Ready", {})
    if found.get("status") == "True":
        return None
    said = found.get("message", "no status yet")
    return Pending(f"node {host.name} to be Ready ({said})", host.name, "kubelet.service")


PHASE = Phase(
    name="kubelet",
    title="Start the kubelets",
    targets=lambda cluster: cluster.workers,
    desired=desired,
    needs=needs,
    ready=ready,
    deadline=120,
    rolling=True,
    side_by_side=True,
    before_restart=keep_road,
)
