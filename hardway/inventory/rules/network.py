"""The address plan: node, pod and service networks lie apart and are large enough."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from hardway.inventory.draft import Draft
from hardway.inventory.problem import Problem
from hardway.ports import API_SERVER, LISTENING, SSH

DOCKER = IPv4Network("172.17.0.0/16")
LOOPBACK = IPv4Network("127.0.0.0/8")
UNUSABLE = (IPv4Network("0.0.0.0/8"), LOOPBACK, IPv4Network("169.254.0.0/16"), IPv4Network("224.0.0.0/3"))
# What the hosts' own services listen on; a NodePort there would take it away.
OWN_PORTS = {SSH: "sshd", API_SERVER: "kube-apiserver"} | {
    port: name for ports in LISTENING.values() for port, name in ports.items()
}


def _networks(draft: Draft) -> list[tuple[str, IPv4Network]]:
    """The networks that were readable, by key."""
    plan = draft.network
    every = [("node_cidr", plan.node_cidr), ("pod_cidr", plan.pod_cidr), ("service_cidr", plan.service_cidr)]
    return [(key, network) for key, network in every if network and draft.sound("network", key)]


def apart(draft: Draft) -> Iterator[Problem]:
    """An address belongs to a node, a pod or a Service."""
    networks = _networks(draft)
    for i, (key, network) in enumerate(networks):
        for other_key, other in networks[:i]:
            if network.overlaps(other):
                message = f"{network} overlaps network.{other_key} {other}: choose networks that do not overlap"
                yield Problem(("network", key), message)


def usable(draft: Draft) -> Iterator[Problem]:
    for key, network in _networks(draft):
        for special in UNUSABLE:
            if network.overlaps(special):
                yield Problem(
                    ("network", key),
                    f"{network} overlaps the reserved {special}: use private addresses such as 10.0.0.0/8",
                )


def service_size(draft: Draft) -> Iterator[Problem]:
    """The API server refuses more than 20 host bits; .1 and .10 are taken before the first Service."""
    prefix = draft.network.service_cidr.prefixlen
    if draft.sound("network", "service_cidr") and not 12 <= prefix <= 28:
        yield Problem(("network", "service_cidr"), f"/{prefix} is out of range: a service network is /12 to /28")


def node_blocks_fit(draft: Draft) -> Iterator[Problem]:
    """The blocks of workers are parts of the pod network, with room for the pods of a worker."""
    plan, pods = draft.network, draft.model.kubelet.max_pods
    if not (draft.sound("network", "pod_cidr") and draft.sound("network", "node_prefix")):
        return
    if plan.pod_cidr.prefixlen > 28:
        yield Problem(
            ("network", "pod_cidr"), f"/{plan.pod_cidr.prefixlen} is too small for pods: the smallest is a /28"
        )
    elif plan.node_prefix < plan.pod_cidr.prefixlen:
        message = (
            f"/{plan.node_prefix} is larger than the pod network {plan.pod_cidr}: allowed: {plan.pod_cidr.prefixlen}"
            " to 28"
        )
        yield Problem(("network", "node_prefix"), message)
    room = (1 << (32 - plan.node_prefix)) - 3
    if pods > room and draft.sound("kubelet", "max_pods"):
        message = f"a /{plan.node_prefix} block has {room} pod addresses but kubelet.max_pods is {pods}"
        yield Problem(("network", "node_prefix"), f"{message}: use a larger block or at most {room} pods")


def enough_blocks(draft: Draft) -> Iterator[Problem]:
    plan = draft.network
    workers = sum("worker" in host.roles for _, host in draft.hosts)
    blocks = 1 << max(0, plan.node_prefix - plan.pod_cidr.prefixlen)
    if workers > blocks and draft.sound("network", "pod_cidr") and draft.sound("network", "node_prefix"):
        message = f"{plan.pod_cidr} has {blocks} blocks of /{plan.node_prefix} for {workers} workers"
        yield Problem(("network", "pod_cidr"), f"{message}: use a larger network or smaller blocks")


def addresses_placed(draft: Draft) -> Iterator[Problem]:
    """Machines are in the node network, and never in that of pods or Services."""
    for path, address, what in draft.named_addresses():
        for key, network in _networks(draft):
            if key != "node_cidr" and address in network:
                yield Problem(
                    path, f"{address} ({what}) is in network.{key} {network}: machines need addresses outside it"
                )
        special = next((network for network in UNUSABLE if address in network), None)
        if special:
            yield Problem(path, f"{address} ({what}) is in the reserved {special}: other hosts cannot reach it")


def addresses_in_node_network(draft: Draft) -> Iterator[Problem]:
    """With a node network given, a pod route's next hop must be in it."""
    nodes = draft.network.node_cidr
    if not nodes or not draft.sound("network", "node_cidr"):
        return
    for path, address, what in draft.named_addresses():
        if address not in nodes:
            yield Problem(path, f"{address} ({what}) is outside network.node_cidr {nodes}")
        elif nodes.prefixlen < 31 and address in (nodes.network_address, nodes.broadcast_address):
            yield Problem(path, f"{address} ({what}) is the network or the broadcast address: choose one between them")


def shared_addresses_free(draft: Draft) -> Iterator[Problem]:
    """The API's shared address and the lab's gateway belong to no host."""
    taken = {host.address: host.name for _, host in draft.hosts}
    for path, address, what in draft.named_addresses():
        if path[0] != "hosts" and address in taken:
            yield Problem(path, f"{address} is the address of host {taken[address]}: {what} needs its own address")


def node_ports(draft: Draft) -> Iterator[Problem]:
    if not draft.sound("network", "node_ports"):
        return
    low, high = map(int, draft.network.node_ports.split("-"))
    if not 1 <= low <= high <= 65535:
        yield Problem(("network", "node_ports"), f"{low}-{high} is not a port range: write FIRST-LAST, from 1 to 65535")
        return
    api = draft.model.api
    used = {api.port: "api.port", api.server_port or API_SERVER: "kube-apiserver", **OWN_PORTS}
    for port in sorted(port for port in used if low <= port <= high):
        yield Problem(
            ("network", "node_ports"),
            f"{low}-{high} includes {port} ({used[port]}): the usual range is 30000-32767",
        )


def lab_network(draft: Draft) -> Iterator[Problem]:
    if draft.model.lab and not draft.network.node_cidr and draft.sound("network", "node_cidr"):
        yield Problem(("lab",), "needs network.node_cidr, such as 10.240.0.0/24: the machines' network")


def docker_bridge(draft: Draft) -> Iterator[Problem]:
    """A host that also runs Docker has this network on docker0."""
    for key, network in _networks(draft):
        if network.overlaps(DOCKER):
            yield Problem(
                ("network", key),
                f"{network} overlaps {DOCKER}, Docker's default bridge: fine as long as no host runs Docker",
            )


RULES = (
    apart,
    usable,
    service_size,
    node_blocks_fit,
    enough_blocks,
    addresses_placed,
    addresses_in_node_network,
    shared_addresses_free,
    node_ports,
    lab_network,
)
WARNINGS = (docker_bridge,)
