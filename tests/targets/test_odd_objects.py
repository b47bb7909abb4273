"""The same of what a drain, a removal, an upgrade and a restore of etcd ask for."""

from __future__ import annotations

import contextlib
import http.client
import json
from types import SimpleNamespace

import pytest
from fakes.oddities import as_bytes
from hypothesis import given
from hypothesis import strategies as st
from targets.test_odd_answers import HOST, NODE, SEEK, STATUS, Answering, Api

from hardway.commands.node import objects
from hardway.commands.upgrade.apis import RELEASE, _objects, callers
from hardway.drain.budgets import budgets, never
from hardway.drain.cordon import cordon, uncordon
from hardway.drain.eviction import judged
from hardway.drain.pods import pod, pods_on
from hardway.errors import HardwayError, NotReadyError
from hardway.etcd import sidecar
from hardway.foreign.understanding import NotUnderstood
from hardway.living import restoration
from hardway.resources import Defragmented, File
from hardway.resources.base import Situation
from hardway.resources.kubernetes import node_patch
from hardway.run.comparing import compare
from hardway.targets.etcd_data import _received
from hardway.vocabulary import Blob

POD = {
    "metadata": {
        "name": "web-0",
        "namespace": "shop",
        "uid": "7",
        "labels": {"app": "web"},
        "deletionTimestamp": "2026-01-31T12:00:00Z",
        "deletionGracePeriodSeconds": 30,
        "ownerReferences": [{"kind": "DaemonSet", "name": "web", "controller": True}],
    },
    "spec": {"volumes": [{"name": "x", "emptyDir": {}}], "terminationGracePeriodSeconds": 30},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}
BUDGET = {
    "metadata": {"name": "web", "namespace": "shop", "generation": 2},
    "spec": {
        "selector": {
            "matchLabels": {"app": "web"},
            "matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}],
        }
    },
    "status": {"disruptionsAllowed": 0, "desiredHealthy": 2, "expectedPods": 2, "observedGeneration": 2},
}
REQUEST = {"metadata": {"name": "csr-1", "uid": "9"}, "spec": {"username": "system:node:worker-0"}}
KINDS = {"resources": [{"name": "flowschemas", "verbs": ["list"]}, {"name": "flowschemas/status", "verbs": ["get"]}]}
LINE = {
    "objectRef": {"apiGroup": "a", "apiVersion": "v1", "resource": "x"},
    "annotations": {RELEASE: "1.40"},
    "user": {"username": "u"},
    "userAgent": "y z",
}


def of_budget(api: Api) -> None:
    found = budgets(api)
    assert isinstance(never(found, pod(POD)), str) and all(one.numbers for one in found)


@SEEK
@given(st.data())
@pytest.mark.parametrize(
    ("question", "right"),
    [
        (lambda api: [str(one.owner) for one in pods_on(api, "worker-0")], {"items": [POD]}),
        (of_budget, {"items": [BUDGET]}),
        (lambda api: str(cordon(api, "worker-0", "upgrade")), NODE),
        (lambda api: uncordon(api, "worker-0", "upgrade"), NODE),
        (lambda api: objects.kept(api, "worker-0"), {**REQUEST, "items": [REQUEST]}),
        (lambda api: (objects.ready(api, "worker-0"), objects.out_of_service(api, "worker-0")), NODE),
        (lambda api: objects.give_up(api, "worker-0"), NODE),
        (lambda api: node_patch(api.get("/") or {}, {"labels": {}, "taints": []}), NODE),
    ],
    ids=["pods", "budgets", "cordon", "uncordon", "objects", "ready", "give up", "marks"],
)
def test_what_a_drain_and_a_removal_ask(question, right, data: st.DataObject):
    question(Api(json.dumps(right).encode()))
    try:
        question(Api(data.draw(as_bytes(right))))
    except NotUnderstood as error:
        assert error.host == "kubernetes" or error.message.startswith("the API server gave an answer")


@SEEK
@given(as_bytes({"message": "x", "details": {"causes": [{"reason": "DisruptionBudget", "message": "y"}]}}))
def test_an_answer_to_an_eviction_is_a_verdict(body: bytes):
    assert all(isinstance(judged(status, body)[1], str) for status in (201, 404, 429, 500, 403))


@SEEK
@given(as_bytes(LINE))
def test_a_line_of_the_audit_log_names_a_caller_or_none(line: bytes):
    assert len(callers(json.dumps(LINE))) == 1
    assert all(str(one) for one in callers(line.decode("utf-8", "replace")))


@SEEK
@given(as_bytes(KINDS))
def test_kinds_that_are_stored(body: bytes):
    found = SimpleNamespace(session=SimpleNamespace(live=SimpleNamespace(kube=lambda: Api(body))))
    try:
        assert all(count for _, count in _objects(found, "a/v1"))  # type: ignore[arg-type]
    except NotUnderstood as error:
        assert error.message.startswith("the API server gave an answer")


def test_what_a_deletion_is_answered_with_is_no_object():
    Api(b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","details":{"name":"x"}}').delete("/x")


@pytest.mark.parametrize("path", ["/api/v1/namespaces/shop/secrets/key", "/api/v1/secrets"])
def test_of_a_secret_that_is_not_understood_nothing_is_shown(path: str):
    with pytest.raises(NotUnderstood) as caught:
        Api(b'{"metadata": [], "data": {"key": "c2VjcmV0"}}').get(path)
    assert "c2VjcmV0" not in "".join(caught.value.lines())
    with pytest.raises(HardwayError) as told:
        Answering(b'{"kvs": [{"key": "eA==", "value": 7, "x": "c2VjcmV0"}]}').get("/registry/secrets/shop/key")
    assert "c2VjcmV0" not in "".join(told.value.lines())


@SEEK
@given(as_bytes({"result": {"blob": "eA=="}}))
def test_a_snapshot_on_its_way(line: bytes):
    lines = iter([line, b""])
    try:
        _received(HOST, SimpleNamespace(status=200, read1=lambda size: next(lines)), lambda piece: None)  # type: ignore[arg-type]
    except (NotUnderstood, ValueError, http.client.HTTPException):  # of the last two it is said that it broke off
        return


@SEEK
@given(st.text() | st.sampled_from(["a b ²", f"a b {'9' * 5000}", "20260131T120000Z 1f 1000000000"]))
def test_the_note_of_a_restore(note: str):
    assert restoration.parse(note) is None or note.split()


WORDS = "cluster taken member sha256 etcd storage kubernetes cluster_id uid ca tokens hardway".split()
NUMBERS = {"revision": 7, "size": 9, "schema": sidecar.SCHEMA}
SIDECAR = {**dict.fromkeys(WORDS, "x"), **NUMBERS, "keys": ["k"], "members": ["m"], "kind": sidecar.KIND}


@SEEK
@given(as_bytes(SIDECAR))
def test_what_stands_beside_a_snapshot(content: bytes):
    assert sidecar.parse(json.dumps(SIDECAR).encode())
    about = sidecar.parse(content)
    assert about is None or about.size / 1e6 >= 0 and all(one.strip() is not None for one in (*about.keys, about.taken))


@SEEK
@given(as_bytes(STATUS))
def test_a_member_to_be_defragmented(said: bytes):
    wanted = Defragmented("controller-0", "now")
    answers = dict(zip(wanted.probes(), (said.decode("utf-8", "replace"), ""), strict=True))
    with contextlib.suppress(NotReadyError):
        wanted.compare(Situation(answers, frozenset()))


def test_a_host_whose_answer_cannot_be_compared_is_named():
    file = File("/etc/x", Blob(data=b"x"))
    with pytest.raises(NotUnderstood) as caught:
        compare([file], dict.fromkeys(file.probes(), ""), host="controller-0")
    assert caught.value.host == "controller-0" and "the question about file /etc/x" in caught.value.message
