"""What a worker keeps from pods for the other roles of its machine: not more than there is, and not more than its pods
leave."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from ..cluster import Host
from ..facts import Facts
from ..foreign.quantity import MEBIBYTE, amount, shown
from ..living.requested import growth
from ..phase import Inputs
from .finding import HostCheck

KEPT_FREE = 100 * MEBIBYTE  # of memory, by every kubelet (evictionHard)
KEYS = "kubelet.reserved or hosts[].reserved"
Found = Iterator[tuple[str, str]]


def beyond(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """A kubelet that is to keep more than there is does not start, and no pod runs where it is to keep all."""
    there = {"cpu": Decimal(facts.cpus), "memory": facts.memory_mb * MEBIBYTE}
    besides = {"memory": KEPT_FREE}
    for resource, found in there.items():
        kept = amount(host.reserved.get(resource, 0))
        if found and kept and kept + besides.get(resource, 0) >= found:
            more = f" and the kubelet {shown(resource, KEPT_FREE)} more" if resource in besides else ""
            what = (
                f"{shown(resource, kept)} of {resource} are kept from pods{more}, but it has {shown(resource, found)}"
            )
            yield what, f"write less {resource} under {KEYS}, or use a larger machine"


def requested(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """By what is allocatable now, which also knows what its owner keeps by settings of his own. Not where more is kept
    than there is: that no pod fits then is no second cause."""
    if any(beyond(inputs, host, facts)):
        return
    node, said = (inputs.lives.nodes or {}).get(host.name), (inputs.lives.requested or {}).get(host.name, {})
    there = node.allocatable if node else {}
    for resource, more in growth(host, facts).items():
        left = max(there.get(resource, Decimal(0)) - more, Decimal(0))
        if resource in there and said.get(resource, 0) > left:
            wants = f"its pods request {shown(resource, said[resource])} of {resource}"
            what = f"{wants}, and {shown(resource, left)} would be left: its kubelet would reject those that do not fit"
            drain = f"hardway node drain INV {host.name}; this command again; hardway node uncordon INV {host.name}"
            yield what, f"write less {resource} under {KEYS}, or move its pods away first: {drain}"


def unknown(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if growth(host, facts) and (inputs.lives.nodes is None or inputs.lives.requested is None):
        what = "its kubelet will leave less to pods, and no API server says whether those that run there still fit"
        yield what, "repair the control plane first: hardway doctor INV"


CHECKS = (
    HostCheck("Reserved", "What is kept from pods is less than the machine has (workers).", beyond),
    HostCheck("Requested", "What is kept from pods leaves enough for those that run there (workers).", requested),
    HostCheck("Requested", "The API says what the pods request, before they get less.", unknown, warning=True),
)
