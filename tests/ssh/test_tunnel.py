"""dial and forward: TLS end to end through the connection, and many connections at once."""

from __future__ import annotations

import contextlib
import datetime
import os
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hardway.errors import ConnectionFailed

from .server import free_port

pytestmark = pytest.mark.sshd


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate for localhost: (file with certificate and key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    )
    builder = builder.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    signed = builder.sign(key, hashes.SHA256())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path / "tls.pem"
    file.write_bytes(pem + signed.public_bytes(serialization.Encoding.PEM))
    return file


@contextlib.contextmanager
def echo_server(certificate=None):
    """Sends back what it gets until the client has no more, over TLS when given a certificate; yields its port."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def one(sock):
        with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) if context else sock as stream:
            while data := stream.recv(65536):
                stream.sendall(data)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def echoed(sock: socket.socket, data: bytes) -> bytes:
    sender = threading.Thread(target=sock.sendall, args=(data,))
    sender.start()
    got = bytearray()
    while len(got) < len(data) and (part := sock.recv(65536)):
        got += part
    sender.join()
    return bytes(got)


def test_dial_carries_verified_tls(server, connect, certificate):
    context = ssl.create_default_context(cafile=certificate)
    data = os.urandom(2_000_000)
    with echo_server(certificate) as port:
        raw = connect(server.host()).dial(port)
        with context.wrap_socket(raw, server_hostname="localhost") as sock:
            assert echoed(sock, data) == data
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(connect(server.host()).dial(port), server_hostname="elsewhere")


def test_dial_says_when_nothing_listens(server, connect):
    port = free_port()
    with pytest.raises(ConnectionFailed) as caught:
        connect(server.host("node-5")).dial(port)
    assert f"127.0.0.1:{port} cannot be reached from node-5" in caught.value.message
    assert "ss -ltnp" in caught.value.hint


def test_many_refusals_at_once_do_not_break_the_connection(server, connect):
    """What else goes over the same connection goes on."""
    transport, port = connect(server.host("node-5")), free_port()
    shell = transport.run("echo $PPID").text

    def dial(_: int) -> str:
        with pytest.raises(ConnectionFailed) as caught:
            transport.dial(port)
        return caught.value.message

    with ThreadPoolExecutor(16) as pool:
        said = set(pool.map(dial, range(200)))
    assert all(f"127.0.0.1:{port} cannot be reached from node-5" in message for message in said)
    assert transport.run("echo $PPID").text == shell


def test_the_end_of_either_side_is_seen_by_the_other(server, connect):
    with echo_server() as port:
        with connect(server.host()).dial(port) as sock:
            sock.sendall(b"last words")
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(100) == b"last words"
            assert sock.recv(100) == b""


def test_forward_serves_many_connections_at_once(server, connect):
    data = [os.urandom(300_000) for _ in range(10)]

    def through(part: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", ours)) as sock:
            return echoed(sock, part)

    with echo_server() as port, connect(server.host()).forward(port) as ours, ThreadPoolExecutor(10) as pool:
        assert list(pool.map(through, data)) == data


def test_forward_ends_with_its_context(server, connect):
    before = set(threading.enumerate())
    with echo_server() as port:
        transport = connect(server.host())
        with transport.forward(port) as ours:
            sock = socket.create_connection(("127.0.0.1", ours))
            assert echoed(sock, b"hello") == b"hello"
        assert sock.recv(10) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", ours))
        transport.close()
        names = {thread.name for thread in set(threading.enumerate()) - before}
    assert "hardway-forward" not in names


def test_forward_outlives_a_refused_connection(server, connect):
    port = free_port()
    with connect(server.host()).forward(port) as ours:
        with socket.create_connection(("127.0.0.1", ours)) as sock:
            assert sock.recv(10) == b""
        with socket.create_server(("127.0.0.1", port)) as late:
            with socket.create_connection(("127.0.0.1", ours)) as sock:
                accepted, _ = late.accept()
                accepted.sendall(b"now")
                assert sock.recv(10) == b"now"
                accepted.close()


def test_forward_survives_a_reconnection(server, connect):
    transport = connect(server.host())
    with echo_server() as port, transport.forward(port) as ours:
        transport.run("true")
        server.cut()
        transport.run("true") if transport._link.alive is False else transport.close()
        with socket.create_connection(("127.0.0.1", ours)) as sock:
            assert echoed(sock, b"again") == b"again"
