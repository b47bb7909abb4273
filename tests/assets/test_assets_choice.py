"""`assets.source: auto`: official files where their hosts answer, Go modules where not, and never the one after the
other."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading

import pytest
from assets_world import cluster, program

from hardway.assets import AssetStore, choice
from hardway.assets.cache import Cache
from hardway.assets.choice import Origin, chosen, reachable_or_built
from hardway.assets.fetching import download
from hardway.assets.fetching.download import Site
from hardway.assets.table import Release, needed
from hardway.errors import AssetError

AUTO = cluster(source="auto")


def put(directory, origin, name):
    cache = Cache(directory, origin)
    [item] = [item for item in needed(AUTO, "amd64") if item.key == name]
    with cache.workspace() as scratch:
        (scratch / "x").write_bytes(program(item.version.encode()))
        cache.put(item, scratch / "x", "a test")


def test_the_inventory_decides_when_it_names_one(tmp_path):
    put(tmp_path, "modules", "runc")
    assert chosen(cluster(source="upstream"), tmp_path) is Origin.RELEASES
    assert chosen(cluster(source="mirror"), tmp_path) is Origin.RELEASES
    assert chosen(cluster(source="modules"), tmp_path) is Origin.MODULES


def test_what_the_cache_holds_decides_before_the_network_does(tmp_path):
    """The same version of the other origin is other bytes: a cluster would be restarted for nothing."""
    assert chosen(AUTO, tmp_path) is None
    put(tmp_path, "modules", "runc")
    assert AssetStore(AUTO, tmp_path).origin is Origin.MODULES
    put(tmp_path, "releases", "runc")
    put(tmp_path, "releases", "etcd")
    assert AssetStore(AUTO, tmp_path).origin is Origin.RELEASES


@pytest.fixture
def published(monkeypatch):
    """Every file of every component is published at one URL."""

    def at(url):
        monkeypatch.setattr(choice, "release", lambda item: Release(url, url, "", (item,), {}))
        return needed(AUTO, "amd64")

    return at


def test_releases_where_their_host_answers_even_with_404(published, server):
    said = []
    server.files.clear()
    assert reachable_or_built(published(f"{server.url}/x"), said.append) is Origin.RELEASES
    assert len(said) == 1 and said[0].startswith("assets.source auto: using official releases, 127.0.0.1")


def test_modules_where_nothing_listens_said_in_one_line(published):
    said = []
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{closed.getsockname()[1]}/x"
    assert reachable_or_built(published(url), said.append) is Origin.MODULES
    assert len(said) == 1 and "building from Go modules, 127.0.0.1" in said[0] and "Connection refused" in said[0]


def test_modules_where_a_host_accepts_and_says_nothing(published, monkeypatch):
    monkeypatch.setattr(download, "SILENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        said = []
        assert (
            reachable_or_built(published(f"http://127.0.0.1:{mute.getsockname()[1]}/x"), said.append) is Origin.MODULES
        )
    assert "timed out" in said[0]


def test_a_certificate_that_is_not_the_hosts_own_is_an_error_and_no_reason_to_build(published, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=somebody",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as plain:
        thread = threading.Thread(target=answer, args=(plain, context), daemon=True)
        thread.start()
        with pytest.raises(AssetError, match="cannot download https://127.0.0.1") as caught:
            reachable_or_built(published(f"https://127.0.0.1:{plain.getsockname()[1]}/x"), print)
    assert "certificate" in caught.value.evidence.lower()


def answer(plain: socket.socket, context: ssl.SSLContext) -> None:
    """Two connections: the one that only looks whether anybody is there, and the one that wants to talk."""
    for _ in range(2):
        connection, _ = plain.accept()
        try:
            context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()


def test_a_host_that_does_not_answer_is_asked_once(monkeypatch):
    asked = []

    def refuse(address, timeout):
        asked.append(address)
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", refuse)
    site = Site("http://mirror.example")
    for name in ("one", "two", "three"):
        with pytest.raises(AssetError, match="cannot download"):
            site.read(f"https://dl.k8s.io/{name}")
    assert asked == [("mirror.example", 80)]


def test_a_proxy_is_asked_in_the_hosts_place(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert download._address("https://dl.k8s.io/x") == ("proxy.example", 3128)
    monkeypatch.setenv("no_proxy", "dl.k8s.io")
    assert download._address("https://dl.k8s.io/x") == ("dl.k8s.io", 443)
