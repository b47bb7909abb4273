"""Labels, taints and reservations: only workers are Nodes, and what the kubelet or the node controller owns is left to
them."""

from __future__ import annotations

from collections.abc import Iterator

from hardway.cluster import Role
from hardway.foreign.quantity import MEBIBYTE, amount
from hardway.inventory.draft import Draft
from hardway.inventory.problem import Path, Problem, dotted

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
        for key, said in (("labels", host.labels), ("taints", host.taints), ("reserved", host.reserved.by_resource())):
            if said and Role.WORKER.value not in host.roles:
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


def amounts_as_meant(draft: Draft) -> Iterator[Problem]:
    """512m of memory is half a byte, and 512 are bytes: nobody means that."""
    for path, said in _reservations(draft):
        for resource in ("memory", "ephemeral-storage"):
            if 0 < amount(said.get(resource, 0)) < MEBIBYTE:
                yield Problem((*path, resource), f"{said[resource]} is less than 1Mi: add a unit such as Mi or Gi")


def reserved_once(draft: Draft) -> Iterator[Problem]:
    """The kubelet would take the flag's value, and say nothing."""
    flags = [
        (section, "kubelet", "system-reserved")
        for section in ("extra_args", "override_args")
        if "system-reserved" in getattr(draft.model, section).by_component().get("kubelet", {})
    ]
    places = [dotted(path) for path, said in _reservations(draft) if said]
    for path in flags if places else []:
        yield Problem(path, f"overrides {places[0]}: keep one of the two")


def _reservations(draft: Draft) -> list[tuple[Path, dict[str, str]]]:
    hosts = [(("hosts", n, "reserved"), host.reserved.by_resource()) for n, host in draft.hosts]
    return [(("kubelet", "reserved"), draft.model.kubelet.reserved.by_resource()), *hosts]


def _prefix_length(path: tuple, key: str) -> Iterator[Problem]:
    if len(key.rpartition("/")[0]) > 253:
        yield Problem(path, "the prefix before / is longer than 253 characters, the limit")


RULES = (only_on_workers, labels_free_to_set, taints_free_to_set, amounts_as_meant, reserved_once)
