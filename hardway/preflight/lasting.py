"""What a cluster keeps for as long as it lives: its networks, domain and issuer are in its objects, certificates and
pods."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from ..cluster import Cluster, Host
from ..living.founded import Founded
from ..phase import Inputs
from .finding import ClusterCheck

SERVICE_CIDR, POD_CIDR, DOMAIN = "network.service_cidr", "network.pod_cidr", "network.domain"
BY_DOMAIN = "https://kubernetes.default.svc."
ISSUER = "override_args.kube-apiserver.service-account-issuer"
Found = Iterator[tuple[Host, str, str]]

# Why each must stay, by its key in the inventory.
WHY = {
    SERVICE_CIDR: "Services keep the addresses they have, and running pods know the API by one of them",
    DOMAIN: "running pods have it in their /etc/resolv.conf, and their tokens name it as their issuer",
    POD_CIDR: "running pods keep the addresses they have, and each node its block of them",
    "network.node_prefix": "each node keeps the block of pod addresses that it has",
    ISSUER: "the API rejects every token that names another issuer, so running pods lose their access",
}


@dataclass(frozen=True)
class Kept:
    """A key's value in the inventory, and the one with which the cluster lives."""

    key: str
    wanted: str
    lives: str

    @property
    def what(self) -> str:
        return (
            f"{self.key} is {self.wanted} in the inventory, but this cluster was created with {self.lives}:"
            f" {WHY[self.key]}"
        )

    @property
    def remedy(self) -> str:
        if self.key == ISSUER and self.lives.startswith(BY_DOMAIN):
            return f"remove {self.key} from INV again"
        return f"write {self.key}: {self.lives} in INV again; another value takes a new cluster beside this one"


def lasting(inputs: Inputs, hosts: list[Host]) -> Found:
    """By what was bound when the cluster was founded, else by what its control plane lives by."""
    if inputs.founded:
        for kept in _bound(inputs.cluster, inputs.founded):
            yield inputs.cluster.control_plane[0], kept.what, kept.remedy
    elif _may_live(inputs):
        yield from _by_hosts(inputs, hosts)


def _bound(cluster: Cluster, founded: Founded) -> list[Kept]:
    network = cluster.network
    pairs = [
        Kept(SERVICE_CIDR, str(network.service_cidr), founded.service_cidr),
        Kept(DOMAIN, network.domain, founded.domain),
        Kept(POD_CIDR, str(network.pod_cidr), founded.pod_cidr),
        Kept("network.node_prefix", str(network.node_prefix), str(founded.node_prefix)),
        _issuer(cluster.service_account_issuer, founded.issuer),
    ]
    return list(dict.fromkeys(kept for kept in pairs if kept.wanted != kept.lives))


def _issuer(wanted: str, lives: str) -> Kept:
    """It follows from the domain, unless one of them was given by itself."""
    if wanted.startswith(BY_DOMAIN) and lives.startswith(BY_DOMAIN):
        return Kept(DOMAIN, wanted.removeprefix(BY_DOMAIN), lives.removeprefix(BY_DOMAIN))
    return Kept(ISSUER, wanted, lives)


def _may_live(inputs: Inputs) -> bool:
    """Before etcd has data, anything may still be changed; a member that does not answer may have some."""
    members = [inputs.facts.get(host.name) for host in inputs.cluster.etcd_members]
    return any(facts is None or not facts.known or facts.etcd_data for facts in members)


def _by_hosts(inputs: Inputs, hosts: list[Host]) -> Found:
    """One server with the wanted value is enough: then the cluster is on its way there, and either way is as good."""
    network = inputs.cluster.network
    for fact, wanted, kept in (
        ("service_cidr", str(network.service_cidr), partial(Kept, SERVICE_CIDR)),
        ("pod_cidr", str(network.pod_cidr), partial(Kept, POD_CIDR)),
        ("issuer", inputs.cluster.service_account_issuer, _issuer),
    ):
        said = {host: value for host in hosts if (value := getattr(inputs.facts[host.name], fact))}
        if said and wanted not in said.values():
            host, lives = next(iter(said.items()))
            found = kept(wanted, lives)
            yield host, found.what, found.remedy


TOGETHER = (
    ClusterCheck("NetworkFixed", "Networks, domain and issuer are those that the cluster was created with.", lasting),
)
