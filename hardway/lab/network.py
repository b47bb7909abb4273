"""The lab's network: a switch in a namespace of its own, one cable to the host, one to each machine.

The switch is not in the host's namespace, so the host's firewall and whatever else watches its bridges
(Docker's FORWARD policy, for one) does not touch traffic between machines. Nothing is forwarded from
machines to anywhere: the host's ip_forward stays as it is, and a rule makes the rest unreachable.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

from ..errors import LabError
from .paths import RUN
from .shell import is_mounted, run, unmount
from .spec import LabSpec, MachineSpec

NAMESPACES = Path("/run/netns")
INTERFACES = Path("/sys/class/net")
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")


def ip(*lines: str, namespace: str = "") -> None:
    """Run lines of `ip` in order in a namespace (the host's by default); LabError at the first that fails."""
    inside = ["-n", namespace] if namespace else []
    run("ip", *inside, "-batch", "-", stdin="\n".join(lines) + "\n")


def switch_up(lab: LabSpec) -> None:
    """Make the switch and the host's side of the lab, as far as they are not there; LabError when the network is
    taken."""
    if not _is_up(lab.uplink):
        _refuse_taken(lab)
        _remove_uplink(lab)
        add_namespace(lab.switch)
        ip(f"link add {lab.uplink} type veth peer name host netns {lab.switch}")
        ip(
            "link set lo up",
            "link add switch type bridge stp_state 0 forward_delay 0",
            "link set host master switch up",
            "link set switch up",
            namespace=lab.switch,
        )
        ip(
            f"link set {lab.uplink} addrgenmode none",
            f"addr add {lab.gateway}/{lab.network.prefixlen} dev {lab.uplink}",
            f"link set {lab.uplink} up",
        )
    if not _rule_exists(lab):
        ip(f"rule add pref {lab.preference} iif {lab.uplink} unreachable")
    ip(*(f"route replace blackhole {network} metric {lab.metric}" for network in lab.dark))


def switch_down(lab: LabSpec) -> None:
    """Remove all that `switch_up` made; nothing happens when it is gone already."""
    _remove_uplink(lab)
    if _rule_exists(lab):
        ip(f"rule del pref {lab.preference} iif {lab.uplink} unreachable")
    for route in _routes():
        if route.get("type") == "blackhole" and route.get("metric") == lab.metric:
            ip(f"route del blackhole {route['dst']} metric {lab.metric}")
    last_one_out()


def machine_up(machine: MachineSpec) -> None:
    """A fresh namespace for every boot, so that routes, interfaces and iptables are lost as on a real machine."""
    machine_down(machine)
    add_namespace(machine.namespace)
    ip(f"link add {machine.plug} type veth peer name eth0 netns {machine.namespace}", namespace=machine.switch)
    ip(
        "link set lo up",
        f"link set eth0 address {machine.mac}",
        f"addr add {machine.address}/{machine.prefix} dev eth0",
        "link set eth0 up",
        f"route add default via {machine.gateway}",
        namespace=machine.namespace,
    )
    ip(f"link set {machine.plug} master switch {'down' if machine.cut.exists() else 'up'}", namespace=machine.switch)


def machine_down(machine: MachineSpec) -> None:
    """Remove a machine's cable and namespace; nothing happens when they are gone already."""
    if (NAMESPACES / machine.switch).exists() and _plugged(machine):
        ip(f"link del {machine.plug}", namespace=machine.switch)
    remove_namespace(machine.namespace)


def set_cable(machine: MachineSpec, connected: bool) -> None:
    """Pull or plug a machine's cable at the switch; it stays so across reboots."""
    machine.cut.unlink(missing_ok=True) if connected else machine.cut.touch()
    if (NAMESPACES / machine.switch).exists() and _plugged(machine):
        ip(f"link set {machine.plug} {'up' if connected else 'down'}", namespace=machine.switch)


def allow_many_machines() -> None:
    """Each machine's systemd takes some 15 inotify instances of the one root user they share."""
    if int(INOTIFY.read_text(encoding="utf-8")) < 4096:
        INOTIFY.write_text("4096", encoding="utf-8")


def _is_up(interface: str) -> bool:
    """Whether the interface is there and switched on, which is the last thing done to it."""
    flags = INTERFACES / interface / "flags"
    return flags.exists() and bool(int(flags.read_text(encoding="utf-8"), 16) & 1)


def _remove_uplink(lab: LabSpec) -> None:
    if (INTERFACES / lab.uplink).exists():
        ip(f"link del {lab.uplink}")
    remove_namespace(lab.switch)


def _plugged(machine: MachineSpec) -> bool:
    links = json.loads(run("ip", "-n", machine.switch, "-json", "link", "show"))
    return any(link.get("ifname") == machine.plug for link in links)


@contextmanager
def _folder_of_namespaces() -> Iterator[None]:
    """`ip netns` mounts its folder on itself at first use, and the last one out puts that back: one lab at a time."""
    RUN.mkdir(mode=0o755, exist_ok=True)
    with (RUN / ".namespaces.lock").open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def last_one_out() -> None:
    """Put back what the first namespace has mounted, unless there are others still."""
    with _folder_of_namespaces():
        if is_mounted(NAMESPACES) and not os.listdir(NAMESPACES):
            # Lazily: another lab that just looks whether a namespace is there makes it busy for a moment.
            unmount(NAMESPACES, lazy=True)


def add_namespace(name: str) -> None:
    with _folder_of_namespaces():
        ip(f"netns add {name}")


def remove_namespace(name: str) -> None:
    if (NAMESPACES / name).exists():
        ip(f"netns del {name}")


def _rule_exists(lab: LabSpec) -> bool:
    return any(rule.get("iif") == lab.uplink for rule in json.loads(run("ip", "-4", "-json", "rule", "show") or "[]"))


def _routes() -> list[dict]:
    return json.loads(run("ip", "-4", "-json", "route", "show", "table", "main") or "[]")


def _refuse_taken(lab: LabSpec) -> None:
    for route in _routes():
        if route["dst"] == "default" or route.get("type") == "blackhole":
            continue
        if IPv4Network(route["dst"]).subnet_of(lab.network):
            raise LabError(
                f"the lab's network {lab.network} is in use on this host: route to {route['dst']} on"
                f" {route.get('dev', '?')}",
                hint="give the lab other addresses in the inventory (lab.gateway and the hosts' addresses)",
            )
