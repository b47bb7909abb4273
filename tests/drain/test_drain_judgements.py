"""What is decided of pods, budgets and the API's answers alone."""

from __future__ import annotations

import json

import pytest

from hardway.drain.budgets import Budget, asked, budget, matches, never
from hardway.drain.choice import Options, chosen
from hardway.drain.eviction import Verdict, judged
from hardway.drain.pods import Pod, pod

WEB = Pod("default", "web-0", "u1", labels={"app": "web", "tier": "front"}, controller=("ReplicaSet", "web-1"))


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchLabels": {"app": "web", "tier": "back"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "other", "operator": "NotIn", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]}, False),
    ],
)
def test_a_selector_selects_as_the_api_says(selector, selected):
    assert matches(selector, WEB.labels) is selected


def of(**numbers) -> Budget:
    return Budget("default", "b", {"matchLabels": {"app": "web"}}, **numbers)


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (of(allowed=0, healthy=2, desired=2, expected=2), "can never allow it"),
        (of(allowed=0, healthy=0, desired=0, expected=0), "can never allow it"),
        (of(allowed=1, healthy=2, desired=1, expected=2), ""),
        (of(allowed=0, healthy=1, desired=1, expected=2), ""),
        (of(allowed=0, healthy=2, desired=2, expected=2, fresh=False), ""),
        (Budget("other", "b", {}, 0, 2, 2, 2), ""),
        (Budget("default", "b", None, 0, 2, 2, 2), ""),
    ],
    ids=[
        "all needed",
        "nothing expected",
        "one to spare",
        "one is not healthy yet",
        "stale",
        "elsewhere",
        "selects none",
    ],
)
def test_a_budget_that_can_never_allow_it_is_told_from_one_that_cannot_now(found, what):
    assert what in never([found], WEB) and bool(what) == bool(never([found], WEB))


@pytest.mark.parametrize("more", [{"phase": "Pending"}, {"phase": "Failed"}, {"ending": "now"}, {"ready": False}])
def test_the_api_asks_no_budget_for_every_pod(more):
    """Of one that is not ready nobody knows whether it will recover."""
    changed = Pod(**{**vars(WEB), **more})
    assert never([of(healthy=2, desired=2, expected=2)], changed) == ""
    assert ("ready" in more) == bool(asked([of()], changed))


def test_a_budget_is_read_from_the_api():
    status = {
        "disruptionsAllowed": 1,
        "currentHealthy": 3,
        "desiredHealthy": 2,
        "expectedPods": 3,
        "observedGeneration": 4,
    }
    found = {"metadata": {"name": "b", "namespace": "n", "generation": 5}, "spec": {"selector": {}}, "status": status}
    assert budget(found) == Budget("n", "b", {}, 1, 3, 2, 3, fresh=False)
    assert budget({"metadata": {"name": "b", "namespace": "n"}, "spec": {}}).selector is None


def answered(status: int, text: str = "", **cause: str) -> tuple[Verdict, str]:
    return judged(status, json.dumps({"message": text, "details": {"causes": [cause] if cause else []}}).encode())


BUDGET = "The disruption budget web needs 2 healthy pods and has 2 currently"
MANY = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


@pytest.mark.parametrize(
    ("answer", "verdict", "why"),
    [
        (answered(201), Verdict.EVICTED, ""),
        (answered(404, "pods web-0 not found"), Verdict.GONE, ""),
        (answered(429, "would violate", reason="DisruptionBudget", message=BUDGET), Verdict.LATER, BUDGET),
        (answered(429, "Too many requests, please try again later."), Verdict.LATER, "Too many requests"),
        (judged(429, b"Too many requests"), Verdict.LATER, "Too many requests"),
        (answered(409, "the UID in the precondition"), Verdict.LATER, "the UID"),
        (answered(500, MANY), Verdict.NEVER, "more than one PodDisruptionBudget"),
        (answered(500, "etcdserver: leader changed"), Verdict.LATER, "leader changed"),
        (judged(503, b""), Verdict.LATER, "the API answered 503"),
        (
            answered(403, "terminated", reason="NamespaceTerminating", message="is being terminated"),
            Verdict.LATER,
            "is being",
        ),
        (answered(403, "admission webhook denied"), Verdict.NEVER, "admission webhook denied"),
        (judged(400, b"[]"), Verdict.NEVER, "the API answered 400"),
    ],
)
def test_an_answer_to_an_eviction(answer, verdict, why):
    assert answer[0] is verdict and why in answer[1] and bool(why) == bool(answer[1])


def test_a_pod_is_read_from_the_api():
    found = {
        "metadata": {
            "name": "db-0",
            "namespace": "n",
            "uid": "u",
            "deletionTimestamp": "2026-11-30T00:00:00Z",
            "deletionGracePeriodSeconds": 5,
            "ownerReferences": [
                {"kind": "Job", "name": "x"},
                {"kind": "StatefulSet", "name": "db", "controller": True},
            ],
        },
        "spec": {
            "terminationGracePeriodSeconds": 30,
            "volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "hostPath": {}}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]},
    }
    read = pod(found)
    assert (read.owner, read.empty_dirs, read.ending, read.grace) == (
        "StatefulSet db",
        ("a",),
        "2026-11-30T00:00:00Z",
        5,
    )
    assert not read.ready and not read.mirror and str(read) == "n/db-0"


def test_a_pod_that_ends_already_needs_no_option():
    ends = Pod("n", "p", "u", empty_dirs=("a",), ending="2026-11-30T00:00:00Z")
    assert chosen([ends], Options()).evict == (ends,)
