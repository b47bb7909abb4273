"""One SSH server on the way to a host, with all that is needed to log in there."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path


@dataclass(frozen=True)
class Hop:
    """One SSH server on the way.

    `known_as` are its names in known_hosts, best first, `known_also` those that need not be its own; of those files
    only `record_in` is ever written to, with hashed names if `hashed`; `known_hosts_command` prints more such lines.
    One that `forgets` accepts new keys and records none.
    `agent` is the socket of the agent, "" for none. `named_keys` are the keys that somebody has named. `algorithms` are
    those that the configuration allows, by its options, and `rsa_size` is the fewest bits of an RSA key.
    `no_host_keys_from` and `no_keys_from` are the lines of the configuration that are of no effect, for errors.
    `address_from` says where the address stands that is not the inventory's, "" for that one.
    `asked` is the name by which the configuration knows it; `config_option` and `options` are what
    `ssh` must be given besides to go the same way. It is `led` here if the configuration has `ssh` take the hops before
    this one by itself, and a ProxyJump leads over this hop by itself if it is `jumpable`: the configuration knows all
    that counts.
    """

    host: str
    address: str
    port: int
    user: str
    keys: tuple[Path, ...]
    agent: str
    only_these_keys: bool
    known_as: tuple[str, ...]
    known_hosts: tuple[Path, ...]
    record_in: Path | None
    host_keys: str
    timeout: float
    known_also: tuple[str, ...] = ()
    named_keys: frozenset[Path] = frozenset()
    certificates: tuple[Path, ...] = ()
    proxy_command: str = ""
    via: Hop | None = None
    is_bastion: bool = False
    family: str = "any"
    family_from: str = ""
    bind_address: str = ""
    hashed: bool = False
    forgets: bool = False
    known_hosts_command: tuple[str, ...] = ()
    algorithms: tuple[tuple[str, frozenset[str]], ...] = ()
    rsa_size: int = 0
    no_host_keys_from: tuple[str, ...] = ()
    no_keys_from: tuple[str, ...] = ()
    address_from: str = ""
    asked: str = ""
    config_option: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    led: bool = False
    jumpable: bool = True

    @property
    def endpoint(self) -> str:
        return f"{self.address}:{self.port}"

    @property
    def called(self) -> str:
        """Its address as a person should read it: who has to do with the host must learn that a bastion is meant."""
        return f"the bastion {self.endpoint}" if self.is_bastion else self.endpoint

    @property
    def wants_another_family(self) -> bool:
        """Whether the configuration wants an IPv4 address in place of an IPv6 one, or the other way round."""
        with contextlib.suppress(ValueError):
            return self.family == ("inet" if ip_address(self.address).version == 6 else "inet6")
        return False

    def allowed(self, option: str, names: Iterable[str]) -> list[str]:
        """Those of the algorithms that the configuration allows by this option."""
        allowed = dict(self.algorithms).get(option)
        return [name for name in names if allowed is None or name in allowed]

    def too_short(self, blob: bytes) -> bool:
        """Whether this is an RSA key, or a certificate of one, with fewer bits than the configuration wants."""
        kind, *numbers = _fields(blob)
        modulus = 2 if b"cert" in kind else 1
        return kind.startswith(b"ssh-rsa") and int.from_bytes(numbers[modulus], "big").bit_length() < self.rsa_size

    def ssh_command(self, *options: str) -> str:
        """The OpenSSH command line that goes the same way, for hints."""
        parts = ["ssh", *options, *self.config_option, *self.options]
        parts += ["-i", str(self.keys[0])] if self.keys and self.keys[0].exists() else []
        parts += self._way()
        return shlex.join([*parts, f"{self.user}@{self.asked}"])

    def _way(self) -> list[str]:
        """What leads to this hop. What ssh is given on its command line does not count for the jumps of -J."""
        if self.led or not self.via:
            return []
        if self.via.all_jumpable:
            return ["-J", self.jumps]
        return ["-o", f"ProxyCommand={self.via.ssh_command().replace('%', '%%')} -W '[%h]:%p'"]

    @property
    def all_jumpable(self) -> bool:
        """Whether it is jumpable, and all before it."""
        return self.jumpable and (self.led or self.via is None or self.via.all_jumpable)

    @property
    def jumps(self) -> str:
        """The hops before this one as ProxyJump writes them, from the first to which the configuration does not lead
        by itself."""
        hops, hop = [], self.via
        while hop:
            name = f"[{hop.asked}]" if ":" in hop.asked else hop.asked
            hops.append(f"{hop.user}@{name}" + (f":{hop.port}" if hop.port != 22 else ""))
            hop = None if hop.led else hop.via
        return ",".join(reversed(hops))


def _fields(blob: bytes) -> list[bytes]:
    """The fields of a public key: its kind, and its numbers; before those of a certificate a random one."""
    fields = []
    while blob:
        end = 4 + int.from_bytes(blob[:4], "big")
        fields.append(blob[4:end])
        blob = blob[end:]
    return fields
