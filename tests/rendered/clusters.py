"""The clusters the rendering tests speak of: the oldest and the newest Kubernetes served, and one host for
everything."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from hardway.cluster import Cluster, Host, Role
from hardway.settings import Api, Audit, CoreDns, Encryption, Kubelet, LoadBalancer, Versions

COMPANIONS = {"runc": "1.5.3", "cni_plugins": "1.10.0", "coredns": "1.15.0", "pause": "3.10"}
VERSIONS = {
    (1, 34): Versions("1.34.4", etcd="3.6.16", containerd="2.3.7", crictl="1.34.0", **COMPANIONS),
    (1, 35): Versions("1.35.4", etcd="3.6.16", containerd="2.3.7", crictl="1.35.0", **COMPANIONS),
    (1, 36): Versions("1.36.3", etcd="3.6.16", containerd="2.3.7", crictl="1.36.0", **COMPANIONS),
    (1, 37): Versions("1.37.2", etcd="3.7.3", containerd="2.4.2", crictl="1.37.0", **COMPANIONS),
}
OLD, *_, NEW = VERSIONS.values()

# What phases learn from hosts and assets, and hand to the templates that need it.
EXTRA = {
    "state": "new",
    "pause_image": "registry.k8s.io/pause:3.10",
    "coredns_image": "registry.k8s.io/coredns/coredns:v1.15.0",
    "forward": ("/etc/resolv.conf",),
    "resolv_conf": "/run/systemd/resolve/resolv.conf",
    "interface": "eth0",
    "password": "secret78",
    "retries": True,
    "former_ports": (),
    "routers": [(4, ["10.0.0.4"])],
    "peers": ["10.0.0.6"],
}

UNITS = {
    "etcd.service": Role.ETCD,
    "kube-apiserver.service": Role.CONTROL_PLANE,
    "kube-controller-manager.service": Role.CONTROL_PLANE,
    "kube-scheduler.service": Role.CONTROL_PLANE,
    "containerd.service": Role.WORKER,
    "kubelet.service": Role.WORKER,
    "kube-proxy.service": Role.WORKER,
    "pod-routes.service": Role.WORKER,
}

CONFIGS = {
    "etcd.env": Role.ETCD,
    "kube-scheduler.yaml": Role.CONTROL_PLANE,
    "authentication.yaml": Role.CONTROL_PLANE,
    "audit-policy-minimal.yaml": Role.CONTROL_PLANE,
    "audit-policy-full.yaml": Role.CONTROL_PLANE,
    "apiserver-to-kubelet.yaml": Role.CONTROL_PLANE,
    "admins.yaml": Role.CONTROL_PLANE,
    "kubelet-renewal.yaml": Role.CONTROL_PLANE,
    "kube-proxies.yaml": Role.CONTROL_PLANE,
    "coredns.yaml": Role.CONTROL_PLANE,
    "haproxy.cfg": Role.LB,
    "keepalived.conf": Role.LB,
    "kubelet-config.yaml": Role.WORKER,
    "kube-proxy-config.yaml": Role.WORKER,
    "containerd-config.toml": Role.WORKER,
    "10-bridge.conflist": Role.WORKER,
    "pod-routes": Role.WORKER,
    "crictl.yaml": Role.WORKER,
    "hardway.modules.conf": Role.WORKER,
    "90-hardway.sysctl.conf": Role.WORKER,
    "hosts": Role.WORKER,
}


def extra(cluster: Cluster, host: Host) -> dict[str, object]:
    """The same for templates that are given something of their own for each host."""
    return {**EXTRA, "routes": cluster.pod_routes(host)}


def machine(name: str, address: str, *roles: Role, pods: int | None = None) -> Host:
    block = None if pods is None else IPv4Network(f"10.200.{pods}.0/24")
    return Host(name, IPv4Address(address), frozenset(roles), pod_cidr=block)


def lab() -> Cluster:
    """Three controllers that hold etcd too, one load balancer, two workers, on the oldest Kubernetes."""
    controllers = [machine(f"controller-{i}", f"10.240.0.{10 + i}", Role.ETCD, Role.CONTROL_PLANE) for i in range(3)]
    workers = [machine(f"worker-{i}", f"10.240.0.{20 + i}", Role.WORKER, pods=i) for i in range(2)]
    api = Api("10.240.0.9", load_balancer=LoadBalancer.HAPROXY)
    return Cluster("lab", (machine("lb", "10.240.0.9", Role.LB), *controllers, *workers), OLD, api)


def ha() -> Cluster:
    """Hosts of their own for etcd, two load balancers with a virtual address, full audit, nftables, on the newest
    Kubernetes."""
    balancers = [machine(f"lb-{i}", f"10.0.0.{5 + i}", Role.LB) for i in range(2)]
    members = [machine(f"etcd-{i}", f"10.0.0.{10 + i}", Role.ETCD) for i in range(3)]
    controllers = [machine(f"controller-{i}", f"10.0.0.{20 + i}", Role.CONTROL_PLANE) for i in range(2)]
    workers = [machine(f"worker-{i}", f"10.0.0.{30 + i}", Role.WORKER, pods=i) for i in range(3)]
    return Cluster(
        "ha",
        (*balancers, *members, *controllers, *workers),
        NEW,
        Api("10.0.0.4", load_balancer=LoadBalancer.HAPROXY, vip=IPv4Address("10.0.0.4")),
        encryption=Encryption("secretbox"),
        audit=Audit("full"),
        kubelet=Kubelet(fail_cgroup_v1=False),
        proxy_mode="nftables",
    )


def single() -> Cluster:
    """One host that is everything, with as little as possible switched on."""
    host = replace(
        machine("node", "192.168.1.10", Role.ETCD, Role.CONTROL_PLANE, Role.WORKER, pods=0),
        reserved={"memory": "1Gi", "cpu": "0.5", "ephemeral-storage": "5Gi", "pid": "1000"},
    )
    return Cluster(
        "single",
        (host,),
        NEW,
        Api("192.168.1.10"),
        encryption=Encryption("none"),
        audit=Audit("none"),
        coredns=CoreDns(replicas=1),
    )


def shared() -> Cluster:
    """Load balancers on the control-plane hosts: HAProxy holds 6443, the API servers stand aside."""
    hosts = (machine(f"all-{i}", f"10.1.0.{i + 1}", *Role, pods=i) for i in range(3))
    return replace(lab(), name="shared", hosts=tuple(hosts))


CLUSTERS = {cluster.name: cluster for cluster in (lab(), ha(), single(), shared())}
