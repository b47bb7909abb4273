"""The Nodes of a cluster that lives: each keeps its name and its block of pod addresses as long as it exists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from ..cluster import Host
from ..facts import Facts, etcd_born
from ..living.departed import read
from ..phase import Inputs
from .finding import Finding

Found = Iterator[tuple[str, str, str]]


@dataclass(frozen=True)
class NodeCheck:
    """One question about the Nodes, whichever hosts answer. `look` yields (node, what is wrong, what to do)."""

    name: str
    wanted: str
    look: Callable[[Inputs], Iterable[tuple[str, str, str]]]
    warning: bool = False

    def findings(self, inputs: Inputs, hosts: list[Host]) -> list[Finding]:
        return [Finding(self.name, node, what, remedy, self.warning) for node, what, remedy in self.look(inputs)]


def renamed(inputs: Inputs) -> Found:
    """A kubelet keeps its first certificate, and the old Node would stay beside the new one."""
    there = {node.worker: node.name for node in inputs.departed if node.worker}
    for worker in inputs.cluster.workers:
        own = inputs.facts.get(worker.name, Facts()).node
        if own not in ("", worker.name):
            what = f"this machine is the node {own} of the cluster, and a node cannot be renamed"
            yield worker.name, what, _under_its_name(worker, own)
        elif not own and (node := there.get(worker.name)):
            what = f"its address {worker.address} is that of the node {node}, which is not in the inventory"
            yield worker.name, what, _under_its_name(worker, node)


def _under_its_name(worker: Host, node: str) -> str:
    keep = f"name it {node} in the inventory, and: hostnamectl set-hostname {node}"
    reset = f"hardway reset INV --limit {worker.name}"
    remove = f"hardway node drain INV {node}; {reset}; hardway node remove INV {node} --gone"
    return f"{keep}; or remove the node, then run this command again: {remove}"


def moved(inputs: Inputs) -> Found:
    """Pods that run keep their addresses, and the bridge its own: another block would reach none of them."""
    for worker in inputs.cluster.workers:
        block, where = _block(inputs, worker)
        if block and block != worker.pod_cidr:
            what = f"its pods have addresses of {block} ({where}), but the inventory gives it {worker.pod_cidr}"
            keep = f"write `pod_cidr: {block}` for {worker.name} in the inventory"
            move = f"hardway node remove INV {worker.name}; then hardway node add INV {worker.name}"
            yield worker.name, what, f"{keep}; or have it leave and join again: {move}"


def _block(inputs: Inputs, worker: Host) -> tuple[IPv4Network | None, str]:
    """The block that a worker has, and who says so; the Node first, since it says it for good.

    What the others route to it counts only where neither it nor its Node can tell.
    """
    facts, nodes = inputs.facts.get(worker.name, Facts(known=False)), inputs.lives.nodes
    node = (nodes or {}).get(worker.name)
    told = [(node.block if node else "", "says its Node"), (facts.pod_block, "says the host")]
    if not facts.known and (node or nodes is None):
        told += [(block, "as other hosts route them") for block in _routed(inputs, worker)]
    found = ((block, where) for text, where in told if (block := read(IPv4Network, text)))
    return next(found, (None, ""))


def _routed(inputs: Inputs, worker: Host) -> list[str]:
    """Blocks that lead to the worker, its own by the inventory first: another may be left from a former one."""
    hop, own = str(worker.address), str(worker.pod_cidr)
    found = {block for facts in inputs.facts.values() for block, via in facts.routes.items() if via == hop}
    return sorted(found, key=lambda block: (block != own, block))


def taken(inputs: Inputs) -> Found:
    """The pods of a Node that left the inventory still have their addresses."""
    nodes = [node for node in inputs.departed if node.blocks]
    for worker in inputs.cluster.workers if nodes else ():
        for node in nodes:
            if node.worker != worker.name and any(_overlaps(worker, block) for block in node.blocks):
                what = f"{worker.pod_cidr} is still the block of {node.name}, a node that is not in the inventory"
                yield worker.name, what, f"set another pod_cidr for {worker.name}, or remove the node: {node.removal}"


def perhaps_taken(inputs: Inputs) -> Found:
    """A new worker's block that leads elsewhere, while nobody can say whether the Node there still exists."""
    if inputs.lives.nodes is not None or not etcd_born(inputs.facts):
        return
    routes = {route for facts in inputs.facts.values() for route in facts.routes.items()}
    for worker in inputs.cluster.workers:
        facts = inputs.facts.get(worker.name, Facts(known=False))
        others = sorted({hop for block, hop in routes if block == str(worker.pod_cidr)} - {str(worker.address)})
        if facts.known and not facts.pod_block and others:
            what = f"{worker.pod_cidr} is the block of {', '.join(others)}, and no API server says whether it is free"
            yield worker.name, what, f"repair the control plane first: hardway bootstrap INV --exclude {worker.name}"


def _overlaps(worker: Host, block: IPv4Network) -> bool:
    return worker.pod_cidr is not None and worker.pod_cidr.overlaps(block)


def left(inputs: Inputs) -> Found:
    for node in inputs.departed:
        now = inputs.facts.get(node.worker, Facts(known=False)).node
        if not node.worker or now == node.worker:  # else the machine is told of as one that was renamed
            what = f"is a node of the cluster at {node.address}, but not in the inventory; its routes stay"
            yield node.name, what, f"put it back into the inventory, or remove it: {node.removal}"


CHECKS = (
    NodeCheck("Renamed", "No worker has another name than its Node.", renamed),
    NodeCheck("PodBlock", "Every worker keeps the pod CIDR that its Node has.", moved),
    NodeCheck("BlockTaken", "No worker is given a pod CIDR that another Node has.", taken),
    NodeCheck(
        "BlockTaken", "No worker is given a pod CIDR that a worker which does not answer may have.", perhaps_taken
    ),
    NodeCheck("Departed", "The inventory names every Node.", left, warning=True),
)
