"""Start kube-apiserver, kube-controller-manager and kube-scheduler on every control-plane host.

Only the API server talks to etcd (to the member on its own host where there is one). The other
two talk to the API server on their host and elect a leader among the hosts. Secrets are encrypted
before they reach etcd, requests are audited, and kubelets may change only their own objects (Node
authorizer and NodeRestriction). Anonymous requests may only read the API's health. Each program has a user of its own,
who may read the keys, which belong to root, and change nothing.

By hand: `curl -k https://127.0.0.1:6443/readyz?verbose` on a control-plane host.

Goes wrong: a mistyped flag makes the program exit at once, and systemd restarts it every second (`journalctl -u
kube-apiserver`); without etcd quorum /readyz stays at 500 with `etcd failed`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..cluster import Host
from ..errors import UnreadableError
from ..facts import etcd_born
from ..living.asking import with_encryption
from ..living.encryption import CONFIG, ours, settled
from ..phase import Inputs, Pending, Phase
from ..ports import CONTROLLER_MANAGER, SCHEDULER
from ..render import render
from ..resources import Directory, File, Unit, User, gone, text
from ..resources.base import Change, Resource
from ..targets.live import Live
from .binaries import program
from .kubelet import VOLUME_PLUGINS

KUBERNETES = "/etc/kubernetes"
PKI = f"{KUBERNETES}/pki"
SIGNING = (f"{PKI}/ca-signing.crt", f"{PKI}/ca.key")
# The API's own clients on the same host, with the ports on which they report their health.
CLIENTS = {"kube-controller-manager": CONTROLLER_MANAGER, "kube-scheduler": SCHEDULER}


def desired(inputs: Inputs, host: Host) -> list:
    shared, signing, front_proxy = _authority(inputs), _signing(inputs), _front_proxy(inputs)
    manager, scheduler = _kubeconfig(inputs, host, "controller-manager"), _kubeconfig(inputs, host, "scheduler")
    config = File(f"{KUBERNETES}/kube-scheduler.yaml", text(render("kube-scheduler.yaml", inputs.cluster, host)), "600")
    uses = {
        "kube-controller-manager": [*shared, *signing, front_proxy, manager],
        "kube-scheduler": [*shared[:1], scheduler, config],
    }
    units = {name: _unit_file(inputs, host, name) for name in uses}
    programs = {name: program(inputs, host, name) for name in uses}
    *files, unit, binary, apiserver = api_server(inputs, host)
    return [
        *VOLUME_PLUGINS,
        *map(_user, uses),
        *files,
        *(signing or _signing_elsewhere()),
        _kubeconfig(inputs, host, "admin"),
        manager,
        scheduler,
        config,
        unit,
        *units.values(),
        binary,
        *programs.values(),
        apiserver,
        *(Unit(f"{name}.service", (file, *uses[name], programs[name])) for name, file in units.items()),
    ]


def api_server(inputs: Inputs, host: Host, writer: str = "") -> list[Resource]:
    """All that the API server needs: files, its unit's file, its program and the unit, which are the last three.

    It writes Secrets with the key `writer`, or the newest of the inventory's provider.
    """
    unit = _unit_file(inputs, host, "kube-apiserver", encrypted=_encrypted(inputs, host))
    shared, binary = _authority(inputs), program(inputs, host, "kube-apiserver")
    # What it reads again when it changes, or at each handshake. It reads the CA of the kubelets, which is also that of
    # its clients, only once.
    rereads = (_front_proxy(inputs), *_pairs(inputs))
    read_once = [File(f"{PKI}/etcd/ca.crt", text(inputs.credentials.ca("etcd-ca"))), *_policies(inputs, host, writer)]
    return [
        _user("kube-apiserver"),
        Directory(KUBERNETES),
        Directory(PKI),
        Directory(f"{PKI}/etcd"),
        Directory("/var/log/kubernetes", data=True),
        *shared,
        *rereads,
        *read_once,
        unit,
        binary,
        Unit("kube-apiserver.service", (unit, *shared, *read_once, binary), rereads=rereads),
    ]


def _unit_file(inputs: Inputs, host: Host, name: str, **more: bool) -> File:
    if name == "kube-controller-manager":
        more |= {"signs": inputs.credentials.has_ca_key("ca")}
    content = render(f"{name}.service", inputs.cluster, host, **more)
    return File(f"/etc/systemd/system/{name}.service", text(content), "600")


def _user(name: str) -> User:
    """A program's own user, of its name, who has no file of its own but the audit log."""
    return User(name, "/nonexistent")


def _encrypted(inputs: Inputs, host: Host) -> bool:
    """Whether the API server has a configuration of encryption: also after the inventory says `none`, since what was
    ever written with a key is read with it."""
    if inputs.cluster.encryption.provider != "none":
        return True
    return ours(inputs.cluster) and bool(inputs.credentials.encryption_keys() or inputs.facts[host.name].encryption)


def needs(inputs: Inputs) -> tuple[str, ...]:
    """API servers wait for an existing etcd cluster; they start together with a new one and connect when it has a
    leader."""
    first = ("pki", "encryption", "etcd-promotion") if etcd_born(inputs.facts) else ("pki", "encryption")
    return (*first, "encryption-read") if inputs.encryption.learners else first


def _kubeconfig(inputs: Inputs, host: Host, name: str) -> File:
    return File(
        f"{KUBERNETES}/{name}.conf", text(inputs.credentials.kubeconfig(name, host).reveal(), secret=True), "600"
    )


def _authority(inputs: Inputs) -> list[File]:
    """What both the API server and the controller manager read once: the CAs they trust, the service-account keys."""
    tokens = inputs.credentials.service_account()
    return [
        File(f"{PKI}/ca.crt", text(inputs.credentials.ca("ca"))),
        File(f"{PKI}/sa.pub", text(tokens.public)),
        File(f"{PKI}/sa.key", text(tokens.private.reveal(), secret=True), "600"),
    ]


def _signing(inputs: Inputs) -> list[File]:
    """What the controller manager signs certificate requests with: one CA, whoever else is trusted beside it. Nothing
    when the CA's key is kept elsewhere."""
    if not inputs.credentials.has_ca_key("ca"):
        return []
    key = inputs.credentials.ca_key("ca").reveal()
    return [File(SIGNING[0], text(inputs.credentials.issuer("ca"))), File(SIGNING[1], text(key, secret=True), "600")]


def _signing_elsewhere() -> list[Resource]:
    """What is left on a host whose controller manager has signed before."""
    return gone([File(path, text(b"")) for path in SIGNING], "the key of the CA is kept elsewhere")


def _front_proxy(inputs: Inputs) -> File:
    return File(f"{PKI}/front-proxy-ca.crt", text(inputs.credentials.ca("front-proxy-ca")))


def _pairs(inputs: Inputs) -> list[File]:
    """The API server's certificates."""
    names = ("apiserver", "apiserver-kubelet-client", "apiserver-etcd-client", "front-proxy-client")
    return [file for name in names for file in pair(inputs, name)]


def pair(inputs: Inputs, name: str) -> list[File]:
    """A certificate with its key right after it: a handshake in between finds no pair."""
    found = inputs.credentials.certificate(name)
    return [
        File(f"{PKI}/{name}.crt", text(found.cert)),
        File(f"{PKI}/{name}.key", text(found.key.reveal(), secret=True), "600"),
    ]


def _policies(inputs: Inputs, host: Host, writer: str) -> list[File]:
    files = [
        File(f"{KUBERNETES}/authentication.yaml", text(render("authentication.yaml", inputs.cluster, host)), "600")
    ]
    policy = inputs.cluster.audit.policy
    if _encrypted(inputs, host):
        files.append(File(CONFIG, text(inputs.credentials.encryption_config(writer).reveal(), secret=True), "600"))
    if policy != "none":
        shipped = policy in ("minimal", "full")
        content = render(f"audit-policy-{policy}.yaml", inputs.cluster, host) if shipped else Path(policy).read_bytes()
        files.append(File(f"{KUBERNETES}/audit-policy.yaml", text(content), "600"))
    return files


def keep_readable(inputs: Inputs, live: Live, host: Host, changes: Sequence[Change]) -> None:
    """Refuse to let an API server write what another one cannot read: their processes are asked just before."""
    puts = any(op.verb == "put" and op.args[0] == CONFIG for change in changes for op in change.ops)
    if not puts or settled(inputs.cluster, inputs.facts, inputs.encryption.wanted):
        return
    now = replace(inputs, lives=with_encryption(live, inputs.facts, inputs.lives))
    if others := [other.name for other in now.encryption.learners if other != host]:
        raise UnreadableError(
            f"Secrets that {host.name} would write now could not be read by kube-apiserver on {', '.join(others)}",
            host=host.name,
            hint="hardway bootstrap INV   for all hosts and phases: each API server learns the new key first",
        )


def ready(live: Live, host: Host) -> Pending | None:
    if problem := live.kube(host).not_ready():
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
    before_change=keep_readable,
)
