"""How a cluster comes to other versions by hand: in which order, and each swap of programs with its way back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....cluster import Cluster, Host, Role
from ....upgrading.standing import MEMBER, ON_WORKERS, SERVERS
from ..checks import ETCDCTL, until
from ..shell import Way
from ..writing.document import Code, Heading, Part, Table, Text

BIN = "/usr/local/bin"
TRIES = 60
WHOLE = (
    "`hardway upgrade` does all of this, in this order, checks the cluster before each step, and finds by itself what"
    " is left when it was interrupted. `--plan` shows every step for your cluster."
)
# (step, why, by hand)
STEPS: tuple[tuple[str, str, str], ...] = (
    ("snapshot", "It is the only way back of etcd once all members have a new minor.", "etcdctl snapshot save FILE"),
    (
        "etcd",
        "Before the API servers that need it. One minor at a time, one member at a time; 3.7 only from 3.6.11 on.",
        "on each member: swap etcd; its /health before the next one",
    ),
    (
        "kube-apiserver",
        "One minor at a time on all hosts, so that two of them are never two minors apart.",
        "on each control-plane host: swap kube-apiserver; its /readyz before the next one",
    ),
    (
        "kube-controller-manager, kube-scheduler",
        "Never newer than the API server that they talk to.",
        "on the same host: swap both",
    ),
    ("again", "Each minor between is a round of its own for these four.", "the last three steps, for the next minor"),
    (
        "workers",
        "Last, and once: a kubelet may be three minors older than an API server, and never newer. Another minor on a"
        " node with pods is not supported.",
        "kubectl drain; swap containerd and runc, then kubelet and kube-proxy; kubectl uncordon",
    ),
    (
        "everything else",
        "CoreDNS and what else has a version of its own.",
        "kubectl -n kube-system set image deployment/coredns coredns=IMAGE",
    ),
)
SWAP = (
    "A swap keeps the program that was there under another name of the same file, and puts the new one in its place"
    " with a rename: whenever the power goes, one of them is there. To try it, these commands take the program that"
    " runs as the new one; on the day of an upgrade, copy the new one to `.NAME.next` instead."
)
BACK = (
    "The way back of a host, as long as the others have not gone on: the same swap in the other direction. etcd goes"
    " back like this only while another member still runs the old version; it never does so by itself."
)
DONE = "When all is done, remove what was kept:"


def upgrade(cluster: Cluster) -> Iterator[Part]:
    """The guide's chapter."""
    yield from (Text(WHOLE), Heading("In which order"))
    yield Table(("step", "why", "by hand"), tuple((f"`{name}`", why, f"`{how}`") for name, why, how in STEPS))
    yield from (Heading("Swap the programs of a host"), Text(SWAP))
    for host, programs, ready in _hosts(cluster):
        yield from (Text(f"On `{host.name}`:"), *_said(host, f"{forth(programs)}{ready}"))
    yield from (Heading("Go back"), Text(BACK))
    for host, programs, ready in _hosts(cluster):
        yield from (Text(f"On `{host.name}`:"), *_said(host, f"{back(programs)}{ready}"))
    yield from (Heading("Clean up"), Text(DONE))
    for host, programs, _ in _hosts(cluster):
        names = " ".join(f".{name}.before" for name in programs)
        yield Code(_way(host).script(f"cd {BIN}; rm -f {names}\n"))


def _hosts(cluster: Cluster) -> Iterator[tuple[Host, tuple[str, ...], str]]:
    """One host for each kind of programs, with what waits until they are ready again and prints `ok`."""
    yield cluster.etcd_members[-1], (MEMBER,), _answers(f"{ETCDCTL} endpoint health")
    server = cluster.control_plane[-1]
    kubectl = f"{BIN}/kubectl --kubeconfig=/etc/kubernetes/admin.conf"
    port = cluster.apiserver_port(server)
    yield server, SERVERS, _answers(f"{kubectl} --server=https://127.0.0.1:{port} get --raw /readyz")
    worker = next((host for host in reversed(cluster.workers) if not host.is_(Role.CONTROL_PLANE)), None)
    if worker:
        yield worker, ON_WORKERS[1:], _answers(f"systemctl is-active {' '.join(ON_WORKERS[1:])}")


def _answers(ask: str) -> str:
    return f"{until(TRIES, ask)}\n{ask} >/dev/null && echo ok\n"


def _said(host: Host, script: str) -> Iterator[Part]:
    yield from (Code(_way(host).script(script)), Text("It prints:"), Code("ok", "text"))


def _way(host: Host) -> Way:
    return Way(host.name, host.ssh.user != "root")


def forth(programs: Sequence[str]) -> str:
    """The lines of a swap."""
    swap = "  cp -p $p .$p.next\n  ln -f $p .$p.before\n  mv -f .$p.next $p\n"
    return _over(programs, swap)


def back(programs: Sequence[str]) -> str:
    """The lines of a swap back; what was kept stays as another name of what runs then."""
    return _over(programs, "  ln -f .$p.before .$p.back\n  mv -f .$p.back $p\n")


def _over(programs: Sequence[str], lines: str) -> str:
    names = " ".join(programs)
    return f"cd {BIN}\nfor p in {names}; do\n{lines}done\nsystemctl restart {names}\n"
