"""Nodes of workers that left the inventory: their pods may run on, so their routes stay as long as the Node exists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TypeVar

from ..cluster import Cluster, Host
from ..facts import Facts
from .lives import Lives, Node

T = TypeVar("T")
Route = tuple[IPv4Network, IPv4Address]


@dataclass(frozen=True)
class Departed:
    """`blocks` are those of its pods: as the Node says, else as the hosts route them.

    `worker` is the one of the inventory that has its address, empty when none has.
    """

    name: str
    address: IPv4Address
    blocks: tuple[IPv4Network, ...]
    worker: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({', '.join([str(self.address), *(f'pods {block}' for block in self.blocks)])})"

    @property
    def removal(self) -> str:
        """The command that removes it. A machine that has become another worker is left as it is."""
        if self.worker:
            return f"hardway node remove INV {self.name} --gone   ({self.worker} has its address now)"
        return f"hardway node remove INV {self.name}"


def departed(cluster: Cluster, facts: Mapping[str, Facts], lives: Lives) -> tuple[Departed, ...]:
    """The Nodes without a worker in the inventory; none when the API could not be asked."""
    names = cluster.once("workers", lambda: {worker.name for worker in cluster.workers})
    machines = cluster.once("machines", lambda: {worker.address: worker.name for worker in cluster.workers})
    nodes = lives.nodes or {}
    return tuple(
        Departed(node.name, address, tuple(_blocks(node, facts)), machines.get(address, ""))
        for node in (nodes[name] for name in sorted(nodes.keys() - names))
        if (address := read(IPv4Address, node.address))
    )


def _blocks(node: Node, facts: Mapping[str, Facts]) -> list[IPv4Network]:
    routed = {block for fact in facts.values() for block, hop in fact.routes.items() if hop == node.address}
    found = (read(IPv4Network, block) for block in ({node.block} if node.block else routed))
    return sorted(block for block in found if block)


def read(kind: Callable[[str], T], text: str) -> T | None:
    """An address or network; None for one of IPv6, or no address at all."""
    try:
        return kind(text)
    except ValueError:
        return None


def pod_routes(cluster: Cluster, host: Host, found: Facts, gone: Sequence[Departed] | None) -> tuple[Route, ...]:
    """(pod CIDR, next hop) of everything that a host must route, in the order of the CIDRs.

    When the API could not be asked who is `gone`, a host keeps the routes that were `found` on it: nobody knows
    whose Node is gone.
    """
    kept = (
        [(block, node.address) for node in gone for block in node.blocks] if gone is not None else _own(cluster, found)
    )
    free = [(block, hop) for block, hop in kept if hop != host.address and not _given(cluster, block)]
    routes = cluster.pod_routes(host)
    return tuple(sorted([*routes, *free], key=lambda route: int(route[0].network_address))) if free else routes


def _given(cluster: Cluster, block: IPv4Network) -> bool:
    """Whether a worker of the inventory has any of these addresses."""
    return any(worker.pod_cidr.overlaps(block) for worker in cluster.workers if worker.pod_cidr)


def _own(cluster: Cluster, facts: Facts) -> list[Route]:
    """Routes that a host has to blocks of no worker."""
    given = cluster.once("pod blocks", lambda: {str(worker.pod_cidr) for worker in cluster.workers})
    found = ((block, hop) for block, hop in facts.routes.items() if block not in given)
    pairs = ((read(IPv4Network, block), read(IPv4Address, hop)) for block, hop in found)
    return [(block, hop) for block, hop in pairs if block and hop]
