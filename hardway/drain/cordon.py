"""Keeping new pods off a node, and knowing afterwards whose doing that was.

A node that a person has cordoned stays so: what we cordon carries a mark, and only that is undone by a run that has
done its work. The mark names the command, so that one which was interrupted can be told of.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConflictError, RemoteCommandError
from ..targets.kube import KubeApi

MARK = "hardway.io/cordoned"
PATCH = "application/merge-patch+json"
CONFLICTS = 5  # a kubelet writes to its Node all the time


@dataclass(frozen=True)
class Cordon:
    """Whose a cordon is: the `command` of hardway, such as "node drain", and when that began; no command for a
    person's."""

    command: str = ""
    since: str = ""

    def __str__(self) -> str:
        return f"cordoned by `hardway {self.command}` since {self.since}" if self.command else "cordoned"


def cordon_of(node: Mapping[str, Any]) -> Cordon | None:
    """Of a Node object; None where pods may come. A mark without a cordon is left from one that a person undid."""
    if not (node.get("spec") or {}).get("unschedulable"):
        return None
    since, _, command = (node["metadata"].get("annotations") or {}).get(MARK, "").partition(" ")
    return Cordon(command, since)


def cordon(api: KubeApi, name: str, command: str, take_over: bool = False) -> Cordon:
    """Keep new pods off a node for a command; the cordon that is there then, which may be a person's or another
    command's. The latter becomes this command's with `take_over`. RemoteCommandError without the node."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def wanted(node: Mapping[str, Any]) -> dict[str, Any] | None:
        there = cordon_of(node)
        if there and not (take_over and there.command not in ("", command)):
            return None
        since = there.since if there else now
        return {"spec": {"unschedulable": True}, "metadata": {"annotations": {MARK: f"{since} {command}"}}}

    return cordon_of(_patched(api, name, wanted)) or Cordon()


def uncordon(api: KubeApi, name: str, of: str = "") -> Cordon | None:
    """Let pods come again; the cordon that was there, None where there was none. With `of` that of another command, or
    of a person, stays."""
    before: list[Cordon | None] = []

    def wanted(node: Mapping[str, Any]) -> dict[str, Any] | None:
        there = cordon_of(node)
        before[:] = [there]
        marked = MARK in (node["metadata"].get("annotations") or {})
        if (of and there and there.command != of) or not (there or marked):
            return None
        return {"spec": {"unschedulable": None}, "metadata": {"annotations": {MARK: None}}}

    _patched(api, name, wanted)
    return before[0]


def _patched(
    api: KubeApi, name: str, wanted: Callable[[Mapping[str, Any]], dict[str, Any] | None]
) -> Mapping[str, Any]:
    """The Node as it is after the patch that is wanted of it; read again when somebody else has written meanwhile."""
    path = f"/api/v1/nodes/{name}"
    for left in reversed(range(CONFLICTS)):
        node = api.get(path)
        if node is None:
            raise RemoteCommandError(f"there is no node {name}", host=name, hint="hardway node list INV")
        patch = wanted(node)
        if patch is None:
            return node
        patch["metadata"]["resourceVersion"] = node["metadata"].get("resourceVersion")
        try:
            return api.send("PATCH", path, patch, PATCH)
        except ConflictError:
            if not left:
                raise
    raise AssertionError("every round returns or raises")
