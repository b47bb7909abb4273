"""Prepare the hosts: the cluster's mark, host names, and on workers swap, kernel modules and sysctls.

Everything survives a reboot. hardway marks every host as part of this cluster, with a digest of
its CA, so that no other state directory can change it; if you skip this phase, the next one does
that. It writes a marked block into /etc/hosts. On workers it turns swap off (the kubelet refuses to
start with it), loads br_netfilter and overlay, and enables forwarding: bridged pod traffic must
pass iptables, or Services answer pods on other nodes but not on the same one.

By hand: `swapon --show`, `sysctl net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables`.

Goes wrong: swap comes back after a reboot because a systemd unit, not fstab, turns it on; the bridge sysctls
do not exist until br_netfilter is loaded.
"""

from ..cluster import Host, Role
from ..phase import Inputs, Phase
from ..render import render, render_once
from ..resources import Block, File, KernelModule, SwapOff, Sysctl, text

MODULES = "/etc/modules-load.d/hardway.conf"
SYSCTLS = "/etc/sysctl.d/90-hardway.conf"


def desired(inputs: Inputs, host: Host) -> list:
    hosts = Block("/etc/hosts", "hardway", text(render_once("hosts", inputs.cluster)))
    return [hosts, *(_worker(inputs, host) if host.is_(Role.WORKER) else ())]


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
