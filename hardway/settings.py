"""What an inventory may say besides its hosts, as plain frozen values with the defaults of each key.

Nothing in this module does any input or output.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from .ports import API_SERVER


@dataclass(frozen=True)
class Login:
    """Settings of a login, some of which the configuration of OpenSSH may say if the inventory does not."""

    written: frozenset[str] = field(default=frozenset(), kw_only=True, compare=False, repr=False)

    def sets(self, key: str) -> bool:
        """Whether the inventory says it, be it no other than the default."""
        default = next(one.default for one in fields(self) if one.name == key)
        return key in self.written or _expanded(getattr(self, key)) != _expanded(default)


def _expanded(value: object) -> object:
    return value.expanduser() if isinstance(value, Path) else value


@dataclass(frozen=True)
class Bastion(Login):
    """A jump host; `key` is a private key file, or None for the agent and the default keys."""

    address: str
    user: str = "root"
    port: int = 22
    key: Path | None = None


@dataclass(frozen=True)
class Ssh(Login):
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
    """The one address all clients use. `vip` is set when two lb hosts share a keepalived address.

    `server_port` is the API servers' own port, None where nobody has chosen it (see Cluster.apiserver_port).
    """

    address: str
    port: int = API_SERVER
    extra_sans: tuple[str, ...] = ()
    load_balancer: LoadBalancer = LoadBalancer.NONE
    vip: IPv4Address | None = None
    server_port: int | None = None


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

    @property
    def writer(self) -> str:
        """The provider that the API server writes Secrets with, by Kubernetes' own name: `identity` writes plain."""
        return "identity" if self.provider == "none" else self.provider


@dataclass(frozen=True)
class Audit:
    """`policy` is minimal (metadata of everything but noise), full (request bodies without secrets), none, or a
    file."""

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
