"""HAProxy itself, in front of API servers of which one stops or breaks: where new calls go, and whether open ones are
cut."""

import http.client
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from clusters import EXTRA, lab

from hardway.render import render

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
pytestmark = pytest.mark.skipif(not HAPROXY, reason="haproxy is not installed")
OPENSSL = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out ca.crt -days 2 "
    "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
)
NO = "[+]ping ok\n[-]{} failed: reason withheld\nreadyz check failed\n"


class ApiServer(ThreadingHTTPServer):
    """Answers /readyz as kube-apiserver does, /slow once it is `released`, and everything else at once."""

    def __init__(self, name: str, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        self.name, self.failing, self.refused = name, "", 0
        self.slow, self.released = threading.Event(), threading.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "ca.crt", folder / "key.pem")
        self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A connection that was cut is what some of these tests are about."""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        health, body = self.path == "/readyz", server.name
        if health:
            server.refused += bool(server.failing)
            body = NO.format(server.failing) if server.failing else "ok"
        elif self.path == "/slow":
            server.slow.set()
            server.released.wait(30)
        self.send_response(500 if health and server.failing else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


@pytest.fixture
def servers(tmp_path):
    subprocess.run(OPENSSL.split(), cwd=tmp_path, check=True, capture_output=True, timeout=60)
    made = [ApiServer(host.name, tmp_path) for host in lab().control_plane]
    yield made
    for server in made:
        server.released.set()
        server.shutdown()


@pytest.fixture
def call(servers, tmp_path):
    """call(path): the name of the server that answered, through an HAProxy with our configuration; "" when it was cut
    off."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = render("haproxy.cfg", lab(), lab().host("lb"), **EXTRA).decode()
    text = re.sub(r"^    (chroot|user|group|stats socket) .*\n", "", text, flags=re.MULTILINE)
    text = text.replace("bind :6443", f"bind 127.0.0.1:{port}").replace("/etc/haproxy/ca.crt", str(tmp_path / "ca.crt"))
    for host, server in zip(lab().control_plane, servers, strict=True):
        text = text.replace(f"{host.address}:6443", f"127.0.0.1:{server.server_port}")
    (tmp_path / "haproxy.cfg").write_text(text)

    def call(path: str = "/") -> str:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", port, context=ssl._create_unverified_context(), timeout=30
        )
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return ""
        finally:
            connection.close()

    running = subprocess.Popen(
        [HAPROXY, "-f", tmp_path / "haproxy.cfg"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: {call() for _ in range(6)} == {server.name for server in servers})
        yield call
    finally:
        running.terminate()
        running.wait(10)


def until(holds) -> None:
    give_up = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("failing", "open_calls_go_on"), [("shutdown", True), ("etcd", False)])
def test_who_stops_finishes_its_calls_and_who_is_broken_loses_them(failing, open_calls_go_on, servers, call):
    with ThreadPoolExecutor() as pool:
        slow = [pool.submit(call, "/slow") for _ in range(6)]
        until(lambda: all(server.slow.is_set() for server in servers))
        stopping, *others = servers
        stopping.failing = failing
        until(lambda: {call() for _ in range(6)} == {server.name for server in others})
        for server in others:
            server.released.set()
        # The second no is what a broken one is cut off for.
        until(lambda: stopping.refused > 3)
        stopping.released.set()
        answered = [one.result() for one in slow]
    assert (stopping.name in answered, "" in answered) == (open_calls_go_on, not open_calls_go_on)
