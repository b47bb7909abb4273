"""PodDisruptionBudgets: which pods they are about, and which of them can never allow an eviction. Pure, but for the
question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..foreign.objects import words
from ..foreign.understanding import mapping, mappings, text, texts, understood
from ..targets.kube import KubeApi
from .pods import Pod

BUDGETS = "/apis/policy/v1/poddisruptionbudgets"


@dataclass(frozen=True)
class Budget:
    """`allowed` evictions just now; `healthy` pods of `expected`, of which `desired` must be healthy. `selector` is the
    API's, None for one that selects nothing. `fresh` is whether these numbers are about its present specification."""

    namespace: str
    name: str
    selector: Mapping[str, Any] | None
    allowed: int = 0
    healthy: int = 0
    desired: int = 0
    expected: int = 0
    fresh: bool = True

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def selects(self, pod: Pod) -> bool:
        return self.selector is not None and pod.namespace == self.namespace and matches(self.selector, pod.labels)

    @property
    def numbers(self) -> str:
        return f"{self.healthy} of {self.expected} pods are healthy and it needs {self.desired}"


def budget(found: Mapping[str, Any]) -> Budget:
    """A PodDisruptionBudget object of the API in our own terms."""
    about, status = found["metadata"], found.get("status") or {}
    number = lambda count: status.get(count) or 0  # noqa: E731
    return Budget(
        about.get("namespace", ""),
        about["name"],
        _selector((found.get("spec") or {}).get("selector")),
        allowed=number("disruptionsAllowed"),
        healthy=number("currentHealthy"),
        desired=number("desiredHealthy"),
        expected=number("expectedPods"),
        fresh=status.get("observedGeneration", 0) >= about.get("generation", 0),
    )


def budgets(api: KubeApi) -> tuple[Budget, ...]:
    """All of the cluster."""
    said = api.get(BUDGETS) or {}
    with understood("the API server", said):
        return tuple(map(budget, said.get("items") or ()))


def _selector(found: object) -> Mapping[str, Any] | None:
    """As the API gives it, or None for none; ValueError and KeyError for what is no selector."""
    rules = mappings(mapping(found).get("matchExpressions"))
    words(mapping(found).get("matchLabels"))
    for rule in rules:
        text(rule["key"]), text(rule["operator"]), texts(rule.get("values"))
    return mapping(found) if found is not None else None


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector of the API selects these labels; an empty one selects all."""
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(rule, labels) for rule in selector.get("matchExpressions") or ()
    )


def _holds(rule: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = rule["key"], rule.get("values") or ()
    match rule["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
    return key not in labels  # DoesNotExist


def asked(found: Sequence[Budget], pod: Pod) -> tuple[Budget, ...]:
    """The budgets that the API asks before it evicts a pod: none for one that does not run, or ends already."""
    if pod.finished or pod.ending or pod.phase == "Pending":
        return ()
    return tuple(one for one in found if one.selects(pod))


def never(found: Sequence[Budget], pod: Pod) -> str:
    """Why the API will never evict a pod as things are, or nothing.

    A pod that is not ready may recover, or may go for that; and a stale status says nothing.
    """
    mine = asked(found, pod)
    if len(mine) > 1:
        return f"the budgets {', '.join(map(str, mine))} both select it, and the API then never evicts it"
    for one in mine:
        if one.fresh and pod.ready and one.allowed == 0 and one.desired >= one.expected:
            return f"the budget {one} can never allow it: {one.numbers}"
    return ""
