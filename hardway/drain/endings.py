"""How a drain ends that did not empty its node: each pod by name, with its owner, its budget and the way on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import DrainRefused, DrainStopped
from ..progress.closing import plural
from .budgets import Budget, asked
from .pods import Pod


@dataclass(frozen=True)
class Left:
    """The `pods` that are left on a `node`, all budgets, and by uid what the API said last of an eviction; `silent` is
    why none of that is known."""

    pods: tuple[Pod, ...] = ()
    budgets: tuple[Budget, ...] = ()
    said: Mapping[str, str] = field(default_factory=dict)
    node: Mapping[str, Any] = field(default_factory=dict)
    silent: str = ""


def refusal(
    node: str, again: str, refused: Sequence[tuple[Pod, str, str]], never: Sequence[tuple[Pod, str]]
) -> DrainRefused:
    """`refused` are (pod, what would be lost, the option that allows it), `never` (pod, why it is never evicted)."""
    options = dict.fromkeys(option for _, _, option in refused)
    spaces = dict.fromkeys(pod.namespace for pod, _ in never)
    ways = [f"if that may be lost: {again} {' '.join(options)}"] if options else []
    ways += [f"add replicas or change the budget: kubectl -n {space} get pdb" for space in spaces]
    kinds = [plural(len(refused), "pod") + " would be lost"] if refused else []
    kinds += [plural(len(never), "pod") + " can never be evicted"] if never else []
    lines = [f"{pod} ({pod.owner}): {lost} ({option} allows it)" for pod, lost, option in refused]
    return DrainRefused(
        f"{node} is not drained: {', '.join(kinds)}",
        host=node,
        evidence="\n".join([*lines, *(f"{pod} ({pod.owner}): {why}" for pod, why in never)]),
        hint="; ".join(ways),
    )


def stopped(node: str, again: str, left: Left, waited: float) -> DrainStopped:
    """At the deadline, or when the API has said that it will never evict one of them."""
    dead = bool(left.node) and not _ready(left.node)
    lines = [f"{pod} ({pod.owner}): {_why(pod, left)}" for pod in left.pods]
    lines += [f"the API gives no answer: {left.silent}"] if left.silent else []
    lines += [f"the kubelet of {node} does not report, so its pods cannot end"] if dead else []
    return DrainStopped(
        f"{node} is not drained: {plural(len(left.pods), 'pod')} left" if left.pods else f"{node} is not drained",
        host=node,
        waited_for=f"the pods on {node} to be evicted and to end",
        waited_seconds=waited,
        evidence="\n".join(lines),
        hint="; ".join(_onward(node, again, left, dead)),
    )


def _why(pod: Pod, left: Left) -> str:
    if pod.ending:
        return f"it has been ending since {pod.ending}, with {pod.grace} s to do so"
    why = left.said.get(pod.uid, "its eviction got no answer")
    mine = "; ".join(f"budget {one}: {one.numbers}" for one in asked(left.budgets, pod))
    return f"{why} ({mine})" if mine else why


def _onward(node: str, again: str, left: Left, dead: bool) -> list[str]:
    spaces = dict.fromkeys(pod.namespace for pod in left.pods)
    gone = [f"if the machine is gone for good: hardway node remove INV {node} --gone"] if dead else []
    look = [f"kubectl -n {space} get pdb,pods -o wide" for space in spaces]
    look += [] if look or gone else ["hardway doctor INV   shows why the API does not answer"]
    return [*look, *gone, f"{again}   continues", f"hardway node uncordon INV {node}   gives it up"]


def _ready(node: Mapping[str, Any]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
