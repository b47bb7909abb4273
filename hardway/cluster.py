"""The cluster as plain frozen values: what the inventory says, and every fact derived from it.

Each derived address has exactly one property here; templates, certificates and phases read
these and never compute their own. Nothing in this module does any input or output.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from .ports import API_SERVER, API_SERVER_ASIDE, ETCD_CLIENT, ETCD_PEER
from .settings import (
    Api,
    Assets,
    Audit,
    CoreDns,
    Encryption,
    Kubelet,
    Lab,
    LoadBalancer,
    Network,
    Pki,
    Ssh,
    Taint,
    Versions,
)

T = TypeVar("T")


class Role(enum.StrEnum):
    """What a host is for; several roles may share a host."""

    LB = "lb"
    ETCD = "etcd"
    CONTROL_PLANE = "control-plane"
    WORKER = "worker"


@dataclass(frozen=True)
class Host:
    """One machine. `pod_cidr` is set for workers (given or derived from the host's own name), else None.

    `reserved` is what a worker keeps from pods: amounts as Kubernetes writes them, by resource (cpu, memory,
    ephemeral-storage, pid).
    """

    name: str
    address: IPv4Address
    roles: frozenset[Role]
    ssh: Ssh = Ssh()
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    pod_cidr: IPv4Network | None = None
    reserved: Mapping[str, str] = field(default_factory=dict)

    def is_(self, role: Role) -> bool:
        return role in self.roles

    @property
    def peer_url(self) -> str:
        """Where other members of etcd reach this one."""
        return f"https://{self.address}:{ETCD_PEER}"

    @property
    def client_url(self) -> str:
        """Where clients of etcd reach this member."""
        return f"https://{self.address}:{ETCD_CLIENT}"

    def __hash__(self):
        return hash(self.name)


def pod_block_index(name: str, address: IPv4Address, node_prefix_host_bits: int = 8) -> int:
    """The block a worker gets when the inventory names none: the number its name ends with, else its address' last
    byte.

    It depends on this one host alone, so adding or removing another worker never moves it.
    """
    number = re.search(r"(\d+)$", name)
    return int(number.group(1)) if number else int(address) & ((1 << node_prefix_host_bits) - 1)


@dataclass(frozen=True)
class Cluster:
    """Everything known before any host is contacted; `ssh` is for hosts that live but are named by no inventory."""

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
    ssh: Ssh = Ssh()

    def __hash__(self):
        return hash(self.name)

    def with_role(self, *roles: Role) -> tuple[Host, ...]:
        """Hosts that have any of the roles, in the inventory's order."""
        wanted = set(roles)
        return self.once(roles, lambda: tuple(host for host in self.hosts if host.roles & wanted))

    def once(self, about: Hashable, work: Callable[[], T]) -> T:
        """What follows from the whole cluster, worked out the first time: what is wanted on each of hundreds of hosts
        asks for it."""
        if about not in self._worked_out:
            self._worked_out[about] = work()
        return self._worked_out[about]

    @cached_property
    def _worked_out(self) -> dict[Hashable, Any]:
        return {}

    @cached_property
    def _by_name(self) -> dict[str, Host]:
        return {host.name: host for host in self.hosts}

    def host(self, name: str) -> Host:
        """The host of that name; KeyError if there is none."""
        return self._by_name[name]

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
    def api_name(self) -> str:
        """The API's address where it is a name that each host has to look up, else nothing."""
        return "" if is_address(self.api.address) else self.api.address

    @property
    def api_url(self) -> str:
        """What every kubeconfig that leaves a control-plane host points at."""
        return f"https://{self.api.address}:{self.api.port}"

    @property
    def etcd_prefix(self) -> str:
        """Below which API servers keep their objects in etcd."""
        flags = [args.get("kube-apiserver", {}) for args in (self.override_args, self.extra_args)]
        found = next((args["etcd-prefix"] for args in flags if "etcd-prefix" in args), "/registry")
        return f"/{str(found).strip('/')}"

    def apiserver_port(self, host: Host) -> int:
        """The port kube-apiserver binds on this host: the inventory's, or 6443, moved aside where HAProxy shares a
        control-plane host and holds it.

        It is the same on all of them: the endpoints of the `kubernetes` Service have one port, that of whichever server
        wrote last.
        """
        if self.api.server_port:
            return self.api.server_port
        shared = any(balancer.is_(Role.CONTROL_PLANE) for balancer in self.load_balancers)
        return API_SERVER_ASIDE if shared and self.api.port == API_SERVER else API_SERVER

    @property
    def service_names(self) -> tuple[str, ...]:
        """The DNS names of the `kubernetes` Service."""
        base = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
        return (*base, f"kubernetes.default.svc.{self.network.domain}")

    @property
    def service_account_issuer(self) -> str:
        """Whom the tokens of service accounts name as their issuer."""
        given = self.override_args.get("kube-apiserver", {}).get("service-account-issuer")
        return str(given or f"https://kubernetes.default.svc.{self.network.domain}")

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
        return ",".join(f"{host.name}={host.peer_url}" for host in by_address(self.etcd_members))

    def etcd_endpoints(self, host: Host) -> tuple[str, ...]:
        """What an API server on `host` talks to: its own member when it has one, else all members.

        A local member first means a powered-off host never leaves a surviving API server waiting
        on a silent connection (measured: 1 failed call of 351 instead of 35 s of errors).
        """
        if host.is_(Role.ETCD):
            return (f"https://127.0.0.1:{ETCD_CLIENT}",)
        return tuple(member.client_url for member in by_address(self.etcd_members))

    def pod_routes(self, host: Host) -> tuple[tuple[IPv4Network, IPv4Address], ...]:
        """(pod CIDR, next hop) for every other worker, by CIDR; never the host's own block."""
        return tuple((block, hop) for worker, block, hop in self._routes if worker != host.name)

    @property
    def _routes(self) -> tuple[tuple[str, IPv4Network, IPv4Address], ...]:
        return self.once(
            "routes",
            lambda: tuple(
                sorted(
                    ((w.name, w.pod_cidr, w.address) for w in self.workers if w.pod_cidr), key=lambda route: route[1]
                )
            ),
        )


def by_address(hosts: Iterable[Host]) -> list[Host]:
    """Hosts as they stand in a file on a host: by address, so that the order in the inventory restarts nothing."""
    return sorted(hosts, key=lambda host: host.address)


def overlapping(*networks: IPv4Network) -> list[tuple[IPv4Network, IPv4Network]]:
    """Pairs of networks that share addresses."""
    return [(a, b) for i, a in enumerate(networks) for b in networks[i + 1 :] if a.overlaps(b)]


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
