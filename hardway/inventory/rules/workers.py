"""Pod blocks: each worker has one of its own, and keeps it whatever happens to the other workers."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from hardway.cluster import Role
from hardway.inventory.draft import Draft, Placed
from hardway.inventory.problem import Path, Problem


def _readable(draft: Draft) -> list[Placed]:
    """Workers whose block can be known."""
    if not (draft.sound("network", "pod_cidr") and draft.sound("network", "node_prefix")):
        return []
    return [(n, host) for n, host in draft.with_role(Role.WORKER) if draft.sound("hosts", n, "pod_cidr")]


def only_on_workers(draft: Draft) -> Iterator[Problem]:
    for n, host in draft.hosts:
        if host.pod_cidr and Role.WORKER.value not in host.roles:
            yield Problem(("hosts", n, "pod_cidr"), f"{host.name} runs no pods: only a host with the role worker has a pod_cidr")


def given_blocks(draft: Draft) -> Iterator[Problem]:
    """A block that is written down is a part of the cluster's pod network, of the common size."""
    plan = draft.network
    for n, host in _readable(draft):
        block, path = host.pod_cidr, ("hosts", n, "pod_cidr")
        if block and not block.subnet_of(plan.pod_cidr):
            yield Problem(path, f"{block} is outside network.pod_cidr {plan.pod_cidr}: take a /{plan.node_prefix} block inside of it")
        elif block and block.prefixlen != plan.node_prefix:
            yield Problem(path, f"{block} is not of the common size: allowed is a /{plan.node_prefix} (network.node_prefix)")


def derived_blocks(draft: Draft) -> Iterator[Problem]:
    plan = draft.network
    for n, host in _readable(draft):
        if plan.node_prefix >= plan.pod_cidr.prefixlen and draft.pod_block(host) is None:
            blocks = 1 << (plan.node_prefix - plan.pod_cidr.prefixlen)
            why = f"no block can be derived: {_source(host.name)} is beyond the {blocks} blocks of {plan.pod_cidr}"
            yield Problem(("hosts", n, "pod_cidr"), f"{why}; write a pod_cidr{_free(draft)}")


def blocks_apart(draft: Draft) -> Iterator[Problem]:
    """Two workers must not hand out the same pod addresses."""
    seen: list[tuple[Path, str, IPv4Network]] = []
    for n, host in _readable(draft):
        block = draft.pod_block(host)
        for (_, at, *_), name, other in seen:
            if block and block.overlaps(other):
                how = "" if host.pod_cidr else f", derived from {_source(host.name)},"
                message = f"{block}{how} overlaps that of {name} (hosts[{at}]): write a pod_cidr for {host.name}{_free(draft)}"
                yield Problem(("hosts", n, "pod_cidr"), message)
                break
        if block:
            seen.append((("hosts", n), host.name, block))


def _source(name: str) -> str:
    """What a block is derived from, as `pod_block_index` does it."""
    return f"the number at the end of {name}" if name[-1].isdigit() else "the last byte of its address"


def _free(draft: Draft) -> str:
    """A block nobody has, as advice."""
    plan = draft.network
    taken = [block for _, host in draft.with_role(Role.WORKER) if (block := draft.pod_block(host))]
    for index in range(len(taken) + 1):
        try:
            block = plan.pod_block(index)
        except (IndexError, ValueError):
            return ""
        if not any(block.overlaps(other) for other in taken):
            return f" (free: {block})"
    return ""


RULES = (only_on_workers, given_blocks, derived_blocks, blocks_apart)
