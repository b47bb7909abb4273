"""Real TLS between issued certificates: who may talk to whom, by which names, and who is refused."""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.x509 import verification
from pki_lab import lab

from hardway.pki.credentials import Credentials
from hardway.settings import Pki
from hardway.state.statedir import StateDir

# server certificate, its host, client certificate, its host, authority of both
ALLOWED = [
    ("apiserver", "", "admin", "", "ca"),
    ("apiserver", "", "super-admin", "", "ca"),
    ("apiserver", "", "controller-manager", "", "ca"),
    ("apiserver", "", "scheduler", "", "ca"),
    ("apiserver", "", "kube-proxy", "worker-1", "ca"),
    ("apiserver", "", "kubelet", "worker-0", "ca"),
    ("kubelet-server", "worker-0", "apiserver-kubelet-client", "", "ca"),
    ("etcd-server", "controller-0", "apiserver-etcd-client", "", "etcd-ca"),
    ("etcd-server", "controller-0", "etcd-healthcheck-client", "", "etcd-ca"),
    ("etcd-server", "controller-0", "etcd-server", "controller-0", "etcd-ca"),
    ("etcd-peer", "controller-0", "etcd-peer", "controller-1", "etcd-ca"),
]
STRANGERS_TO_ETCD = [
    ("kubelet", "worker-0"),
    ("admin", ""),
    ("super-admin", ""),
    ("apiserver-kubelet-client", ""),
    ("front-proxy-client", ""),
]


@pytest.fixture(scope="module", params=["ecdsa-p256", "rsa-2048"])
def credentials(request, tmp_path_factory):
    cluster = dataclasses.replace(lab(), pki=Pki(algorithm=request.param))
    return Credentials(cluster, StateDir(tmp_path_factory.mktemp("state") / "lab"))


def pair_files(credentials, folder, name, host):
    pair = credentials.certificate(name, credentials.cluster.host(host) if host else None)
    (folder / f"{name}{host}.crt").write_bytes(pair.cert)
    (folder / f"{name}{host}.key").write_bytes(pair.key.reveal())
    return folder / f"{name}{host}.crt", folder / f"{name}{host}.key"


def context(credentials, folder, side, name, host, ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if side == "server" else ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=credentials.ca(ca).decode())
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if name:
        context.load_cert_chain(*pair_files(credentials, folder, name, host))
    return context


def handshake(server, client, address):
    """What the server read from the client after a handshake; ssl.SSLError from whichever side refused."""
    ours, theirs = socket.socketpair()
    outcome = {}

    def serve():
        try:
            with server.wrap_socket(theirs, server_side=True) as tls:
                outcome["read"] = tls.recv(100)
                tls.sendall(b"welcome")
        except (ssl.SSLError, OSError) as error:
            outcome["error"] = error
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=address) as tls:
            tls.sendall(b"hello")
            # In TLS 1.3 a server's refusal of the client's certificate arrives with the first read.
            outcome["answer"] = tls.recv(100)
    except ConnectionError:
        pass  # A server that refuses may hang up before we have written; why it did is raised below.
    finally:
        ours.close()
        thread.join(10)
    if "error" in outcome:
        raise outcome["error"]
    assert outcome.get("answer") == b"welcome"
    return outcome["read"]


def address_of(credentials, host):
    return str(credentials.cluster.host(host).address) if host else credentials.cluster.api.address


@pytest.mark.parametrize(("server", "at", "client", "of", "ca"), ALLOWED)
def test_those_who_work_together_get_through(credentials, tmp_path, server, at, client, of, ca):
    sides = (
        context(credentials, tmp_path, "server", server, at, ca),
        context(credentials, tmp_path, "client", client, of, ca),
    )
    assert handshake(*sides, address_of(credentials, at)) == b"hello"


def test_the_api_server_is_valid_by_every_name_and_address(credentials, tmp_path):
    server = context(credentials, tmp_path, "server", "apiserver", "", "ca")
    client = context(credentials, tmp_path, "client", "admin", "", "ca")
    for name in credentials.cluster.api_sans:
        assert handshake(server, client, name) == b"hello"
    for name in ("10.32.0.2", "kubernetes.example.org", "worker-0"):
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch|not valid for"):
            handshake(server, client, name)


@pytest.mark.parametrize(("client", "of"), STRANGERS_TO_ETCD)
def test_etcd_refuses_whoever_its_own_authority_did_not_sign(credentials, tmp_path, client, of):
    server = context(credentials, tmp_path, "server", "etcd-server", "controller-0", "etcd-ca")
    stranger = context(credentials, tmp_path, "client", client, of, "etcd-ca")
    with pytest.raises(ssl.SSLError):
        handshake(server, stranger, "127.0.0.1")


def test_etcd_refuses_a_client_without_certificate(credentials, tmp_path):
    server = context(credentials, tmp_path, "server", "etcd-server", "controller-0", "etcd-ca")
    with pytest.raises(ssl.SSLError):
        handshake(server, context(credentials, tmp_path, "client", "", "", "etcd-ca"), "127.0.0.1")


def test_the_api_server_refuses_clients_of_the_other_authorities(credentials, tmp_path):
    server = context(credentials, tmp_path, "server", "apiserver", "", "ca")
    for name in ("apiserver-etcd-client", "front-proxy-client"):
        with pytest.raises(ssl.SSLError):
            handshake(server, context(credentials, tmp_path, "client", name, "", "ca"), "127.0.0.1")


def test_nobody_is_taken_in_by_a_server_of_another_authority(credentials, tmp_path):
    server = context(credentials, tmp_path, "server", "etcd-server", "controller-0", "ca")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, context(credentials, tmp_path, "client", "admin", "", "ca"), "127.0.0.1")


def test_a_kubelets_client_certificate_cannot_serve(credentials, tmp_path):
    server = context(credentials, tmp_path, "server", "kubelet", "worker-0", "ca")
    client = context(credentials, tmp_path, "client", "admin", "", "ca")
    client.check_hostname = False
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        handshake(server, client, "worker-0")


def test_a_server_certificate_cannot_log_in(credentials, tmp_path):
    server = context(credentials, tmp_path, "server", "apiserver", "", "ca")
    with pytest.raises(ssl.SSLError):
        handshake(server, context(credentials, tmp_path, "client", "kubelet-server", "worker-0", "ca"), "127.0.0.1")


def verifier(credentials, ca):
    root = x509.load_pem_x509_certificate(credentials.ca(ca))
    return verification.PolicyBuilder().store(verification.Store([root])).time(datetime.datetime.now(datetime.UTC))


@pytest.mark.parametrize(("server", "at", "client", "of", "ca"), ALLOWED)
def test_a_second_implementation_agrees(credentials, server, at, client, of, ca):
    leaf = x509.load_pem_x509_certificate(
        credentials.certificate(server, credentials.cluster.host(at) if at else None).cert
    )
    subject = x509.IPAddress(ipaddress.ip_address(address_of(credentials, at)))
    assert len(verifier(credentials, ca).build_server_verifier(subject).verify(leaf, [])) == 2
    leaf = x509.load_pem_x509_certificate(
        credentials.certificate(client, credentials.cluster.host(of) if of else None).cert
    )
    policy = verification.ExtensionPolicy.webpki_defaults_ee()
    # Clients of Kubernetes are known by their subject and have no alternative names.
    policy = policy.may_be_present(x509.SubjectAlternativeName, verification.Criticality.AGNOSTIC, None)
    builder = verifier(credentials, ca).extension_policies(
        ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(), ee_policy=policy
    )
    assert len(builder.build_client_verifier().verify(leaf, []).chain) == 2
