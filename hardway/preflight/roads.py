"""What an edited inventory leaves of the API's former addresses and load balancers."""

from __future__ import annotations

from collections.abc import Iterator

from ..cluster import Host
from ..living import roads
from ..phase import Inputs
from .finding import ClusterCheck

FoundOn = Iterator[tuple[Host, str, str]]
SHOWN = 3
REMOVE = "put its lines back into INV, then: hardway node remove INV NAME"


def former_balancer(inputs: Inputs, hosts: list[Host]) -> FoundOn:
    """One that shares the API's address and left the inventory: it would take the address too, when nobody speaks to it
    any more."""
    for host, address in _strangers(inputs, hosts):
        if inputs.lives.listening.get(address):
            vip = inputs.cluster.api.vip or "the API's address"
            what = f"shares {vip} with {address}, which still runs HAProxy and is not in the inventory any more"
            yield host, f"{what}: both hosts would hold the address", REMOVE


def lost_balancer(inputs: Inputs, hosts: list[Host]) -> FoundOn:
    """One of those that does not answer: gone for good, or only now."""
    for host, address in _strangers(inputs, hosts):
        if address not in inputs.lives.listening:
            what = (
                f"shares the API's address with {address}, which is not in the inventory any more and does not answer"
            )
            yield host, what, f"never start that machine again as it is; if it is to live on, {REMOVE}"


def _strangers(inputs: Inputs, hosts: list[Host]) -> Iterator[tuple[Host, str]]:
    """Each with the first of the load balancers that name it."""
    by_name = {host.name: host for host in hosts}
    for address, names in roads.strangers(inputs.cluster, inputs.facts).items():
        yield by_name[names[0]], address


def moving(inputs: Inputs, hosts: list[Host]) -> FoundOn:
    """Clients of the API that use another address than the inventory's."""
    cluster, by_name = inputs.cluster, {host.name: host for host in hosts}
    away = [host.name for host in roads.clients(cluster) if host.name not in by_name]
    for server, names in roads.former(cluster, inputs.facts).items():
        stays = f"; {server} stays open, because {several(away)} may use it and cannot be reached" if away else ""
        uses = "uses" if len(names) == 1 else "use"
        what = f"{several(names)} {uses} the API at {server}; bootstrap leads to {cluster.api_url} host by host{stays}"
        yield by_name[names[0]], what, "if you copied a kubeconfig elsewhere: hardway kubeconfig INV --merge"


def several(names: list[str]) -> str:
    """Names for a sentence, the first of many."""
    more = len(names) - SHOWN
    return ", ".join(names) if more < 2 else f"{', '.join(names[:SHOWN])} and {more} more"


TOGETHER = (
    ClusterCheck(
        "FormerBalancer",
        "No load balancer is taken out of the inventory while clients use its address.",
        former_balancer,
    ),
    ClusterCheck(
        "LostBalancer",
        "A load balancer that left the inventory answers, so that it can be stopped.",
        lost_balancer,
        warning=True,
    ),
    ClusterCheck("ApiMoves", "All clients use the inventory's address of the API.", moving, warning=True),
)
