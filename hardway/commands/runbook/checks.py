"""How to check each phase by hand: commands that wait until it is ready, and exactly what they print then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...assets import image_reference
from ...cluster import Cluster, Host
from ...etcd.interface import tls_flags
from ...phase import Inputs
from ...phases.binaries import programs
from ...phases.containers import NODE_IMAGES
from ...pki.certificates import authorities, definitions
from ...ports import ETCD_CLIENT
from ...preflight.tools import TOOLS
from ...settings import LoadBalancer
from .ops import KUBECTL
from .shell import SSH, Way, heredoc, loop

ADMIN = KUBECTL.replace("super-admin", "admin")
ETCDCTL = f"/usr/local/bin/etcdctl --endpoints=https://127.0.0.1:{ETCD_CLIENT} {tls_flags()}"


@dataclass(frozen=True)
class Check:
    """Commands, and their output to the letter."""

    commands: str
    expected: str


def checks(phase: str, inputs: Inputs) -> list[Check]:
    """The checks of a phase in this cluster; none when it does nothing in it."""
    return list(CHECKS[phase](inputs)) if phase in CHECKS else []


def until(seconds: int, command: str) -> str:
    """Wait for a condition, at most so many seconds."""
    return f"for try in $(seq {seconds}); do {command} >/dev/null 2>&1 && break; sleep 1; done"


def everywhere(hosts: Sequence[Host], command: str) -> str:
    """A command on several hosts."""
    sudo = any(host.ssh.user != "root" for host in hosts)
    return loop([host.name for host in hosts], f"  {Way('$host', sudo).run(command)}")


def _names(hosts: Sequence[Host]) -> str:
    return " ".join(host.name for host in hosts)


def _preflight(inputs: Inputs) -> Iterator[Check]:
    tools = " ".join(tool for tool in TOOLS if not tool.startswith("lib"))
    look = f"for tool in {tools}; do command -v \\$tool >/dev/null || echo \\$tool is missing; done; echo checked"
    found = f'sh -c "PATH=$PATH:/usr/sbin:/sbin; {look}"'
    yield Check(everywhere(inputs.cluster.workers, found), "\n".join("checked" for _ in inputs.cluster.workers))


def _pki(inputs: Inputs) -> Iterator[Check]:
    for authority in authorities():
        names = [name for row in definitions() if row.ca == authority.name for name in _files(row, inputs.cluster)]
        command = f'(cd "$STATE/pki" && openssl verify -CAfile {authority.name}.crt {" ".join(names)})'
        yield Check(command, "\n".join(f"{name}: OK" for name in names))


def _files(row, cluster: Cluster) -> list[str]:
    return [f"hosts/{host.name}/{row.name}.crt" for host in row.hosts(cluster)] if row.per_host else [f"{row.name}.crt"]


def _kubeconfigs(inputs: Inputs) -> Iterator[Check]:
    server = "config view --minify -o jsonpath='{.clusters[0].cluster.server}{\"\\n\"}'"
    yield Check(f"{ADMIN} {server}\n{KUBECTL} {server}", f"{inputs.cluster.api_url}\n{inputs.cluster.api_url}")


def _encryption(inputs: Inputs) -> Iterator[Check]:
    provider = inputs.cluster.encryption.provider
    if provider != "none":
        yield Check(f'base64 -d < "$STATE/encryption/{provider}-key1.key" | wc -c', "32")


def _prepare(inputs: Inputs) -> Iterator[Check]:
    workers = inputs.cluster.workers
    yield Check(
        everywhere(workers, "sysctl -n net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables"),
        "\n".join("1\n1" for _ in workers),
    )
    yield Check(everywhere(workers, "swapon --show --noheadings | wc -l"), "\n".join("0" for _ in workers))


def _binaries(inputs: Inputs) -> Iterator[Check]:
    for host in inputs.cluster.hosts:
        if files := programs(inputs, host):
            sums = "".join(f"{file.blob.sha256}  {file.path}\n" for file in files)
            way = Way(host.name, host.ssh.user != "root")
            yield Check(way.feed("sha256sum -c -", heredoc(sums)), "\n".join(f"{file.path}: OK" for file in files))


def _etcd(inputs: Inputs) -> Iterator[Check]:
    members = inputs.cluster.etcd_members
    first = Way(members[0].name, members[0].ssh.user != "root")
    wait = loop(
        [host.name for host in members], "  " + until(60, Way("$host", first.sudo).run(f"{ETCDCTL} endpoint health"))
    )
    listing = f"{first.run(f'{ETCDCTL} member list')} | cut -d, -f 2,3 | sort -k 2"
    yield Check(f"{wait}\n{listing}", "\n".join(sorted(f" started, {host.name}" for host in members)))


def _etcd_quorum(inputs: Inputs) -> Iterator[Check]:
    members = inputs.cluster.etcd_members
    command = everywhere(members, "grep ^ETCD_INITIAL_CLUSTER_STATE= /etc/etcd/etcd.env")
    yield Check(command, "\n".join("ETCD_INITIAL_CLUSTER_STATE=existing" for _ in members))


def _control_plane(inputs: Inputs) -> Iterator[Check]:
    for host in inputs.cluster.control_plane:
        server = f"https://127.0.0.1:{inputs.cluster.apiserver_port(host)}"
        ask = Way(host.name, host.ssh.user != "root").run(
            f"/usr/local/bin/kubectl --kubeconfig /etc/kubernetes/admin.conf --server {server} get --raw /readyz"
        )
        yield Check(f"{until(120, ask)}\n{ask}; echo", "ok")


def _load_balancer(inputs: Inputs) -> Iterator[Check]:
    if inputs.cluster.api.load_balancer is LoadBalancer.HAPROXY:
        ask = f"{KUBECTL} get --raw /readyz"
        yield Check(f"{until(60, ask)}\n{ask}; echo", "ok")


def _rbac(inputs: Inputs) -> Iterator[Check]:
    ask = f"{ADMIN} auth can-i create deployments"
    yield Check(f"{until(30, ask)}\n{ask}", "yes")


def _containers(inputs: Inputs) -> Iterator[Check]:
    workers, pushed = inputs.cluster.workers, inputs.cluster.assets.images == "push"
    yield Check(everywhere(workers, "systemctl is-active containerd"), "\n".join("active" for _ in workers))
    if pushed:
        images = sorted(image_reference(inputs.cluster, name) for name in NODE_IMAGES)
        wanted = " ".join(f'"name=={image}"' for image in images)
        listing = everywhere(workers, f"/usr/local/bin/ctr -n k8s.io images ls -q {wanted}")
        yield Check(f"({listing}) | LC_ALL=C sort", "\n".join(sorted(images * len(workers))))


def _pod_routes(inputs: Inputs) -> Iterator[Check]:
    hosts = [host for host in inputs.cluster.hosts if inputs.cluster.pod_routes(host) or host.pod_cidr]
    yield Check(everywhere(hosts, "systemctl is-active pod-routes"), "\n".join("active" for _ in hosts))
    for host in hosts:
        routes = inputs.cluster.pod_routes(host)
        if routes:
            command = "/sbin/ip -4 route show proto 200 | cut -d ' ' -f 1-3".replace("'", '"')
            lines = sorted(f"{network} via {hop}" for network, hop in routes)
            yield Check(f"{SSH} -n {host.name} '{command}' | LC_ALL=C sort", "\n".join(lines))


def _kubelet(inputs: Inputs) -> Iterator[Check]:
    names = [f"node/{host.name}" for host in inputs.cluster.workers]
    wait = until(60, f"{KUBECTL} get {' '.join(names)}")
    yield Check(f"{wait}\n{KUBECTL} wait --for=condition=Ready --timeout=120s {' '.join(names)}",
                "\n".join(f"{name} condition met" for name in names))  # fmt: skip


def _kube_proxy(inputs: Inputs) -> Iterator[Check]:
    workers = inputs.cluster.workers
    yield Check(everywhere(workers, "systemctl is-active kube-proxy"), "\n".join("active" for _ in workers))
    if inputs.cluster.proxy_mode == "iptables":
        rule = f"-A KUBE-SERVICES -d {inputs.cluster.network.service_ip}/32"
        ask = Way("$host", any(host.ssh.user != "root" for host in workers)).run("iptables-save -t nat")
        grep = f'{ask} | grep -q -- "{rule}"'
        body = (
            f'  for try in $(seq 60); do {grep} && break; sleep 1; done\n  {grep} && echo "$host has the rule'
            ' of the Service kubernetes"'
        )
        yield Check(
            loop([host.name for host in workers], body),
            "\n".join(f"{host.name} has the rule of the Service kubernetes" for host in workers),
        )


def _dns(inputs: Inputs) -> Iterator[Check]:
    if inputs.cluster.coredns.enabled:
        command = f"{KUBECTL} -n kube-system rollout status deployment/coredns --timeout=120s | tail -n 1"
        yield Check(command, 'deployment "coredns" successfully rolled out')


def _node_marks(inputs: Inputs) -> Iterator[Check]:
    for host in inputs.cluster.workers:
        labels = ",".join(f"{key}={value}" for key, value in host.labels.items())
        select = f" -l '{labels}'" if labels else ""
        columns = "-o jsonpath='{.items[*].metadata.name} {.items[*].spec.podCIDR}{\"\\n\"}'"
        yield Check(
            f"{KUBECTL} get nodes --field-selector metadata.name={host.name}{select} {columns}",
            f"{host.name} {host.pod_cidr}",
        )


def _kubectl(inputs: Inputs) -> Iterator[Check]:
    nodes = sorted(f"node/{host.name}" for host in inputs.cluster.workers)
    yield Check(f"{ADMIN} get nodes -o name", "\n".join(nodes))


CHECKS: Mapping[str, Callable[[Inputs], Iterator[Check]]] = {
    "preflight": _preflight,
    "pki": _pki,
    "kubeconfigs": _kubeconfigs,
    "encryption": _encryption,
    "prepare": _prepare,
    "binaries": _binaries,
    "etcd": _etcd,
    "etcd-quorum": _etcd_quorum,
    "control-plane": _control_plane,
    "load-balancer": _load_balancer,
    "rbac": _rbac,
    "containers": _containers,
    "pod-routes": _pod_routes,
    "kubelet": _kubelet,
    "kube-proxy": _kube_proxy,
    "dns": _dns,
    "node-marks": _node_marks,
    "kubectl": _kubectl,
}
