"""Start kube-apiserver, kube-controller-manager and kube-scheduler on every control-plane host.

The API server is the only one that talks to etcd (to its own host's member where there is one);
the other two talk to the API server beside them and elect a leader among the hosts. Secrets are
encrypted before they reach etcd, requests are audited, kubelets may touch only their own objects
(Node authorizer and NodeRestriction), and who gives no name may ask for nothing but the API's health.

By hand: `curl -k https://127.0.0.1:6443/readyz?verbose` on a control-plane host.

Goes wrong: a mistyped flag ends the program at once and systemd starts it again every second (`journalctl -u
kube-apiserver`); etcd without quorum keeps /readyz at 500 with `etcd failed`.
"""

from pathlib import Path

from ..cluster import Host
from ..facts import etcd_born
from ..phase import Inputs, Pending, Phase
from ..render import render
from ..resources import Directory, File, Unit, text
from ..targets.live import Live
from .binaries import program
from .kubelet import VOLUME_PLUGINS

KUBERNETES = "/etc/kubernetes"
PKI = f"{KUBERNETES}/pki"
# The API's own clients on the same host, with the ports on which they tell of their health.
CLIENTS = {"kube-controller-manager": 10257, "kube-scheduler": 10259}


def desired(inputs: Inputs, host: Host) -> list:
    shared, apiserver = _authority(inputs), [*_certificates(inputs, host), *_policies(inputs, host)]
    manager, scheduler = _kubeconfig(inputs, host, "controller-manager"), _kubeconfig(inputs, host, "scheduler")
    config = File(f"{KUBERNETES}/kube-scheduler.yaml", text(render("kube-scheduler.yaml", inputs.cluster, host)), "600")
    uses = {
        "kube-apiserver": [*shared, *apiserver],
        "kube-controller-manager": [*shared, manager],
        "kube-scheduler": [*shared[:1], scheduler, config],
    }
    units = {name: _unit_file(inputs, host, name) for name in uses}
    return [
        Directory(KUBERNETES),
        Directory(PKI),
        Directory(f"{PKI}/etcd"),
        Directory("/var/log/kubernetes", data=True),
        *VOLUME_PLUGINS,
        *shared,
        *apiserver,
        _kubeconfig(inputs, host, "admin"),
        manager,
        scheduler,
        config,
        *units.values(),
        *(Unit(f"{name}.service", (unit, *uses[name], program(inputs, host, name))) for name, unit in units.items()),
    ]


def _unit_file(inputs: Inputs, host: Host, name: str) -> File:
    return File(f"/etc/systemd/system/{name}.service", text(render(f"{name}.service", inputs.cluster, host)), "600")


def needs(inputs: Inputs) -> tuple[str, ...]:
    """API servers wait for an etcd that exists; at its founding they start beside it and find it when it has a leader."""
    return ("pki", "encryption", "etcd") if etcd_born(inputs.facts) else ("pki", "encryption")


def _kubeconfig(inputs: Inputs, host: Host, name: str) -> File:
    return File(f"{KUBERNETES}/{name}.conf", text(inputs.credentials.kubeconfig(name, host).reveal(), secret=True), "600")


def _authority(inputs: Inputs) -> list[File]:
    """What both the API server and the controller manager read: authorities, the signing key, the service-account pair."""
    tokens = inputs.credentials.service_account()
    return [
        File(f"{PKI}/ca.crt", text(inputs.credentials.ca("ca"))),
        File(f"{PKI}/ca.key", text(inputs.credentials.ca_key("ca").reveal(), secret=True), "600"),
        File(f"{PKI}/front-proxy-ca.crt", text(inputs.credentials.ca("front-proxy-ca"))),
        File(f"{PKI}/sa.pub", text(tokens.public)),
        File(f"{PKI}/sa.key", text(tokens.private.reveal(), secret=True), "600"),
    ]


def _certificates(inputs: Inputs, host: Host) -> list[File]:
    files = [File(f"{PKI}/etcd/ca.crt", text(inputs.credentials.ca("etcd-ca")))]
    for name in ("apiserver", "apiserver-kubelet-client", "apiserver-etcd-client", "front-proxy-client"):
        pair = inputs.credentials.certificate(name)
        files.append(File(f"{PKI}/{name}.crt", text(pair.cert)))
        files.append(File(f"{PKI}/{name}.key", text(pair.key.reveal(), secret=True), "600"))
    return files


def _policies(inputs: Inputs, host: Host) -> list[File]:
    files = [File(f"{KUBERNETES}/authentication.yaml", text(render("authentication.yaml", inputs.cluster, host)), "600")]
    policy = inputs.cluster.audit.policy
    if inputs.cluster.encryption.provider != "none":
        config = inputs.credentials.encryption_config().reveal()
        files.append(File(f"{KUBERNETES}/encryption-config.yaml", text(config, secret=True), "600"))
    if policy != "none":
        shipped = policy in ("minimal", "full")
        content = render(f"audit-policy-{policy}.yaml", inputs.cluster, host) if shipped else Path(policy).read_bytes()
        files.append(File(f"{KUBERNETES}/audit-policy.yaml", text(content), "600"))
    return files


def ready(live: Live) -> Pending | None:
    for host in live.among(live.cluster.control_plane):
        problem = live.kube(host).not_ready()
        if problem:
            return Pending(f"kube-apiserver on {host.name} to be ready ({problem})", host.name, "kube-apiserver.service")
        for component, port in CLIENTS.items():
            if not live.serves(host, component, port):
                return Pending(f"{component} to run on {host.name}", host.name, f"{component}.service")
    return None


PHASE = Phase(
    name="control-plane",
    title="Start the control plane",
    targets=lambda cluster: cluster.control_plane,
    desired=desired,
    needs=needs,
    ready=ready,
    deadline=300,  # a slow computer needs over two minutes for the first roles; a crash is noticed sooner
    rolling=True,
)
