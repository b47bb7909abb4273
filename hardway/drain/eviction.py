"""One eviction (policy/v1), and what the API's answer to it means."""

from __future__ import annotations

import enum
import json
from typing import Any

from ..foreign.understanding import OTHERWISE, beginning, mapping, mappings, text, without_nulls
from ..targets.kube import KubeApi
from .pods import Pod

MANY_BUDGETS = "more than one PodDisruptionBudget"
TERMINATING = "NamespaceTerminating"


class Verdict(enum.Enum):
    """What to do after the answer: wait until the pod is gone, ask again later, or give up."""

    EVICTED = "evicted"
    GONE = "gone"
    LATER = "later"
    NEVER = "never"


def evict(api: KubeApi, pod: Pod, grace: int | None = None) -> tuple[Verdict, str]:
    """Ask for the eviction of this very pod, not of one that has taken its name: the verdict, and the API's reason.

    OSError kinds when the API gives no answer.
    """
    options: dict[str, Any] = {"preconditions": {"uid": pod.uid}}
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"namespace": pod.namespace, "name": pod.name},
        "deleteOptions": options,
    }
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/eviction"
    return judged(*api.request("POST", path, json.dumps(body).encode()))


def judged(status: int, answer: bytes) -> tuple[Verdict, str]:
    """The verdict on an answer (registry/core/pod/storage/eviction.go): 429 while the budget has nothing to give, 500
    for ever when two budgets select the pod."""
    why, causes = _said(answer)
    if status < 300:
        return Verdict.EVICTED, ""
    if status == 404:
        return Verdict.GONE, ""
    if MANY_BUDGETS in why:
        return Verdict.NEVER, why
    # 409: another pod has the name by now, which the next list of pods shows. A namespace that is being deleted ends
    # its pods itself.
    if status in (409, 429) or status >= 500 or TERMINATING in causes:
        return Verdict.LATER, why or f"the API answered {status}"
    return Verdict.NEVER, why or f"the API answered {status}"


def _said(answer: bytes) -> tuple[str, list[str]]:
    """The API's sentence, its causes' before its own, and the names of the causes."""
    try:
        said = without_nulls(json.loads(answer))
    except OTHERWISE:
        return beginning(answer), []
    try:
        status = mapping(said)
        causes = mappings(mapping(status.get("details")).get("causes"))
        told = "; ".join(text(cause["message"]) for cause in causes if cause.get("message"))
        return told or text(status.get("message", "")), [text(cause.get("reason", "")) for cause in causes]
    except OTHERWISE:
        return "", []
