"""A connection that ends before the answer: what changes nothing is asked once more, all else is not."""

import http.client
import socket
from ipaddress import IPv4Address
from types import SimpleNamespace

import pytest

from hardway.checks import dns_query
from hardway.targets.kube import KubeApi

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """Its nth connection finds the nth answer waiting, and the end after it."""

    def __init__(self, *answers: bytes):
        self.answers, self.kept = list(answers), []

    def __call__(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.sendall(self.answers.pop(0))
        theirs.shutdown(socket.SHUT_WR)
        self.kept.append(theirs)
        return ours


def api(peer: Peer) -> KubeApi:
    return KubeApi(peer, SimpleNamespace(wrap_socket=lambda raw, server_hostname: raw))


def test_what_only_reads_is_asked_again():
    peer = Peer(b"", ANSWER)
    assert api(peer).request("GET", "/readyz") == (200, b"ok") and not peer.answers


def test_it_is_asked_again_once():
    with pytest.raises(http.client.RemoteDisconnected):
        api(Peer(b"", b"", ANSWER)).request("GET", "/readyz")


def test_what_may_have_changed_something_is_not_sent_again():
    peer = Peer(b"", ANSWER)
    with pytest.raises(http.client.RemoteDisconnected):
        api(peer).request("POST", "/api/v1/namespaces", b"{}")
    assert peer.answers == [ANSWER]


def test_a_name_server_is_asked_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dns_query, "addresses", lambda message: [IPv4Address("10.32.0.1")])
    assert dns_query.resolve(Peer(b"\0", b"\0\1x"), "kubernetes.default") == [IPv4Address("10.32.0.1")]
    with pytest.raises(dns_query.CutOff):
        dns_query.resolve(Peer(b"\0", b"\0", b"\0\1x"), "kubernetes.default")
