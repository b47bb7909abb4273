"""What a host says about itself before anything is decided: the answer to the `survey` probe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Facts:
    """One host's facts.

    `arch` is in release naming (amd64, arm64); `addresses` maps each address to its interface;
    `clock_offset` is the host's clock minus ours, in seconds; `kubernetes` is the version our programs there have;
    `occupied` are our data folders that hold data; `holders` maps ports to the program and process that listen there;
    `read_only` are folders we must write to and cannot; a host that could not be asked is not `known`, and nothing follows from it.
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
    cgroup: int = 2
    read_only: tuple[str, ...] = ()
    resolv_conf: str = "/etc/resolv.conf"
    nameservers: tuple[str, ...] = ()
    package_manager: str = "apt-get"
    etcd_data: bool = False
    etcd_state: str = ""
    etcd_token: str = ""
    cluster: str = ""
    authority: str = ""
    kubernetes: str = ""
    swaps: int = 0
    listening: frozenset[int] = field(default_factory=frozenset)
    holders: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    units: frozenset[str] = field(default_factory=frozenset)
    firewall: str = ""
    overlay: bool = True
    clock_offset: float = 0.0
    occupied: tuple[str, ...] = ()
    known: bool = True

    @property
    def own_nameservers(self) -> tuple[str, ...]:
        """Name servers on the host's own loopback, where a pod finds nobody but itself."""
        return tuple(name for name in self.nameservers if name.startswith("127.") or name == "::1")


def parse(answer: str, sent: float, received: float) -> Facts:
    """Facts from a survey's lines; `sent` and `received` are our clock around the question (seconds)."""
    said: Mapping[str, str] = dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)
    number = lambda key: int(said.get(key) or 0)  # noqa: E731
    units = frozenset(said.get("units", "").split())
    facts = Facts(
        arch=ARCHITECTURES.get(said.get("arch", ""), said.get("arch", "")),
        kernel=said.get("kernel", ""), hostname=said.get("hostname", ""),
        uid=number("uid"), init=said.get("init", ""), machine_id=said.get("machine_id", ""), memory_mb=number("memory_kb") // 1024,
        cpus=number("cpus"), disk_free_mb=number("disk_free_kb") // 1024, var_free_mb=number("var_free_kb") // 1024,
        os=said.get("os", ""), os_version=said.get("os_version", ""),
        addresses=dict(pair.split("=", 1) for pair in said.get("addresses", "").split()),
        cgroup=number("cgroup"), read_only=tuple(said.get("read_only", "").split()), resolv_conf=said.get("resolv_conf", ""),
        nameservers=tuple(said.get("nameservers", "").split()), package_manager=said.get("package_manager", ""),
        etcd_data=said.get("etcd_data") == "yes", etcd_state=said.get("etcd_state", ""), etcd_token=said.get("etcd_token", ""),
        cluster=said.get("cluster", "").partition(" ")[0], authority=said.get("cluster", "").partition(" ")[2], swaps=number("swaps"),
        kubernetes=said.get("kubernetes", ""),
        listening=frozenset(int(port, 16) for port in said.get("listening", "").split()), units=units,
        firewall="firewalld" if "firewalld.service" in units else said.get("firewall", ""),
        holders={int(port): (program, process) for port, program, process in _triples(said.get("holders", ""))},
        overlay=said.get("filesystem_overlay") == "yes", occupied=tuple(said.get("occupied", "").split()),
    )  # fmt: skip
    clock = said.get("clock", "")
    seconds = float(clock) if clock.replace(".", "", 1).isdigit() else float(clock.split(".")[0] or 0)
    behind, ahead = sent - seconds, seconds - received
    return replace(facts, clock_offset=-behind if behind > 0 else max(ahead, 0.0))


def _triples(words: str) -> list[list[str]]:
    return [parts for word in words.split() if len(parts := word.split("=")) == 3]


def authority(certificate: bytes) -> str:
    """The digest by which a host remembers its cluster's authority (PEM)."""
    return hashlib.sha256(certificate.strip()).hexdigest()[:16]


def etcd_born(facts: Mapping[str, Facts]) -> bool:
    """Whether the etcd cluster has ever had a quorum: some member is marked `existing`, which is written only then."""
    return any(fact.etcd_state == "existing" for fact in facts.values())
