"""Pod blocks: each worker has one of its own, and keeps it whatever happens to the other workers."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from hardway.cluster import Role
from hardway.inventory.draft import Draft, Placed
from hardway.inventory.problem import Problem


def _readable(draft: Draft) -> list[Placed]:
    """Workers whose block can be known."""
    if not (draft.sound("network", "pod_cidr") and draft.sound("network", "node_prefix")):
        return []
    return [(n, host) for n, host in draft.with_role(Role.WORKER) if draft.sound("hosts", n, "pod_cidr")]


def only_on_workers(draft: Draft) -> Iterator[Problem]:
    for n, host in draft.hosts:
        if host.pod_cidr and Role.WORKER.value not in host.roles:
            yield Problem(
                ("hosts", n, "pod_cidr"), f"{host.name} runs no pods: only a host with the role worker has a pod_cidr"
            )


def given_blocks(draft: Draft) -> Iterator[Problem]:
    """A block that is written down is a part of the cluster's pod network, of the common size."""
    plan = draft.network
    for n, host in _readable(draft):
        block, path = host.pod_cidr, ("hosts", n, "pod_cidr")
        if block and not block.subnet_of(plan.pod_cidr):
            yield Problem(
                path,
                f"{block} is outside network.pod_cidr {plan.pod_cidr}: choose a /{plan.node_prefix} block in it",
            )
        elif block and block.prefixlen != plan.node_prefix:
            yield Problem(path, f"{block} must be a /{plan.node_prefix}, the size of all blocks (network.node_prefix)")


def derived_blocks(draft: Draft) -> Iterator[Problem]:
    plan, free = draft.network, _free_blocks(draft)
    for n, host in _readable(draft):
        if plan.node_prefix >= plan.pod_cidr.prefixlen and draft.pod_block(host) is None:
            blocks = 1 << (plan.node_prefix - plan.pod_cidr.prefixlen)
            why = f"no block can be derived: {_source(host.name)} is beyond the {blocks} blocks of {plan.pod_cidr}"
            yield Problem(("hosts", n, "pod_cidr"), f"{why}; set a pod_cidr{next(free, '')}")


def blocks_apart(draft: Draft) -> Iterator[Problem]:
    """Two workers must not hand out the same pod addresses; blocks of another size than the common one are refused
    already."""
    seen: dict[IPv4Network, Placed] = {}
    free = _free_blocks(draft)
    for n, host in _readable(draft):
        block = draft.pod_block(host)
        if block in seen:
            at, other = seen[block]
            how = "" if host.pod_cidr else f", derived from {_source(host.name)},"
            message = (
                f"{block}{how} is also the block of {other.name} (hosts[{at}]): set a pod_cidr for"
                f" {host.name}{next(free, '')}"
            )
            yield Problem(("hosts", n, "pod_cidr"), message)
        elif block:
            seen[block] = (n, host)


def _source(name: str) -> str:
    """What a block is derived from, as `pod_block_index` does it."""
    return f"the number at the end of {name}" if name[-1].isdecimal() else "the last byte of its address"


def _free_blocks(draft: Draft) -> Iterator[str]:
    """Blocks that nobody has, each as a piece of advice; there may be none."""
    plan = draft.network
    taken = {draft.pod_block(host) for _, host in draft.with_role(Role.WORKER)}
    blocks = 1 << (plan.node_prefix - plan.pod_cidr.prefixlen) if plan.node_prefix >= plan.pod_cidr.prefixlen else 0
    for index in range(blocks):
        block = plan.pod_block(index)
        if block not in taken:
            yield f" (free: {block})"


RULES = (only_on_workers, given_blocks, derived_blocks, blocks_apart)
