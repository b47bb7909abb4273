"""At every moment everybody who talks to somebody else is believed, and believes: by what each process has read."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterator

import yaml
from fakes.memory_host import MemoryHost
from fakes.memory_probes import SIGNED
from fakes.memory_trust import PEM
from fakes.world import World

from hardway.pki.inspection import signed_by
from hardway.pki.issuing import load_key, public_pem
from hardway.pki.reading import parsed

K = "/etc/kubernetes"
# By unit the kubeconfig with which it comes to the API.
CLIENTS = {
    "kube-controller-manager": f"{K}/controller-manager.conf",
    "kube-scheduler": f"{K}/scheduler.conf",
    "kubelet": f"{K}/kubelet.conf",
    "kube-proxy": f"{K}/kube-proxy.conf",
}


def broken(world: World) -> list[str]:
    """Who would be refused by whom; must be empty at every moment."""
    return [*_api(world), *_kubelets(world), *_etcd(world), *_tokens(world)]


def _running(world: World, unit: str) -> list[tuple[MemoryHost, dict[str, bytes]]]:
    """The hosts on which a unit runs, with the files that its process has read."""
    units = [(host, host.systemd.unit(f"{unit}.service")) for host in world.hosts.values()]
    return [(host, unit.loaded) for host, unit in units if unit.active == "active" and unit.loaded]


@functools.cache
def _believed(certificate: bytes, cas: bytes) -> bool:
    return any(signed_by(parsed(certificate)[0], ca) for ca in parsed(cas))


@functools.cache
def _kubeconfig(content: bytes) -> tuple[bytes, bytes]:
    """(client certificate, trusted CAs) in it."""
    document = yaml.safe_load(content)
    client, cluster = document["users"][0]["user"], document["clusters"][0]["cluster"]
    return base64.b64decode(client["client-certificate-data"]), base64.b64decode(cluster["certificate-authority-data"])


def _api(world: World) -> Iterator[str]:
    servers = _running(world, "kube-apiserver")
    for unit, path in CLIENTS.items():
        for host, read in _running(world, unit):
            client, cas = _kubeconfig(read[path])
            client = host.disk.read(SIGNED) or client if unit == "kubelet" else client
            for server, has in servers:
                if not _believed(client, has[f"{K}/pki/ca.crt"]):
                    yield f"kube-apiserver on {server.host.name} refuses {unit} on {host.host.name}"
                if not _believed(server.disk.read(f"{K}/pki/apiserver.crt"), cas):
                    yield f"{unit} on {host.host.name} refuses kube-apiserver on {server.host.name}"
    for balancer, read in _running(world, "haproxy"):
        for server, _ in servers:
            if not _believed(server.disk.read(f"{K}/pki/apiserver.crt"), read["/etc/haproxy/ca.crt"]):
                yield f"haproxy on {balancer.host.name} refuses kube-apiserver on {server.host.name}"


def _kubelets(world: World) -> Iterator[str]:
    for server, has in _running(world, "kube-apiserver"):
        for host, read in _running(world, "kubelet"):
            if not _believed(server.disk.read(f"{K}/pki/apiserver-kubelet-client.crt"), read[f"{K}/pki/ca.crt"]):
                yield f"the kubelet on {host.host.name} refuses kube-apiserver on {server.host.name}"
            if not _believed(host.disk.read("/var/lib/kubelet/pki/kubelet.crt"), has[f"{K}/pki/ca.crt"]):
                yield f"kube-apiserver on {server.host.name} refuses the kubelet on {host.host.name}"


def _etcd(world: World) -> Iterator[str]:
    members, servers, ca = _running(world, "etcd"), _running(world, "kube-apiserver"), "/etc/etcd/pki/ca.crt"
    for member, read in members:
        for other, has in members:
            if not _believed(other.disk.read("/etc/etcd/pki/peer.crt"), read[ca]):
                yield f"etcd on {member.host.name} refuses the one on {other.host.name}"
            if not _believed(member.disk.read("/etc/etcd/pki/peer.crt"), has[ca]):
                yield f"etcd on {other.host.name} refuses the one on {member.host.name}"
        for server, has in servers:
            if not _believed(server.disk.read(f"{K}/pki/apiserver-etcd-client.crt"), read[ca]):
                yield f"etcd on {member.host.name} refuses kube-apiserver on {server.host.name}"
            if not _believed(member.disk.read("/etc/etcd/pki/server.crt"), has[f"{K}/pki/etcd/ca.crt"]):
                yield f"kube-apiserver on {server.host.name} refuses etcd on {member.host.name}"


@functools.cache
def _public(private: bytes) -> bytes:
    return public_pem(load_key(private, "sa.key"))


def _tokens(world: World) -> Iterator[str]:
    servers = _running(world, "kube-apiserver")
    for signer, read in servers:
        key = _public(read[f"{K}/pki/sa.key"])
        for server, has in servers:
            if key.strip() not in [one.strip() for one in PEM.findall(has[f"{K}/pki/sa.pub"])]:
                yield f"kube-apiserver on {server.host.name} refuses tokens of {signer.host.name}"


def trusted(world: World, path: str) -> dict[str, list[str]]:
    """The subjects of the CAs in a file, on each host that has it."""
    return {
        name: [one.subject.rfc4514_string() for one in parsed(host.disk.read(path))]
        for name, host in world.hosts.items()
        if path in host.disk.files
    }


def everywhere(world: World, needle: bytes) -> list[str]:
    """Every file on a host, and what its processes have read, in which some bytes are, plain or in base64."""
    forms = (needle.strip(), base64.b64encode(needle)[:60])
    hits = []
    for name, host in world.hosts.items():
        hits += [f"{name}: {path}" for path, entry in host.disk.files.items() if any(f in entry.content for f in forms)]
        for unit_name, unit in host.systemd.units.items():
            if unit.active == "active":
                hits += [f"{name}: {unit_name}: {p}" for p, c in unit.loaded.items() if any(f in c for f in forms)]
    return [hit for hit in hits if not re.search(r"/var/lib/hardway/before", hit)]
