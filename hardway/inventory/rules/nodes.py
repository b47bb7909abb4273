"""Labels and taints: only workers are Nodes, and what the kubelet or the node controller owns is left to them."""

from __future__ import annotations

from collections.abc import Iterator

from hardway.cluster import Role
from hardway.inventory.draft import Draft
from hardway.inventory.problem import Problem

KUBELET_OWNS = {f"{prefix}kubernetes.io/{name}" for prefix in ("", "beta.") for name in ("arch", "os")} | {
    "kubernetes.io/hostname"
}
CONDITIONS = (
    "not-ready",
    "unreachable",
    "memory-pressure",
    "disk-pressure",
    "pid-pressure",
    "network-unavailable",
    "unschedulable",
)
CONTROLLER_OWNS = {f"node.kubernetes.io/{condition}" for condition in CONDITIONS}


def only_on_workers(draft: Draft) -> Iterator[Problem]:
    for n, host in draft.hosts:
        for key in ("labels", "taints"):
            if getattr(host, key) and Role.WORKER.value not in host.roles:
                yield Problem(
                    ("hosts", n, key), f"{host.name} is not a Node: only a host with the role worker has {key}"
                )


def labels_free_to_set(draft: Draft) -> Iterator[Problem]:
    for n, host in draft.hosts:
        for key in sorted(KUBELET_OWNS & set(host.labels)):
            yield Problem(("hosts", n, "labels", key), "is set by the kubelet, which would change it back: remove it")
        for key in host.labels:
            yield from _prefix_length(("hosts", n, "labels", key), key)


def taints_free_to_set(draft: Draft) -> Iterator[Problem]:
    for n, host in draft.hosts:
        seen: set[tuple[str, str]] = set()
        for i, taint in enumerate(host.taints):
            path = ("hosts", n, "taints", i)
            left, _, effect = taint.rpartition(":")
            key = left.partition("=")[0]
            if key in CONTROLLER_OWNS:
                yield Problem(
                    path, f"{key} is set and removed by the node controller: remove it, or `kubectl cordon` the node"
                )
            if (key, effect) in seen:
                yield Problem(
                    path, f"{key} with the effect {effect} is already listed: a key may have each effect once"
                )
            seen.add((key, effect))
            yield from _prefix_length(path, key)


def _prefix_length(path: tuple, key: str) -> Iterator[Problem]:
    if len(key.rpartition("/")[0]) > 253:
        yield Problem(path, "the prefix before / is longer than 253 characters, the limit")


RULES = (only_on_workers, labels_free_to_set, taints_free_to_set)
