"""Prepare the hosts: whose they are, names, and on workers swap, kernel modules and sysctls, all of it reboot-proof.

Every host is marked as this cluster's, with a digest of its authority, so that no other state
directory can touch it. It gets a marked block in /etc/hosts. Workers lose their swap (the kubelet refuses to
start with it), load br_netfilter and overlay, and forward packets: bridged pod traffic must pass
iptables, or Services answer pods on other nodes but not on the same one.

By hand: `swapon --show`, `sysctl net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables`.

Goes wrong: swap comes back after a reboot because a systemd unit and not fstab brings it; the bridge sysctls
do not exist as long as br_netfilter is not loaded.
"""

from ..cluster import Host, Role
from ..facts import authority
from ..phase import Inputs, Phase
from ..render import render
from ..resources import Block, File, KernelModule, Owned, SwapOff, Sysctl, text

MODULES = "/etc/modules-load.d/hardway.conf"
SYSCTLS = "/etc/sysctl.d/90-hardway.conf"


def desired(inputs: Inputs, host: Host) -> list:
    hosts = Block("/etc/hosts", "hardway", text(render("hosts", inputs.cluster, host)))
    owned = Owned(inputs.cluster.name, authority(inputs.credentials.ca()))
    return [owned, hosts, *(_worker(inputs, host) if host.is_(Role.WORKER) else ())]


def _worker(inputs: Inputs, host: Host) -> list:
    modules = render("hardway.modules.conf", inputs.cluster, host)
    sysctls = render("90-hardway.sysctl.conf", inputs.cluster, host)
    return [
        SwapOff(),
        File(MODULES, text(modules)),
        *(KernelModule(line) for line in _lines(modules)),
        File(SYSCTLS, text(sysctls)),
        Sysctl(SYSCTLS, tuple(tuple(part.strip() for part in line.split("=", 1)) for line in _lines(sysctls))),
    ]


def _lines(content: bytes) -> list[str]:
    return [line.strip() for line in content.decode().splitlines() if line.strip() and not line.startswith("#")]


PHASE = Phase(
    name="prepare",
    title="Prepare the hosts",
    targets=lambda cluster: cluster.hosts,
    desired=desired,
    needs=lambda inputs: ("pki",),
)
