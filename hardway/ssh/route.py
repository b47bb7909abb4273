"""How a host is reached: the inventory and ~/.ssh/config brought together into one chain of hops.

Who wins: a value the inventory sets (one that differs from the default) > ~/.ssh/config > the default. Only `HostName`
is the other way round: the inventory's address is the one the cluster's machines use among themselves, and a `HostName`
for the host's name or address says where its SSH server is met. `StrictHostKeyChecking` of ~/.ssh/config is not heeded:
`ssh.host_keys` alone decides. `ssh.config: null` leaves ~/.ssh/config aside.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..cluster import Host
from ..errors import ConnectionFailed
from ..settings import Ssh
from . import ssh_config
from .host_keys.known_hosts import known_name

SYSTEM_KNOWN_HOSTS = (Path("/etc/ssh/ssh_known_hosts"), Path("/etc/ssh/ssh_known_hosts2"))
DEFAULT_KEYS = tuple(Path("~/.ssh") / name for name in ("id_ed25519", "id_ecdsa", "id_rsa"))


@dataclass(frozen=True)
class Hop:
    """One SSH server on the way.

    `known_as` are its names in known_hosts, best first; of those files only `record_in` is ever written to.
    """

    host: str
    address: str
    port: int
    user: str
    keys: tuple[Path, ...]
    agent: bool
    only_these_keys: bool
    known_as: tuple[str, ...]
    known_hosts: tuple[Path, ...]
    record_in: Path | None
    host_keys: str
    timeout: float
    proxy_command: str = ""
    via: Hop | None = None
    is_bastion: bool = False

    @property
    def endpoint(self) -> str:
        return f"{self.address}:{self.port}"

    @property
    def called(self) -> str:
        """Its address as a person should read it: who has to do with the host must learn that a bastion is meant."""
        return f"the bastion {self.endpoint}" if self.is_bastion else self.endpoint

    def ssh_command(self, *options: str) -> str:
        """The OpenSSH command line that goes the same way, for hints."""
        parts = ["ssh", *options]
        parts += ["-p", str(self.port)] if self.port != 22 else []
        parts += ["-i", str(self.keys[0])] if self.keys and self.keys[0].expanduser().exists() else []
        parts += ["-J", self.jumps] if self.via else []
        return " ".join([*parts, f"{self.user}@{self.address}"])

    @property
    def jumps(self) -> str:
        """The hops before this one as ProxyJump writes them."""
        hops, hop = [], self.via
        while hop:
            hops.append(f"{hop.user}@{hop.address}" + (f":{hop.port}" if hop.port != 22 else ""))
            hop = hop.via
        return ",".join(reversed(hops))


def route(host: Host) -> Hop:
    """The chain of hops to a host, the host itself being the one returned.

    ConnectionFailed when ~/.ssh/config is unusable.
    """
    ssh, address = host.ssh, str(host.address)
    said = ssh_config.options(ssh.config, host.name, address)
    wanted = {"user": _set(ssh.user, Ssh.user), "port": _set(ssh.port, Ssh.port), "key": ssh.key}
    return _hop(host, said, address, (host.name,), wanted, _before(host, said))


def _set(value: Any, default: Any) -> Any:
    return value if value != default else None


def _before(host: Host, said: dict[str, Any]) -> Hop | None:
    """The hop before the host: the inventory's bastion, else ~/.ssh/config's ProxyJump."""
    if bastion := host.ssh.bastion:
        options = ssh_config.options(host.ssh.config, bastion.address)
        wanted = {"user": _set(bastion.user, "root"), "port": _set(bastion.port, 22), "key": bastion.key}
        return _hop(host, options, bastion.address, (), wanted, None)
    hop = None
    for jump in filter(None, str(said.get("proxyjump") or "").split(",")):
        if jump.strip().lower() == "none":
            return None
        hop = _jump(host, jump.strip(), hop)
    return hop


def _jump(host: Host, jump: str, before: Hop | None) -> Hop:
    match = re.fullmatch(r"(?:ssh://)?(?:(.+)@)?(\[.+\]|[^:]+)(?::(\d+))?/?", jump)
    if not match:
        raise ConnectionFailed(
            f"ProxyJump {jump!r} is not [user@]host[:port]", host.name, hint=f"correct {host.ssh.config}"
        )
    user, name, port = match.groups()
    options = ssh_config.options(host.ssh.config, name.strip("[]"))
    return _hop(host, options, name.strip("[]"), (), {"user": user, "port": port, "key": None}, before)


def _hop(
    host: Host, said: dict[str, Any], address: str, names: tuple[str, ...], wanted: dict[str, Any], via: Hop | None
) -> Hop:
    port = _port(wanted["port"] or said.get("port") or 22, host)
    own = _known_hosts_files(host.ssh, said)
    where = str(said.get("hostname") or address)
    identities = [Path(name) for name in said.get("identityfile", ())]
    aliases = (
        (said["hostkeyalias"],)
        if "hostkeyalias" in said
        else tuple(known_name(n, port) for n in (where, address, *names))
    )
    return Hop(
        host=host.name,
        address=where,
        port=port,
        user=str(wanted["user"] or said.get("user") or "root"),
        keys=tuple(path.expanduser() for path in ([wanted["key"]] if wanted["key"] else identities or DEFAULT_KEYS)),
        agent=host.ssh.agent,
        only_these_keys=str(said.get("identitiesonly", "no")).lower() == "yes",
        known_as=tuple(dict.fromkeys(aliases)),
        known_hosts=own + SYSTEM_KNOWN_HOSTS,
        record_in=own[0] if own else None,
        host_keys=host.ssh.host_keys,
        timeout=host.ssh.connect_timeout,
        proxy_command="" if via else str(said.get("proxycommand") or ""),
        via=via,
        is_bastion=not names,
    )


def _port(text: Any, host: Host) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConnectionFailed(
            f"the port {text!r} is not a number", host.name, hint=f"correct Port in {host.ssh.config}"
        ) from None


def _known_hosts_files(ssh: Ssh, said: dict[str, Any]) -> tuple[Path, ...]:
    named = said.get("userknownhostsfile") if ssh.known_hosts == Ssh.known_hosts else None
    own = (
        [Path(os.path.expanduser(name)) for name in str(named).split()]
        if named
        else [ssh.known_hosts and ssh.known_hosts.expanduser()]
    )
    return tuple(path for path in own if path and str(path) != "/dev/null")
