"""Certificates and the CA of a real etcd are replaced while somebody writes to it all the time: what a member reads
again by itself, what needs a restart, and that the old CA is refused at the end."""

from __future__ import annotations

import itertools
import subprocess
import threading
import time

import pytest
from cryptography import x509
from real_etcd import RealEtcd

from hardway.checks import peer
from hardway.checks.doors import Door
from hardway.commands.certs.rotation.refused import signed_for_proof
from hardway.pki.certificates import definition
from hardway.pki.credentials import Credentials
from hardway.pki.leaf import Leaf, Pair
from hardway.pki.rotation import Rotation, Stage
from hardway.ports import ETCD_CLIENT, ETCD_PEER

pytestmark = pytest.mark.slow

NAME = "etcd-ca"
ROWS, PORTS = ("etcd-server", "etcd-peer"), (ETCD_CLIENT, ETCD_PEER)


class Writer:
    """Writes a key again and again, as somebody who knows all members; `gap` is the longest time without success."""

    def __init__(self, etcd: RealEtcd):
        self.etcd, self.stop = etcd, threading.Event()
        self.written, self.gap = 0, 0.0
        self.thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> Writer:
        self.thread.start()
        return self

    def __exit__(self, *exc) -> None:
        self.stop.set()
        self.thread.join()

    def _write(self) -> None:
        last = time.monotonic()
        for host in itertools.cycle(self.etcd.cluster.hosts):
            if self.stop.is_set():
                return
            if written(self.etcd, host):
                self.gap, last = max(self.gap, time.monotonic() - last), time.monotonic()
                self.written += 1


def written(etcd: RealEtcd, host) -> bool:
    """Whether a member takes a value within a second."""
    pki = etcd.pki(host)
    flags = ["--endpoints", f"https://{host.address}:2379", "--cacert", pki / "ca.crt", "--cert", pki / "server.crt"]
    flags += ["--key", pki / "server.key", "--command-timeout", "1s", "--dial-timeout", "1s"]
    return subprocess.run([etcd.binaries / "etcdctl", *flags, "put", "busy", "1"], capture_output=True).returncode == 0


@pytest.fixture
def etcd(tmp_path, binaries):
    """Three members of its own: what is done to them would be seen by others."""
    own = RealEtcd(tmp_path, binaries)
    for host in own.cluster.hosts:
        own.start(host)
    await_health(own)
    yield own
    for host in own.cluster.hosts:
        if host.name in own.processes:
            own.stop(host)


def await_health(etcd: RealEtcd, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while etcd.etcdctl("endpoint", "health", "--cluster", check=False).count("is healthy") < 3:
        assert time.monotonic() < end, "the members do not become healthy"
        time.sleep(0.1)


def deliver(etcd: RealEtcd) -> None:
    """What the state directory has now is put in place as on a host: each file by a rename."""
    etcd.credentials = Credentials(etcd.cluster, etcd.credentials.store)
    for host in etcd.cluster.hosts:
        put(etcd, host, "ca.crt", etcd.credentials.ca(NAME))
        for name in ("server", "peer"):
            pair = etcd.credentials.certificate(f"etcd-{name}", host)
            put(etcd, host, f"{name}.crt", pair.cert)
            put(etcd, host, f"{name}.key", pair.key.reveal())


def put(etcd: RealEtcd, host, name: str, content: bytes) -> None:
    new = etcd.pki(host) / f".{name}"
    new.write_bytes(content)
    new.rename(etcd.pki(host) / name)


def in_turns(etcd: RealEtcd) -> None:
    """One member after the other is restarted, each healthy before the next."""
    for host in etcd.cluster.hosts:
        etcd.stop(host)
        etcd.start(host, "existing")
        await_health(etcd)


def shown(etcd: RealEtcd, host, row: str) -> x509.Certificate:
    port = ETCD_CLIENT if row == "etcd-server" else ETCD_PEER
    door = Door(row, host, port, str(host.address))
    transports = {one.name: etcd.transport(one) for one in etcd.cluster.hosts}
    client = etcd.credentials.certificate("etcd-healthcheck-client")
    return x509.load_der_x509_certificate(door.shown(transports, etcd.credentials.ca(NAME), client))


def answers(etcd: RealEtcd, host, port: int, client: Pair) -> int:
    """The HTTP status with which a port answers the holder of a certificate, 0 when it refuses."""
    settings = peer.context(etcd.credentials.ca(NAME), client, believe=False)
    return peer.status(lambda: etcd.transport(host).dial(port, str(host.address)), "/version", settings)[0]


def test_renewed_pairs_are_shown_at_once_and_nothing_is_restarted(etcd):
    processes = {name: one.pid for name, one in etcd.processes.items()}
    before = {(host.name, row): shown(etcd, host, row) for host in etcd.cluster.hosts for row in ROWS}
    with Writer(etcd) as writer:
        for host, row in itertools.product(etcd.cluster.hosts, ROWS):
            Leaf(definition(row), host, etcd.cluster, etcd.credentials.store).ask(keep_key=False)
        deliver(etcd)
        for host, row in itertools.product(etcd.cluster.hosts, ROWS):
            here = x509.load_pem_x509_certificate(etcd.credentials.certificate(row, host).cert)
            assert shown(etcd, host, row) == here != before[host.name, row]
            assert here.public_key() != before[host.name, row].public_key()
        count = writer.written
        end = time.monotonic() + 60
        while writer.written < count + 9 and time.monotonic() < end:
            time.sleep(0.05)
    assert writer.written >= count + 9
    assert {name: one.pid for name, one in etcd.processes.items()} == processes
    await_health(etcd)


def test_another_ca_in_three_stages_and_the_old_one_is_refused(etcd):
    rotation = Rotation(NAME, etcd.credentials.store)
    rotation.begin(etcd.cluster.pki)
    old = signed_for_proof(rotation, False)
    with Writer(etcd) as writer:
        for stage in (Stage.TRUST, Stage.SIGN, Stage.DROP):
            assert rotation.stage is stage
            deliver(etcd)
            if stage is not Stage.SIGN:  # what is signed is read again by itself, what is trusted only once
                in_turns(etcd)
            await_health(etcd)
            if stage is Stage.TRUST:
                assert all(answers(etcd, host, port, old) == 200 for host in etcd.cluster.hosts for port in PORTS)
                rotation.sign()
            elif stage is Stage.SIGN:
                issuer = x509.load_pem_x509_certificate(Credentials(etcd.cluster, rotation.store).issuer(NAME))
                assert all(
                    shown(etcd, host, row).issuer == issuer.subject for host in etcd.cluster.hosts for row in ROWS
                )
                rotation.drop()
        assert writer.written > 0
    old, new = signed_for_proof(rotation, False), signed_for_proof(rotation, True)
    for host, port in itertools.product(etcd.cluster.hosts, PORTS):
        assert answers(etcd, host, port, old) == 0, "the old CA is refused"
        assert answers(etcd, host, port, new) == 200, "and not everybody is"
    rotation.finish()
    assert rotation.stage is Stage.NONE
