"""How a host is reached: the inventory and the OpenSSH configuration brought together into one chain of hops.

Who wins: a value the inventory sets > what `ssh -G` says > the default. Only `HostName` is the other way round: the
inventory's address is the one the cluster's machines use among themselves, and a `HostName` for the host's address or
name says where its SSH server is met. `ssh.config: none` leaves the configuration aside.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..cluster import Host
from ..errors import ConnectionFailed
from ..settings import Bastion
from .config.powers import too_much
from .config.said import Asking, Said
from .config.stop import Stop, wrong
from .hop import Hop

ROOT = "root"
JUMPS = 16


def route(host: Host) -> Hop:
    """The chain of hops to a host, the host itself being the one returned.

    ConnectionFailed when the OpenSSH configuration is unusable, or wants what hardway cannot do.
    """
    ssh = host.ssh
    user, port = (getattr(ssh, key) if ssh.sets(key) else None for key in ("user", "port"))
    asking = Asking(ssh.config, user, port, default=ROOT)
    stop = Stop(host, _ask(host, asking, str(host.address), host.name), user or ROOT, port, ssh.key)
    via = _bastion(host, ssh.bastion) if ssh.bastion else _before(stop)
    return stop.hop(via, (host.name,), led=not ssh.bastion)


def _bastion(host: Host, bastion: Bastion) -> Hop:
    """The inventory's bastion is a ProxyJump to it, but for its user and its key."""
    user, port = (getattr(bastion, key) if bastion.sets(key) else None for key in ("user", "port"))
    said = _ask(host, Asking(host.ssh.config, user, port, default=ROOT), bastion.address)
    stop = Stop(host, said, user or ROOT, port, bastion.key, jumps=1)
    return stop.hop(_before(stop))


def _before(stop: Stop) -> Hop | None:
    """The last of the hops that ProxyJump names; the first one is reached as its own configuration says."""
    hop = None
    for jump in stop.before():
        this = _jump(stop, jump)
        hop = this.hop(hop, led=False) if hop else this.hop(_before(this))
    return hop


def _jump(stop: Stop, jump: str) -> Stop:
    match = re.fullmatch(r"(?:ssh://)?(?:(.+)@)?(\[.+\]|[^:]+)(?::(\d+))?/?", jump)
    if not match or stop.jumps >= JUMPS:
        why = f"leads from one host to the next without end, by way of {jump}" if match else f"{jump!r} is no host"
        raise wrong(stop.host, stop.said, "proxyjump", why)
    user, name, port = match[1], match[2].strip("[]"), int(match[3]) if match[3] else None
    said = _ask(stop.host, Asking(stop.host.ssh.config, user, port), name)
    return Stop(stop.host, said, user or "", port, jumps=stop.jumps + 1)


def _ask(host: Host, asking: Asking, address: str, name: str = "") -> Said:
    try:
        said = asking.of(address, name)
    except ConnectionFailed as error:
        raise replace(error, host=host.name) from error
    if refused := too_much(said):
        option, value = refused
        raise wrong(host, said, option, f"{value} is more than hardway can do")
    return said
