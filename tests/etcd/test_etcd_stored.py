"""Which key each Secret is under: by the first bytes that etcd has of it, on paper and on a real etcd."""

from __future__ import annotations

import base64
import http.server
import json
import threading

import pytest
from real_etcd import LocalTransport, eventually

from hardway.errors import NotReadyError, RemoteCommandError
from hardway.etcd.sealed import sealed_with
from hardway.foreign.understanding import NotUnderstood
from hardway.targets.secrets import rewriting
from hardway.targets.secrets import stored as module
from hardway.targets.secrets.rewriting import api_path
from hardway.targets.secrets.stored import PAGE, Stored, TooLarge, collected, stored

PREFIX = "/registry/secrets/"


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b"k8s:enc:aescbc:v1:key1:\x00\xff:more", "aescbc:key1"),
        (b"k8s:enc:secretbox:v1:key12:" + bytes(2000), "secretbox:key12"),
        (b"k8s:enc:kms:v2:vault:\n\x10", "kms:vault"),
        (b"k8s\x00\n\x0c\n\x02v1\x12\x06Secret", "identity"),
        (b'{"kind":"Secret","apiVersion":"v1"}', "identity"),
        (b"k8s:enc:aescbc:v1:", "unknown"),
        (b"", "unknown"),
        (b"\xff\xfe", "unknown"),
    ],
)
def test_a_value_names_the_key_it_is_under(value, key):
    assert sealed_with(value) == key


def gateway(values: dict[str, bytes]):
    """What etcd answers to a range, by its documented JSON: numbers as texts, `more` when it was cut off."""

    def ask(question: dict) -> dict:
        start, end = (base64.b64decode(question[name]).decode() for name in ("key", "range_end"))
        found = sorted(key for key in values if start <= key < end)
        page = found[: int(question["limit"])]
        kvs = [{"key": text(key.encode()), "value": text(values[key])} for key in page]
        return {"header": {"revision": "42"}, **({"kvs": kvs} if kvs else {}), "more": len(found) > len(page)}

    return ask


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
def test_every_page_is_read_and_nothing_beside_the_prefix(count):
    values = {f"{PREFIX}default/s{number:04}": b"k8s:enc:aescbc:v1:key1:x" for number in range(count)}
    beside = {"/registry/secret": b"", "/registry/secrets0": b"", "/registry/configmaps/a/b": b"{"}
    found = collected(gateway({**values, **beside}), PREFIX)
    assert found.keys == dict.fromkeys(values, "aescbc:key1") and found.revision == 42
    assert found.counts == ({"aescbc:key1": count} if count else {})


def test_what_is_too_large_for_one_answer_is_asked_for_in_parts():
    values = {f"{PREFIX}default/s{number:04}": b"k8s:enc:aescbc:v1:key1:x" for number in range(PAGE)}
    ask, asked = gateway(values), []

    def narrow(question: dict) -> dict:
        asked.append(int(question["limit"]))
        if asked[-1] > 7:
            raise TooLarge("received message larger than max")
        return ask(question)

    assert collected(narrow, PREFIX).keys.keys() == values.keys() and min(asked) > 1

    def never(question: dict) -> dict:
        raise TooLarge("received message larger than max")

    with pytest.raises(RemoteCommandError):
        collected(never, PREFIX)


def test_what_is_left_to_rewrite_is_all_under_another_key():
    found = Stored(1, {"/registry/secrets/a/x": "aescbc:key2", "/p/secrets/b/y.z": "identity"})
    assert found.but("aescbc:key2") == {"/p/secrets/b/y.z": "identity"}
    assert api_path("/p/secrets/b/y.z") == "/api/v1/namespaces/b/secrets/y.z"


class Api:
    """An API server that answers of each object what is told of it, the last for ever; and the way to it."""

    def __init__(self, **told: list[int | Exception]):
        self.told, self.asked = told, []

    def kube(self):
        return self

    def request(self, method, path, body, content_type):
        name = path.rpartition("/")[2]
        self.asked.append(name)
        said = self.told[name].pop(0) if len(self.told[name]) > 1 else self.told[name][0]
        if isinstance(said, Exception):
            raise said
        return said, json.dumps({"reason": "Why", "message": "hunter2"}).encode()


def paths(*names: str) -> list[str]:
    return [f"/api/v1/namespaces/a/secrets/{name}" for name in names]


def test_one_that_nobody_can_decrypt_keeps_no_other_from_being_written(monkeypatch):
    monkeypatch.setattr(rewriting, "SECONDS", 0.2)
    api = Api(lost=[500], late=[503, 409, 200], gone=[404], held=[422], well=[200])
    said = rewriting.rewritten(api, paths("lost", "late", "gone", "held", "well"))
    assert said == dict(zip(paths("lost", "held"), ["not now: 500 Why", "422 Why"], strict=True))
    assert [api.asked.count(name) for name in ("gone", "held", "well", "late")] == [1, 1, 1, 3]


def test_an_api_that_does_not_answer_refuses_nothing(monkeypatch):
    monkeypatch.setattr(rewriting, "SECONDS", 0.2)
    assert rewriting.rewritten(Api(one=[OSError("refused"), 200]), paths("one")) == {}
    with pytest.raises(NotReadyError, match="refused"):
        rewriting.rewritten(Api(one=[OSError("refused")], two=[OSError("refused")]), paths("one", "two"))
    assert rewriting.rewritten(Api(), []) == {}


class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(self.server.code)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *words):
        """Nothing."""


@pytest.mark.parametrize(
    ("code", "body", "error"),
    [
        (404, b"Not Found", RemoteCommandError),
        (503, b"{}", RemoteCommandError),
        (429, b'{"message": "grpc: received message larger than max (9 vs. 4)"}', TooLarge),
        (200, b"no JSON", NotUnderstood),
        (200, b"{}", None),
    ],
)
def test_an_answer_that_is_none_is_an_error(monkeypatch, code, body, error):
    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    server.code, server.body = code, body
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    plain = http.client.HTTPConnection("127.0.0.1", server.server_address[1])
    try:
        if error is None:
            assert module._asked(plain, "one", {}) == {}
        else:
            with pytest.raises(error):
                module._asked(plain, "one", {})
    finally:
        plain.close()
        server.shutdown()
        server.server_close()


class Near(LocalTransport):
    """A host whose loopback is the address of its member."""

    def dial(self, port: int, address: str = "127.0.0.1", seconds: float | None = None):
        return super().dial(port, str(self.host.address) if address == "127.0.0.1" else address)


@pytest.mark.slow
def test_a_real_etcd_says_which_key_every_secret_is_under(real_etcd):
    host = real_etcd.cluster.hosts[0]
    for number in range(PAGE + 5):
        key = f"{PREFIX}default/s{number}"
        value = f"k8s:enc:aescbc:v1:key{1 + number % 2}:{'x' * 3000}"
        eventually(lambda key=key, value=value: "OK" in real_etcd.etcdctl("put", key, value, check=False), 60)
    found = stored(Near(host, real_etcd.binaries), real_etcd.credentials, PREFIX)
    assert sum(found.counts.values()) == PAGE + 5 and set(found.counts) == {"aescbc:key1", "aescbc:key2"}
    assert found.revision >= PAGE + 5
    real_etcd.etcdctl("del", "--prefix", PREFIX)


def test_nobody_who_answers_is_an_error_with_the_next_command(tmp_path, cluster_of_nobody):
    transport, credentials = cluster_of_nobody
    with pytest.raises(NotReadyError) as caught:
        stored(transport, credentials, PREFIX)
    assert "hardway etcd status INV" in caught.value.hint and json.dumps(caught.value.evidence)


@pytest.fixture
def cluster_of_nobody(tmp_path):
    """A host that refuses every connection, and keys for it."""
    from ipaddress import IPv4Address

    from real_etcd import VERSIONS

    from hardway.cluster import Cluster, Host, Role
    from hardway.pki.credentials import Credentials
    from hardway.settings import Api
    from hardway.state.statedir import Overlay, StateDir

    host = Host("one", IPv4Address("127.0.0.1"), frozenset({Role.ETCD}))
    cluster = Cluster("lab", (host,), VERSIONS, Api("10.240.0.9"))

    class Refusing(LocalTransport):
        def dial(self, port: int, address: str = "127.0.0.1", seconds: float | None = None):
            raise ConnectionRefusedError("connection refused")

    return Refusing(host, tmp_path), Credentials(cluster, Overlay(StateDir(tmp_path / "state")))
