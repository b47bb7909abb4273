"""What a host says about itself before anything is decided: the answer to the `survey` probe."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network

from cryptography import x509
from cryptography.x509.oid import NameOID

from . import leftovers
from .foreign.quantity import QUANTITY
from .leftovers import Leftovers

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
NODE = "system:node:"


@dataclass(frozen=True)
class Facts:
    """One host's facts.

    `arch` is in release naming (amd64, arm64); `addresses` maps each address to its interface; `links` are the networks
    that the host reaches without a router; `beyond` are the next hops that it reaches only through one, each with that
    router's address, or "none" where it has no route, and None where nobody could tell; `clock_offset` is the host's
    clock minus ours, in seconds; `kubernetes` is the version our programs there have;
    `occupied` are our data folders that hold data; `holders` maps ports to the program and process that listen there;
    `read_only` are folders we must write to and cannot; `lease` is the run that may change this host just now, as
    hardway.lease.Holder reads it, empty where there is none; `beside` is what others left there; `forwarding` is
    whether its sshd opens connections from there, as far as that was tried; `api_name` are the addresses that the
    host finds for the API's name, None where that was not asked; `boot` is empty once the machine has finished its
    boot, before that as hardway.resources.unit_state.Boot reads it; a host that could not be asked is not `known`, and
    nothing follows from it.

    Of a host of ours also what it lives by now, as its own files say: `etcd` and `containerd` are the versions of the
    programs there, `peer_url` the member's own, `node` the name of the worker's Node, `pod_block` its block of pod
    addresses, `routes` the next hop of each block on other workers, `encryption` is the sha256 of the API server's
    encryption configuration and `providers` those in it in their order, each as "aescbc:key1=1f0c…" (the beginning of
    its key's digest) or "identity", `service_cidr` and `issuer` are the API server's, `pod_cidr` the controller
    manager's; empty where there is no such file. `flags` holds of each unit that is there its name, and as
    "etcd.wal-dir" the flags that read.sh's s_flags names. `reserved` is what its kubelet keeps from pods, by resource.
    A worker has `joined` when a cluster that lives has given its kubelet a pod or a certificate: only then is it proven
    that there was one. A host `signs` when it has the CA's key; `trusts` are the files in which it lists CAs and public
    keys of tokens, each with the digest of one of them.

    How the API is reached: `servers` are the addresses (URLs) in the kubeconfigs of its kubelet, its kube-proxy and its
    kubectl; it is `unsettled` while one of the two may still run with an older kubeconfig. `bound` are the ports of its
    HAProxy, `shared` and `peers` the addresses that its keepalived shares, and with whom, `sender` its own among those.
    `components` are those that hardway installed there, whether they run or not.

    While etcd is being restored, `restoring` is the restore as hardway.living.restoration reads it. `restored` names
    the restore that etcd's data comes from; empty for data that grew on the host.
    """

    arch: str = "amd64"
    kernel: str = ""
    hostname: str = ""
    uid: int = 0
    init: str = "systemd"
    machine_id: str = ""
    memory_mb: int = 0
    cpus: int = 1
    disk_free_mb: int = 1 << 20
    var_free_mb: int = 1 << 20
    os: str = "debian"
    os_version: str = ""
    addresses: Mapping[str, str] = field(default_factory=dict)
    links: tuple[str, ...] = ()
    beyond: Mapping[str, str] | None = None
    cgroup: int = 2
    read_only: tuple[str, ...] = ()
    resolv_conf: str = "/etc/resolv.conf"
    nameservers: tuple[str, ...] = ()
    package_manager: str = "apt-get"
    etcd_data: bool = False
    etcd_state: str = ""
    etcd_token: str = ""
    lease: str = ""
    cluster: str = ""
    authority: str = ""
    kubernetes: str = ""
    etcd: str = ""
    containerd: str = ""
    peer_url: str = ""
    node: str = ""
    pod_block: str = ""
    routes: Mapping[str, str] = field(default_factory=dict)
    encryption: str = ""
    providers: tuple[str, ...] = ()
    service_cidr: str = ""
    issuer: str = ""
    pod_cidr: str = ""
    reserved: Mapping[str, str] = field(default_factory=dict)
    joined: bool = False
    signs: bool = False
    trusts: tuple[tuple[str, str], ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)
    servers: tuple[str, ...] = ()
    unsettled: bool = False
    bound: tuple[int, ...] = ()
    shared: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    sender: str = ""
    components: frozenset[str] = field(default_factory=frozenset)
    restoring: str = ""
    restored: str = ""
    swaps: int = 0
    listening: frozenset[int] = field(default_factory=frozenset)
    holders: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    units: frozenset[str] = field(default_factory=frozenset)  # that have a process: also one that is just being stopped
    firewall: str = ""
    overlay: bool = True
    clock_offset: float = 0.0
    occupied: tuple[str, ...] = ()
    beside: Leftovers = field(default_factory=Leftovers)
    forwarding: bool = True
    api_name: tuple[str, ...] | None = None
    boot: str = ""
    known: bool = True

    @property
    def api_port(self) -> int:
        """The port of the API server on this host, 0 where there is none."""
        port = self.flags.get("kube-apiserver.secure-port", "")
        return int(port) if re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) else 0

    @property
    def own_nameservers(self) -> tuple[str, ...]:
        """Name servers on the host's own loopback, where a pod finds nobody but itself."""
        return tuple(name for name in self.nameservers if name.startswith("127.") or name == "::1")


def parse(answer: str, sent: float, received: float) -> Facts:
    """Facts from a survey's lines; `sent` and `received` are our clock around the question (seconds).

    ValueError where a line is not what read.sh writes: such a host has not said what it is.
    """
    said: Mapping[str, str] = dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)
    number = lambda key: _number(said.get(key) or "0")  # noqa: E731
    units = frozenset(said.get("units", "").split())
    facts = Facts(
        arch=ARCHITECTURES.get(said.get("arch", ""), said.get("arch", "")),
        kernel=said.get("kernel", ""),
        hostname=said.get("hostname", ""),
        uid=number("uid"),
        init=said.get("init", ""),
        machine_id=said.get("machine_id", ""),
        memory_mb=number("memory_kb") // 1024,
        cpus=number("cpus"),
        disk_free_mb=number("disk_free_kb") // 1024,
        var_free_mb=number("var_free_kb") // 1024,
        os=said.get("os", ""),
        os_version=said.get("os_version", ""),
        addresses={_address(of): link for of, link in _pairs(said.get("addresses", ""))},
        links=tuple(map(_network, said.get("links", "").replace("default", "0.0.0.0/0").split())),
        beyond=dict(_pairs(said["beyond"])) if "beyond" in said else None,
        cgroup=number("cgroup"),
        read_only=tuple(said.get("read_only", "").split()),
        resolv_conf=said.get("resolv_conf", ""),
        nameservers=tuple(said.get("nameservers", "").split()),
        package_manager=said.get("package_manager", ""),
        etcd_data=said.get("etcd_data") == "yes",
        etcd_state=said.get("etcd_state", ""),
        etcd_token=said.get("etcd_token", ""),
        lease=said.get("lease", ""),
        cluster=said.get("cluster", "").partition(" ")[0],
        authority=said.get("cluster", "").partition(" ")[2],
        swaps=number("swaps"),
        kubernetes=said.get("kubernetes", ""),
        etcd=said.get("etcd", ""),
        containerd=said.get("containerd", ""),
        peer_url=said.get("peer_url", ""),
        node=_node(said.get("kubelet_cert", "")),
        pod_block=said.get("pod_block", ""),
        routes=dict(_pairs(said.get("routes", ""))),
        encryption=said.get("encryption", ""),
        providers=tuple(said.get("providers", "").split()),
        service_cidr=said.get("service_cidr", ""),
        issuer=said.get("issuer", ""),
        pod_cidr=said.get("pod_cidr", ""),
        reserved={of: one for of, one in _pairs(said.get("reserved", "")) if re.fullmatch(QUANTITY, one, re.ASCII)},
        joined=said.get("joined") == "yes",
        signs=said.get("signs") == "yes",
        trusts=tuple(map(_trusted, said.get("trusts", "").split())),
        flags=dict(_pairs(said.get("flags", ""))),
        servers=tuple(said.get("servers", "").split()),
        unsettled=said.get("unsettled") == "yes",
        bound=tuple(map(_port, said.get("bound", "").split())),
        shared=tuple(said.get("shared", "").split()),
        peers=tuple(said.get("peers", "").split()),
        sender=said.get("sender", ""),
        components=frozenset(said.get("components", "").split()),
        restoring=said.get("restoring", ""),
        restored=said.get("restored", ""),
        listening=ports(said.get("listening", "")),
        units=units,
        firewall="firewalld" if "firewalld.service" in units else said.get("firewall", ""),
        holders={_port(port): (program, process) for port, program, process in _triples(said.get("holders", ""))},
        overlay=said.get("filesystem_overlay") == "yes",
        occupied=tuple(said.get("occupied", "").split()),
        beside=leftovers.parse(said),
        api_name=tuple(said["api_name"].split()[1:]) if "api_name" in said else None,
        boot=said.get("boot", ""),
    )
    seconds = _clock(said.get("clock", ""))
    behind, ahead = sent - seconds, seconds - received
    return replace(facts, clock_offset=-behind if behind > 0 else max(ahead, 0.0))


def _number(word: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", word, re.ASCII):
        raise ValueError(f"{word!r} is no number")
    return int(word)


def _port(word: str) -> int:
    if not 0 <= (port := _number(word)) < 1 << 16:
        raise ValueError(f"{word} is no port")
    return port


def _clock(word: str) -> float:
    """Seconds since 1970. Where `date` knows no fractions, what follows the point is no number."""
    return (
        float(word)
        if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", word, re.ASCII)
        else _number(word.split(".")[0] or "0")
    )


def _pairs(words: str) -> Iterator[tuple[str, str]]:
    for word in words.split():
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"{word!r} is no pair")
        yield key, value


def _trusted(word: str) -> tuple[str, str]:
    file, equals, digest = word.rpartition("=")
    if not equals:
        raise ValueError(f"{word!r} is no file with a digest")
    return file, digest


def _address(word: str) -> str:
    IPv4Address(word)
    return word


def _network(word: str) -> str:
    IPv4Network(word)
    return word


def ports(words: str) -> frozenset[int]:
    """Out of hexadecimal numbers, as /proc/net/tcp has them."""
    return frozenset(_port(str(int(port, 16))) for port in words.split())


def _node(certificate: str) -> str:
    """Whose Node a kubelet speaks for, by its certificate (DER in base64); empty when that cannot be read."""
    try:
        subject = x509.load_der_x509_certificate(base64.b64decode(certificate)).subject
    except ValueError:
        return ""
    names = [str(one.value) for one in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return next((name.removeprefix(NODE) for name in names if name.startswith(NODE)), "")


def _triples(words: str) -> list[list[str]]:
    return [parts for word in words.split() if len(parts := word.split("=")) == 3]


def authority(certificate: bytes) -> str:
    """The digest by which a host remembers its cluster's authority (PEM)."""
    return hashlib.sha256(certificate.strip()).hexdigest()[:16]


def etcd_born(facts: Mapping[str, Facts]) -> bool:
    """Whether the etcd cluster has ever had a quorum: some member is marked `existing`, which is written only then."""
    return any(fact.etcd_state == "existing" for fact in facts.values())
