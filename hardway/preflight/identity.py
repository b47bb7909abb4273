"""Whether a host is the machine the inventory means, and a machine of its own."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from ..cluster import Host, Role
from ..facts import Facts
from ..phase import Inputs
from .finding import ClusterCheck, HostCheck

CLOCK_SKEW_SECONDS = 30.0
NAMED = 5  # hosts that share something; of more, their number says enough
SET_CLOCK = "start a time service: timedatectl set-ntp true"
# systemd would take the old one over again from D-Bus's copy.
NEW_MACHINE_ID = "rm -f /etc/machine-id /var/lib/dbus/machine-id && systemd-machine-id-setup && reboot"
Found = Iterator[tuple[str, str]]
FoundOn = Iterator[tuple[Host, str, str]]


def address(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if str(host.address) not in facts.addresses:
        what = f"{host.address} is not on any interface (found {' '.join(facts.addresses)})"
        yield what, "correct `address` in the inventory"


def clock(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if abs(facts.clock_offset) > CLOCK_SKEW_SECONDS and inputs.cluster.lab is None:
        yield f"its clock differs from this computer's by {facts.clock_offset:+.0f} s", SET_CLOCK


def hostname(inputs: Inputs, hosts: list[Host]) -> FoundOn:
    for host, value, others in _shared({host: inputs.facts[host.name].hostname for host in hosts}):
        yield host, f"hostname {value} is also used by {others}", f"hostnamectl set-hostname {host.name}"


def machine_id(inputs: Inputs, hosts: list[Host]) -> FoundOn:
    for host, value, others in _shared({host: inputs.facts[host.name].machine_id for host in hosts}):
        yield host, f"machine-id {value} is also used by {others}", NEW_MACHINE_ID


def _shared(values: dict[Host, str]) -> FoundOn:
    """Each host whose value others have too, the value, and the others' names, as far as a person would read them."""
    alike: dict[str, list[str]] = {}
    for host, value in values.items():
        alike.setdefault(value, []).append(host.name)
    for host, value in values.items():
        if value and len(alike[value]) > 1:
            others = [name for name in alike[value][: NAMED + 1] if name != host.name][:NAMED]
            more = len(alike[value]) - 1 - len(others)
            yield host, value, ", ".join(others) + (f" and {more} more" if more else "")


def clock_skew(inputs: Inputs, hosts: list[Host]) -> FoundOn:
    usual = median(inputs.facts[host.name].clock_offset for host in hosts) if hosts else 0.0
    for host in hosts:
        apart = inputs.facts[host.name].clock_offset - usual
        if abs(apart) > CLOCK_SKEW_SECONDS:
            yield host, f"its clock differs from the other hosts' by {apart:+.0f} s", SET_CLOCK


def node_name(inputs: Inputs, hosts: list[Host]) -> FoundOn:
    """The kubelet registers by the machine's name in lower case, and its certificate is good for the inventory's
    alone."""
    for host in hosts:
        called, node = inputs.facts[host.name].hostname, inputs.facts[host.name].node
        renamed = node not in ("", host.name)  # which is told by itself
        if host.is_(Role.WORKER) and called.lower() != host.name and not renamed:
            what = f"its hostname is {called}, but its kubelet has to register as {host.name}"
            yield host, what, f"hostnamectl set-hostname {host.name}, or rename it in the inventory"


CHECKS = (
    HostCheck("Address", "The inventory's address is on one of the host's interfaces.", address),
    HostCheck("Clock", "Its clock agrees with this computer's.", clock),
)
TOGETHER = (
    ClusterCheck("Hostname", "No two hosts have the same hostname.", hostname),
    ClusterCheck("MachineId", "No two hosts have the same machine-id.", machine_id),
    ClusterCheck("ClockSkew", "The clocks of all hosts agree.", clock_skew),
    ClusterCheck("NodeName", "A worker's hostname is its name in the inventory.", node_name),
)
