"""The benchmark's own lab: the machines of inventory/lab.yaml with other addresses, so that it disturbs nobody's
cluster."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from hardway.cluster import Cluster, Host, Role
from hardway.inventory import load
from hardway.lab import LabMachines
from hardway.phase import Inputs
from hardway.phases.binaries import CNI_PLUGINS, program, programs
from hardway.phases.containers import NODE_IMAGES
from hardway.report import Report
from hardway.session import Session

ROOT = Path(__file__).resolve().parent.parent
NODES = ipaddress.IPv4Network("10.242.0.0/24")
PODS, SERVICES = "10.202.0.0/16", "10.34.0.0/24"
GIVEN = ROOT / "inventory" / "lab.yaml"


@dataclass(frozen=True)
class Stage:
    """One cluster to measure: its inventory file, state directory and machines."""

    inventory: Path
    state: Path
    cluster: Cluster
    machines: LabMachines

    def fresh(self) -> None:
        """Bare machines and no keys, as on the first day."""
        self.machines.wipe()
        self.machines.up()

    def session(self) -> Session:
        """Connections of the benchmark's own; it sees the same state directory as the command line."""
        return Session.open(
            self.cluster, self.state, Report(stream=open("/dev/null", "w")), read_only=True, proving=True
        )


def prepare(folder: Path, name: str = "bench") -> Stage:
    """Derive the inventory into `folder` (on a real disk) and load it; no machine is touched."""
    folder.mkdir(parents=True, exist_ok=True)
    document = yaml.safe_load(GIVEN.read_text())
    document["cluster"] = name
    document["network"].update(node_cidr=str(NODES), pod_cidr=PODS, service_cidr=SERVICES)
    document["lab"]["gateway"] = _moved(document["lab"]["gateway"])
    for host in document["hosts"]:
        host["address"] = _moved(host["address"])
    inventory, state = folder / "bench.yaml", folder / "state"
    inventory.write_text(yaml.safe_dump(document, sort_keys=False))
    cluster = load(inventory, state)
    return Stage(inventory, state, cluster, LabMachines(cluster, state))


def _moved(address: str) -> str:
    """The same host number in the benchmark's own network."""
    return str(NODES[int(ipaddress.IPv4Address(address)) & 0xFF])


def payload(inputs: Inputs, host: Host) -> list[Path]:
    """Every large file a bootstrap sends to a host: its programs and, on workers, CNI plugins and images."""
    wanted = [binary.blob.path for binary in programs(inputs, host)]
    if host.is_(Role.WORKER):
        wanted += [program(inputs, host, name).blob.path for name in CNI_PLUGINS]
        wanted += images(inputs, host)
    return [path for path in wanted if path]


def images(inputs: Inputs, host: Host) -> list[Path]:
    """The image archives of a worker."""
    return [inputs.assets.image(name, inputs.facts[host.name].arch).path for name in NODE_IMAGES]


def receivers(cluster: Cluster) -> Sequence[Host]:
    """The hosts that get large files."""
    return cluster.with_role(Role.ETCD, Role.CONTROL_PLANE, Role.WORKER)
