"""The same of what rotations of CAs and of keys, and a restore of a whole cluster, ask for."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.oddities import as_bytes
from hypothesis import given
from hypothesis import strategies as st
from targets.test_odd_answers import HOST, SEEK, Api

from hardway.archive.contents import KIND, SCHEMA, _manifest
from hardway.commands.certs.rotation import token_keys, workloads
from hardway.commands.certs.rotation.waiting import seconds
from hardway.errors import BackupError
from hardway.foreign.understanding import NotUnderstood
from hardway.living.extensions import listed
from hardway.targets.secrets.rewriting import _reason
from hardway.targets.secrets.stored import _asked, collected
from hardway.vocabulary import Probe

TIME = "2026-01-31T12:00:00Z"
PEM = "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----"
MAP = {
    "metadata": {"name": workloads.ROOT, "namespace": "shop", "managedFields": [{"time": TIME}]},
    "data": {"ca.crt": PEM, "client-ca-file": PEM},
}
POD = {
    "metadata": {
        "name": "web-0",
        "namespace": "shop",
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "controller": True}],
    },
    "spec": {
        "volumes": [
            {
                "name": "token",
                "projected": {
                    "sources": [
                        {"configMap": {"name": workloads.ROOT}},
                        {"serviceAccountToken": {"expirationSeconds": 3607}},
                    ]
                },
            }
        ],
        "template": {"metadata": {"annotations": {workloads.RESTARTED: TIME}}},
    },
    "status": {"startTime": TIME, "containerStatuses": [{"state": {"running": {"startedAt": TIME}}}]},
}
TOKEN = {"metadata": {"name": "t", "namespace": "shop"}, "data": {"token": "eyJraWQiOiAieCJ9LngueA=="}}
MOMENT = datetime.datetime(2026, 2, 1, tzinfo=datetime.UTC)
OWNER = workloads.Owner("shop", "Deployment", "web")


def of_pods(api: Api) -> None:
    for pod in api.get("/")["items"]:  # type: ignore[index]
        assert workloads.mounts(pod) in (True, False) and workloads.older(pod, MOMENT) in (True, False)


@SEEK
@given(st.data())
@pytest.mark.parametrize(
    ("question", "right"),
    [
        (lambda api: workloads.lacking(api, None, None), {"items": [MAP]}),
        (workloads.behind, {"items": [MAP]}),
        (workloads.readers, {"items": [POD]}),
        (lambda api: workloads.restarting(api, OWNER), {**POD, **MAP}),
        (lambda api: listed(api, "ca"), MAP),
        (token_keys.longest, {"items": [POD]}),
        (token_keys.accepted, {"keys": [{"kid": "x"}]}),
        (lambda api: [token_keys._token(one) for one in api.get("/").get("items", ())], {"items": [TOKEN]}),
    ],
    ids=["lacking", "behind", "readers", "restarting", "listed", "longest", "accepted", "tokens"],
)
def test_what_a_rotation_asks(question, right, data: st.DataObject):
    question(Api(json.dumps(right).encode()))
    try:
        question(Api(data.draw(as_bytes(right))))
    except NotUnderstood as error:
        assert error.host == "kubernetes"


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


VALUES = [{"key": _coded("/registry/secrets/a/b"), "value": _coded("k8s:enc:aescbc:v1:key1:sealed")}]
RANGE = {"header": {"revision": "9"}, "kvs": VALUES, "more": False}


class Gateway:
    """etcd's HTTP gateway, which answers this."""

    def __init__(self, body: bytes):
        self.body = body

    def request(self, *_: Any) -> None:
        pass

    def getresponse(self) -> Any:
        return SimpleNamespace(status=200, read=lambda: self.body)


def stored(body: bytes) -> dict[str, int]:
    return collected(lambda question: _asked(Gateway(body), HOST.name, question), "/registry/secrets/").counts  # type: ignore[arg-type]


@SEEK
@given(as_bytes(RANGE))
def test_what_etcd_has_stored(body: bytes):
    assert stored(json.dumps(RANGE).encode()) == {"aescbc:key1": 1}
    with contextlib.suppress(NotUnderstood):
        assert all(count > 0 for count in stored(body).values())


@pytest.mark.parametrize(
    "odd", [{"kvs": {"x": "c2VjcmV0"}}, {"kvs": [{"key": "eA==", "value": ["c2VjcmV0"]}]}, {"kvs": ["c2VjcmV0"]}]
)
def test_of_what_etcd_has_stored_nothing_is_shown(odd: dict):
    with pytest.raises(NotUnderstood) as caught:
        stored(json.dumps(odd).encode())
    assert "c2VjcmV0" not in "".join(caught.value.lines())


def test_a_page_that_comes_again_and_again_is_not_understood():
    with pytest.raises(NotUnderstood):
        stored(json.dumps({**RANGE, "more": True}).encode())


@pytest.mark.parametrize("odd", [{"data": {"token": ["c2VjcmV0"]}}, {"data": "c2VjcmV0"}])
def test_of_a_token_that_is_not_understood_nothing_is_shown(odd: dict):
    with pytest.raises(NotUnderstood) as caught:
        token_keys._token(odd)
    assert "c2VjcmV0" not in "".join(caught.value.lines())


@SEEK
@given(as_bytes({"reason": "Invalid", "details": {"causes": [{"field": "data"}]}}))
def test_why_the_api_refuses(body: bytes):
    assert isinstance(_reason(body), str)


@pytest.mark.parametrize("answer", ["x", "9" * 5000, "1.5", "1 2"])
def test_times_of_a_host(answer: str):
    probe = Probe("lived", ("x.service",))

    def known(said: str) -> Any:
        remotes = {HOST.name: SimpleNamespace(probe=lambda _: {probe: said})}
        return SimpleNamespace(session=SimpleNamespace(live=SimpleNamespace(remotes=remotes)))

    assert seconds(known("12"), HOST, probe) == (12,) and seconds(known(""), HOST, probe) == (0,)
    with pytest.raises(NotUnderstood) as caught:
        seconds(known(answer), HOST, probe)
    assert caught.value.host == HOST.name


WORDS = dict.fromkeys(("cluster", "taken", "hardway", "kubernetes", "etcd", "api"), "1.37.2")
MANIFEST = {**WORDS, "hosts": {"node-1": "10.0.0.1"}, "kind": KIND, "schema": SCHEMA}


@SEEK
@given(as_bytes(MANIFEST))
def test_what_stands_in_a_backup(content: bytes):
    assert _manifest(Path("x.age"), json.dumps(MANIFEST).encode()).hosts == {"node-1": "10.0.0.1"}
    with contextlib.suppress(BackupError):
        found = _manifest(Path("x.age"), content)
        assert all(isinstance(one, str) for one in (found.cluster, found.kubernetes, *found.hosts.values()))
