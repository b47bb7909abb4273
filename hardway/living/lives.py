"""The living cluster as it says of itself: etcd's members, the nodes, and who it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ..etcd.interface import Member
from ..foreign.quantity import amount
from ..foreign.understanding import mapping, mappings, text
from .reach import Blocked

# The resources of which pods request an amount, and a Node has so much.
COUNTED = ("cpu", "memory", "ephemeral-storage")


@dataclass(frozen=True)
class Node:
    """One Node object. `address` is its InternalIP, `block` its pod CIDR, and `allocatable` what pods may have of each
    resource that is COUNTED; empty where the Node does not say."""

    name: str
    address: str = ""
    block: str = ""
    version: str = ""
    ready: bool = False
    schedulable: bool = True
    allocatable: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True)
class Lives:
    """A part that could not be asked is None, or empty where it is a text: nothing follows from that.

    `etcd` is the id of etcd's cluster in hexadecimal digits, `uid` that of the namespace kube-system;
    `etcd_versions` are those of the members that run, by their host's name; `servers` the addresses of the API servers
    that run, as they announce themselves. `loaded` is the sha256 of the encryption configuration with which each API
    server that answers reads Secrets, by its host's name, empty for one that has none; it is asked only when that
    matters (see hardway.living.encryption.settled). `forward` is where cluster DNS asks for other names, None also when
    it is not installed. `listening` are load balancers that share the API's address and are of no host in the
    inventory, by their address: whether HAProxy listens there; those that do not answer are left out.
    `blocked` are connections between the hosts that do not come about, as far as they were tried. `requested` is what
    the pods on a Node request of each resource, by the Node's name; it is asked only where that matters (see
    hardway.living.requested).
    """

    etcd: str = ""
    members: tuple[Member, ...] | None = None
    etcd_versions: Mapping[str, str] = field(default_factory=dict)
    uid: str = ""
    nodes: Mapping[str, Node] | None = None
    servers: frozenset[str] | None = None
    loaded: Mapping[str, str] | None = None
    forward: tuple[str, ...] | None = None
    listening: Mapping[str, bool] = field(default_factory=dict)
    blocked: tuple[Blocked, ...] = ()
    requested: Mapping[str, Mapping[str, Decimal]] | None = None


def forward(corefile: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    """Where the first server of CoreDNS's ConfigMap forwards to; the others are for domains of their own."""
    said = mapping((corefile or {}).get("data")).get("Corefile")
    if said is None:
        return None
    found = re.search(r"^\s*forward \. (.+)$", text(said).partition("\n}")[0], re.MULTILINE)
    return tuple(found[1].split()) if found else ()


def node(found: Mapping[str, Any]) -> Node:
    """A Node object of the API in our own terms; see hardway.foreign.understanding for one that is none."""
    status, spec = found.get("status", {}), found.get("spec", {})
    addresses = {one["type"]: text(one["address"]) for one in mappings(status.get("addresses"))}
    conditions = {one["type"]: one["status"] for one in mappings(status.get("conditions"))}
    allocatable = mapping(status.get("allocatable"))
    return Node(
        found["metadata"]["name"],
        addresses.get("InternalIP", ""),
        text(spec.get("podCIDR", "")),
        text(mapping(status.get("nodeInfo")).get("kubeletVersion", "")).removeprefix("v"),
        conditions.get("Ready") == "True",
        not spec.get("unschedulable", False),
        {resource: amount(allocatable[resource]) for resource in COUNTED if resource in allocatable},
    )
