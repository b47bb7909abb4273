"""The ports of a world in memory: they show what the programs behind them have read, and judge by it who asks."""

from __future__ import annotations

import functools
import ssl

from cryptography import x509

from hardway.checks.doors import Door
from hardway.commands.certs.rotation import refused
from hardway.errors import ConnectionFailed
from hardway.pki.inspection import signed_by
from hardway.pki.reading import parsed
from hardway.pki.tokens import key_id
from hardway.pki.tokens import signed_by as signed_with
from hardway.ports import ETCD_CLIENT, ETCD_PEER, KUBELET

from .memory_trust import PEM
from .world import World

PKI = "/etc/kubernetes/pki"
# By row: the unit that shows it, and the file that it reads again at each handshake, or when it changes.
SHOWN = {
    "apiserver": ("kube-apiserver", f"{PKI}/apiserver.crt"),
    "etcd-server": ("etcd", "/etc/etcd/pki/server.crt"),
    "etcd-peer": ("etcd", "/etc/etcd/pki/peer.crt"),
    "kubelet-server": ("kubelet", "/var/lib/kubelet/pki/kubelet.crt"),
}


def use_ports(world: World, monkeypatch) -> None:
    """From now on the ports are those of this world."""
    monkeypatch.setattr(Door, "shown", functools.partialmethod(_shown, world))
    monkeypatch.setattr(refused, "answer", functools.partial(_answer, world))


def _shown(door: Door, world: World, transports, ca: bytes, client=None) -> bytes:
    unit, path = SHOWN[door.row]
    if door.host.name in world.away or not world.live.runs(door.host, unit):
        raise ConnectionFailed(f"nothing listens on {door.port}", door.host.name)
    return ssl.PEM_cert_to_DER_cert(world.hosts[door.host.name].disk.read(path).decode())


def _answer(world: World, known, host, asked: refused.Question) -> tuple[int, str]:
    """A server's judgement of who asks, by the CAs and keys that its process has read."""
    machine = world.hosts[host.name]
    read = lambda unit: machine.systemd.unit(f"{unit}.service").loaded  # noqa: E731
    if asked.port in (ETCD_CLIENT, ETCD_PEER):
        return (200, "") if _trusted(read("etcd")["/etc/etcd/pki/ca.crt"], asked) else (0, "bad certificate")
    if asked.port == KUBELET:
        return (200, "") if _trusted(read("kubelet")[f"{PKI}/ca.crt"], asked) else (401, "Unauthorized")
    files = read("kube-apiserver")
    if bearer := asked.headers.get("Authorization"):
        keys = {key_id(key) for key in PEM.findall(files[f"{PKI}/sa.pub"])}
        return (200, "") if signed_with(bearer.removeprefix("Bearer ")) in keys else (401, "Unauthorized")
    ca = machine.disk.read(f"{PKI}/front-proxy-ca.crt") if asked.headers else files[f"{PKI}/ca.crt"]
    return (200, "") if _trusted(ca, asked) else (401, "Unauthorized")


def _trusted(cas: bytes, asked: refused.Question) -> bool:
    certificate = x509.load_pem_x509_certificate(asked.pair.cert)
    return any(signed_by(certificate, ca) for ca in parsed(cas))
