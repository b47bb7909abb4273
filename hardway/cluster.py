"""The cluster as plain frozen values: what the inventory says, and every fact derived from it.

Each derived address has exactly one property here; templates, certificates and phases read
these and never compute their own. Nothing in this module does any input or output.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path


class Role(enum.StrEnum):
    """What a host is for; several roles may share a host."""

    LB = "lb"
    ETCD = "etcd"
    CONTROL_PLANE = "control-plane"
    WORKER = "worker"


@dataclass(frozen=True)
class Bastion:
    """A jump host; `key` is a private key file, or None for the agent and the default keys."""

    address: str
    user: str = "root"
    port: int = 22
    key: Path | None = None


@dataclass(frozen=True)
class Ssh:
    """How one host is reached. `host_keys` is "strict" or "accept-new"; `sudo` is "auto", "never" or "password"."""

    user: str = "root"
    port: int = 22
    key: Path | None = None
    agent: bool = True
    config: Path | None = Path("~/.ssh/config")
    known_hosts: Path | None = Path("~/.ssh/known_hosts")
    host_keys: str = "strict"
    bastion: Bastion | None = None
    sudo: str = "auto"
    connect_timeout: float = 10.0
    compress: str = "auto"


@dataclass(frozen=True)
class Taint:
    """A node taint, as `key=value:effect`."""

    key: str
    effect: str
    value: str = ""


@dataclass(frozen=True)
class Host:
    """One machine. `pod_cidr` is set for workers (given or derived from the host's own name), else None."""

    name: str
    address: IPv4Address
    roles: frozenset[Role]
    ssh: Ssh = Ssh()
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    pod_cidr: IPv4Network | None = None

    def is_(self, role: Role) -> bool:
        return role in self.roles

    def __hash__(self):
        return hash(self.name)


@dataclass(frozen=True)
class Network:
    """Address plan. `pod_cidr` is the whole cluster's; each worker gets one block of /`node_prefix` of it."""

    pod_cidr: IPv4Network = IPv4Network("10.200.0.0/16")
    service_cidr: IPv4Network = IPv4Network("10.32.0.0/24")
    node_prefix: int = 24
    node_cidr: IPv4Network | None = None
    domain: str = "cluster.local"
    node_ports: str = "30000-32767"

    @property
    def service_ip(self) -> IPv4Address:
        """The `kubernetes` Service: the first address of the service CIDR."""
        return self.service_cidr[1]

    @property
    def dns_ip(self) -> IPv4Address:
        """The cluster DNS Service: the tenth address of the service CIDR."""
        return self.service_cidr[10]

    def pod_block(self, index: int) -> IPv4Network:
        """Block number `index` of the pod CIDR; IndexError when there are not so many."""
        size = 1 << (32 - self.node_prefix)
        block = IPv4Network((int(self.pod_cidr.network_address) + index * size, self.node_prefix))
        if index < 0 or not block.subnet_of(self.pod_cidr):
            raise IndexError(index)
        return block


def pod_block_index(name: str, address: IPv4Address, node_prefix_host_bits: int = 8) -> int:
    """The block a worker gets when the inventory names none: the number its name ends with, else its address' last byte.

    It depends on this one host alone, so adding or removing another worker never moves it.
    """
    number = re.search(r"(\d+)$", name)
    return int(number.group(1)) if number else int(address) & ((1 << node_prefix_host_bits) - 1)


@dataclass(frozen=True)
class Versions:
    """Component versions without a leading v; `images` are full references."""

    kubernetes: str
    etcd: str
    containerd: str
    runc: str
    cni_plugins: str
    crictl: str
    coredns: str
    pause: str

    @property
    def minor(self) -> tuple[int, int]:
        """Kubernetes (major, minor), for example (1, 36)."""
        major, minor = self.kubernetes.split(".")[:2]
        return int(major), int(minor)


class LoadBalancer(enum.StrEnum):
    """Who spreads API calls: our HAProxy hosts, something the user brings, or nobody (one control-plane host)."""

    HAPROXY = "haproxy"
    EXTERNAL = "external"
    NONE = "none"


@dataclass(frozen=True)
class Api:
    """The one address all clients use. `vip` is set when two lb hosts share a keepalived address."""

    address: str
    port: int = 6443
    extra_sans: tuple[str, ...] = ()
    load_balancer: LoadBalancer = LoadBalancer.NONE
    vip: IPv4Address | None = None


@dataclass(frozen=True)
class Pki:
    """`algorithm` is ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072 or rsa-4096; validities in days."""

    algorithm: str = "ecdsa-p256"
    ca_validity_days: int = 3650
    validity_days: int = 365


@dataclass(frozen=True)
class Encryption:
    """Secrets at rest: `provider` is aescbc, secretbox or none."""

    provider: str = "aescbc"


@dataclass(frozen=True)
class Audit:
    """`policy` is minimal (metadata of everything but noise), full (request bodies without secrets), none, or a file."""

    policy: str = "minimal"
    max_age_days: int = 30
    max_backups: int = 10
    max_size_mb: int = 100


@dataclass(frozen=True)
class Kubelet:
    """`fail_cgroup_v1=False` lets Kubernetes 1.35+ run on a cgroup v1 host (the inventory must ask for it)."""

    fail_cgroup_v1: bool = True
    max_pods: int = 110


@dataclass(frozen=True)
class Assets:
    """Where binaries and images come from.

    `source` is auto, upstream, modules or mirror; `mirror` a base URL or folder; `checksums` a file of the user's own;
    `images` is pull (the runtime pulls from registries) or push (archives are copied and imported).
    """

    source: str = "auto"
    mirror: str = ""
    images: str = "push"
    checksums: str = ""


@dataclass(frozen=True)
class CoreDns:
    """The DNS add-on. `forward` is "auto" (the node's nameservers, when it has any), "none", or a list of addresses.

    `stub_domains` are domains with name servers of their own: domain to addresses.
    """

    enabled: bool = True
    replicas: int = 2
    forward: str | tuple[str, ...] = "auto"
    stub_domains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Lab:
    """Present when hardway itself makes the machines. `gateway` is the bridge's own address."""

    gateway: IPv4Address
    prefix: int = 24
    memory: str = ""
    directory: Path | None = None


@dataclass(frozen=True)
class Cluster:
    """Everything known before any host is contacted."""

    name: str
    hosts: tuple[Host, ...]
    versions: Versions
    api: Api
    network: Network = Network()
    pki: Pki = Pki()
    encryption: Encryption = Encryption()
    audit: Audit = Audit()
    kubelet: Kubelet = Kubelet()
    proxy_mode: str = "iptables"
    assets: Assets = Assets()
    coredns: CoreDns = CoreDns()
    extra_args: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    override_args: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    lab: Lab | None = None
    drills: bool = False
    source: Path | None = None

    def __hash__(self):
        return hash(self.name)

    def with_role(self, *roles: Role) -> tuple[Host, ...]:
        """Hosts that have any of the roles, in the inventory's order."""
        return tuple(host for host in self.hosts if host.roles & set(roles))

    def host(self, name: str) -> Host:
        """The host of that name; KeyError if there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    @property
    def for_practice(self) -> bool:
        """Whether a drill may break these machines: we made them ourselves, or the inventory says so."""
        return self.lab is not None or self.drills

    @property
    def etcd_members(self) -> tuple[Host, ...]:
        return self.with_role(Role.ETCD)

    @property
    def control_plane(self) -> tuple[Host, ...]:
        return self.with_role(Role.CONTROL_PLANE)

    @property
    def workers(self) -> tuple[Host, ...]:
        return self.with_role(Role.WORKER)

    @property
    def load_balancers(self) -> tuple[Host, ...]:
        """The hosts on which we run HAProxy: none when the user brings a load balancer or needs none."""
        return self.with_role(Role.LB) if self.api.load_balancer is LoadBalancer.HAPROXY else ()

    @property
    def api_url(self) -> str:
        """What every kubeconfig that leaves a control-plane host points at."""
        return f"https://{self.api.address}:{self.api.port}"

    def apiserver_port(self, host: Host) -> int:
        """The port kube-apiserver binds on this host: 6443, moved aside where HAProxy shares a control-plane host and holds it.

        It is the same on all of them: the endpoints of the `kubernetes` Service have one port, that of whichever server wrote last.
        """
        shared = any(balancer.is_(Role.CONTROL_PLANE) for balancer in self.load_balancers)
        return 6444 if shared and self.api.port == 6443 else 6443

    @property
    def service_names(self) -> tuple[str, ...]:
        """The DNS names of the `kubernetes` Service."""
        base = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
        return (*base, f"kubernetes.default.svc.{self.network.domain}")

    @property
    def service_account_issuer(self) -> str:
        return f"https://kubernetes.default.svc.{self.network.domain}"

    @property
    def api_sans(self) -> tuple[str, ...]:
        """Names and addresses of the API server's certificate: every road by which a client may come."""
        hosts = (*self.control_plane, *self.load_balancers)
        sans = [*self.service_names, "localhost", "127.0.0.1", str(self.network.service_ip), self.api.address]
        sans += [str(self.api.vip)] if self.api.vip else []
        sans += [name for host in hosts for name in (host.name, str(host.address))]
        return tuple(dict.fromkeys([*sans, *self.api.extra_sans]))

    @property
    def etcd_initial_cluster(self) -> str:
        return ",".join(f"{host.name}=https://{host.address}:2380" for host in self.etcd_members)

    def etcd_endpoints(self, host: Host) -> tuple[str, ...]:
        """What an API server on `host` talks to: its own member when it has one, else all members.

        A local member first means a powered-off host never leaves a surviving API server waiting
        on a silent connection (measured: 1 failed call of 351 instead of 35 s of errors).
        """
        if host.is_(Role.ETCD):
            return ("https://127.0.0.1:2379",)
        return tuple(f"https://{member.address}:2379" for member in self.etcd_members)

    def pod_routes(self, host: Host) -> tuple[tuple[IPv4Network, IPv4Address], ...]:
        """(pod CIDR, next hop) for every other worker; never the host's own block."""
        return tuple((w.pod_cidr, w.address) for w in self.workers if w.name != host.name and w.pod_cidr)


def overlapping(*networks: IPv4Network) -> list[tuple[IPv4Network, IPv4Network]]:
    """Pairs of networks that share addresses."""
    return [(a, b) for i, a in enumerate(networks) for b in networks[i + 1 :] if a.overlaps(b)]


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
