"""The roads to the API, by what hosts say: which addresses their clients use, what load balancers keep open for them.

When the inventory changes the API's address or port, the former road stays open until the last client has left it. What
the former one is nobody has to remember: the kubeconfigs on the hosts say it, and the load balancers' own files.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..cluster import Cluster, Host, Role
from ..facts import Facts

UNKNOWN = Facts(known=False)
# The phases that lead a host's clients to another address.
MOVED_BY = {Role.WORKER: ("kubelet", "kube-proxy"), Role.CONTROL_PLANE: ("control-plane",)}
EVERYWHERE = 443  # what https means where a URL names no port


def clients(cluster: Cluster) -> tuple[Host, ...]:
    """The hosts with kubeconfigs that name the address all clients use."""
    return cluster.with_role(Role.WORKER, Role.CONTROL_PLANE)


def settled(cluster: Cluster, facts: Mapping[str, Facts], moving: Container[str] = ()) -> bool:
    """Whether every client uses the API's address of the inventory, those on hosts that are `moving` taken as moved.

    A host that could not be asked may use any other.
    """
    url, asked = cluster.api_url, [(host.name, facts.get(host.name, UNKNOWN)) for host in clients(cluster)]
    return all(said.known and (name in moving or _arrived(url, said)) for name, said in asked)


def _arrived(url: str, said: Facts) -> bool:
    return not said.unsettled and set(said.servers) <= {url}


def former(cluster: Cluster, facts: Mapping[str, Facts]) -> dict[str, list[str]]:
    """Other addresses (URLs) than the inventory's that clients use, each with the names of their hosts."""
    found: dict[str, list[str]] = {}
    for host in clients(cluster):
        for server in facts.get(host.name, UNKNOWN).servers:
            if server != cluster.api_url:
                found.setdefault(server, []).append(host.name)
    return found


def names_in_use(cluster: Cluster, facts: Mapping[str, Facts]) -> frozenset[str] | None:
    """The names by which clients still come to the API, besides the inventory's; None when all have left them."""
    if settled(cluster, facts):
        return None
    return frozenset(host for server in former(cluster, facts) if (host := urlsplit(server).hostname))


def others(cluster: Cluster) -> tuple[Host, ...]:
    """The hosts that are no load balancers of ours."""
    balancers = {host.name for host in cluster.load_balancers}
    return cluster.once(
        "no load balancers", lambda: tuple(host for host in cluster.hosts if host.name not in balancers)
    )


@dataclass(frozen=True)
class Kept:
    """What a load balancer has beyond the inventory: ports of its HAProxy, addresses and peers of its keepalived."""

    ports: tuple[int, ...] = ()
    addresses: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()


def kept(cluster: Cluster, facts: Mapping[str, Facts], host: Host, open_: bool, retired: Container[str] = ()) -> Kept:
    """What the load balancer on a host keeps: its former ports and addresses while the road is to stay `open_`, and
    every peer that may still hold the shared address; `retired` are hosts whose keepalived is gone by then."""
    said = facts.get(host.name, UNKNOWN)
    peers = _former_peers(cluster, facts, said, retired)
    if not open_:
        return Kept(peers=peers)
    ports = {*said.bound, *_named_ports(cluster, facts, host, said)} - {cluster.api.port}
    addresses = [address for address in said.shared if address != str(cluster.api.vip)]
    return Kept(tuple(sorted(ports)), tuple(addresses), peers)


def _named_ports(cluster: Cluster, facts: Mapping[str, Facts], host: Host, said: Facts) -> set[int]:
    """The ports at which clients expect the API on this very load balancer."""
    here = {host.name, str(host.address), str(cluster.api.vip), cluster.api.address, *said.addresses, *said.shared}
    found = map(urlsplit, former(cluster, facts))
    ports = {url.port or EVERYWHERE for url in found if url.hostname in here}
    # Where an API server shares the host, clients may have come to it by itself.
    return ports - {said.api_port}


def _former_peers(
    cluster: Cluster, facts: Mapping[str, Facts], said: Facts, retired: Container[str]
) -> tuple[str, ...]:
    """Peers that are load balancers no more, and may run keepalived yet: without a word from this one they would take
    the shared address too. One that left the inventory is not waited for."""
    hosts = {str(host.address): host for host in others(cluster)}
    return tuple(peer for peer in said.peers if peer in hosts and _may_hold(hosts[peer], facts, retired))


def _may_hold(host: Host, facts: Mapping[str, Facts], retired: Container[str]) -> bool:
    said = facts.get(host.name, UNKNOWN)
    return host.name not in retired and (not said.known or "keepalived" in said.components)


def strangers(cluster: Cluster, facts: Mapping[str, Facts]) -> dict[str, Sequence[str]]:
    """Addresses with which load balancers of the inventory share the API's, and which are and were of no host in it:
    each with the names of the load balancers that say so."""
    ours = {str(host.address) for host in cluster.hosts} | {said.sender for said in facts.values()}
    found: dict[str, list[str]] = {}
    for host in cluster.hosts:
        for peer in facts.get(host.name, UNKNOWN).peers:
            if peer not in ours:
                found.setdefault(peer, []).append(host.name)
    return found
