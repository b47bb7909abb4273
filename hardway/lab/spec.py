"""What a lab and each of its machines are, as plain values: every name and address is derived here, once."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from ..cluster import Cluster
from ..errors import LabError
from .paths import lab_directory

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class MachineSpec:
    """One machine. `directory` holds its disk, log and state; `memory` is bytes, 0 for no limit."""

    lab: str
    name: str
    address: str
    prefix: int
    gateway: str
    port: int
    memory: int
    directory: str
    base: str

    @property
    def home(self) -> Path:
        return Path(self.directory)

    @property
    def root(self) -> Path:
        """Where the machine's root file system is mounted on the host while it is on."""
        return self.home / "root"

    @property
    def console(self) -> Path:
        return self.home / "console.log"

    @property
    def state(self) -> Path:
        return self.home / "state.json"

    @property
    def cut(self) -> Path:
        """Exists while the machine's cable is pulled: a reboot does not plug it in again."""
        return self.home / "cut"

    @property
    def switch(self) -> str:
        return switch_name(self.lab)

    @property
    def namespace(self) -> str:
        """No switch has a name like it: a cluster's name holds no dot, and "a-b" may be one beside a lab "a" with a
        machine "b"."""
        return f"{self.switch}.{self.name}"

    @property
    def plug(self) -> str:
        """The machine's end of the cable at the switch; interface names have 15 characters at most."""
        return f"hwp{_hex(self.address)}"

    @property
    def mac(self) -> str:
        return "02:00:" + ":".join(re.findall("..", _hex(self.address)))

    def save(self) -> None:
        (self.home / "machine.json").write_text(json.dumps(asdict(self)), encoding="utf-8")

    @staticmethod
    def load(home: Path) -> MachineSpec:
        return MachineSpec(**json.loads((home / "machine.json").read_text(encoding="utf-8")))


@dataclass(frozen=True)
class LabSpec:
    """A lab's place in the host's network. `dark` are the networks that must never leave by another interface."""

    name: str
    directory: Path
    gateway: IPv4Address
    network: IPv4Network
    dark: tuple[IPv4Network, ...]
    hosts: tuple[tuple[str, str], ...]
    source: str

    @staticmethod
    def of(cluster: Cluster) -> LabSpec:
        """The lab of a cluster; LabError when the inventory has none or an address lies outside its network."""
        if cluster.lab is None:
            raise LabError(
                f"cluster {cluster.name} has no lab: hardway does not create its machines",
                hint="add a `lab:` section to the inventory",
            )
        network = IPv4Network(f"{cluster.lab.gateway}/{cluster.lab.prefix}", strict=False)
        for host in cluster.hosts:
            if host.address not in network or host.address == cluster.lab.gateway:
                raise LabError(
                    f"{host.name}'s address {host.address} is not a free address of the lab's network {network}"
                )
        directory = (cluster.lab.directory or lab_directory(cluster.name)).expanduser().absolute()
        if set(str(directory)) & set(",:\\"):
            raise LabError(
                f"lab.directory {directory} contains a comma, colon or backslash, which mount options do not allow"
            )
        plan = cluster.network
        dark = dict.fromkeys(n for n in (network, plan.node_cidr, plan.pod_cidr, plan.service_cidr) if n)
        return LabSpec(
            name=cluster.name,
            directory=directory,
            gateway=cluster.lab.gateway,
            network=network,
            dark=tuple(dark),
            hosts=tuple((host.name, str(host.address)) for host in cluster.hosts),
            source=str(cluster.source or ""),
        )

    @property
    def machines(self) -> Path:
        return self.directory / "machines"

    @property
    def switch(self) -> str:
        return switch_name(self.name)

    @property
    def uplink(self) -> str:
        """The host's own interface in the lab's network."""
        return f"hwl{_hex(self.network.network_address)}"

    @property
    def preference(self) -> int:
        """Place of the lab's rule among the host's; early enough to precede what a VPN adds."""
        return 200 + (int(self.network.network_address) >> 8) % 800

    @property
    def metric(self) -> int:
        """Worse than any real route, and another one for each lab's network, so that labs do not share routes."""
        return 10_000 + (int(self.network.network_address) >> 8) % 50_000


def machine_specs(cluster: Cluster, lab: LabSpec, base: Path) -> dict[str, MachineSpec]:
    """The machines of a cluster by name, in the inventory's order."""
    assert cluster.lab is not None
    memory = memory_bytes(cluster.lab.memory)
    return {
        host.name: MachineSpec(
            lab=lab.name,
            name=host.name,
            address=str(host.address),
            prefix=lab.network.prefixlen,
            gateway=str(lab.gateway),
            port=host.ssh.port,
            memory=memory,
            directory=str(lab.machines / host.name),
            base=str(base),
        )
        for host in cluster.hosts
    }


def switch_name(lab: str) -> str:
    return f"hardway-{lab}"


def memory_bytes(text: str) -> int:
    """Bytes of a size such as 2G or 512M; 0 for none; LabError when it is not one."""
    match = re.fullmatch(r"(\d+)([KMG]?)(?:i?B?)", text.strip() or "0", re.IGNORECASE)
    if not match:
        raise LabError(f"lab.memory {text!r} is not a size", hint="write it like 2G or 512M")
    return int(match.group(1)) * UNITS[match.group(2).upper()]


def _hex(address: str | IPv4Address) -> str:
    return f"{int(IPv4Address(address)):08x}"
