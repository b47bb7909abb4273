"""One stop on the way to a host: what the inventory and the configuration say of it, made into a hop."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ...cluster import Host
from ...errors import ConnectionFailed
from ...patience import stretched
from ..hop import Hop
from ..host_keys.known_hosts import known_name
from .asking import USUAL
from .powers import NO_HOST_KEYS_FROM, NO_KEYS_FROM, OFF, algorithms, unheeded
from .said import ALONE, LISTS, WAY, Said
from .tokens import Tokens, UnknownToken, home

SYSTEM_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
DEFAULT_KEYS = tuple(f"~/.ssh/id_{kind}" for kind in ("ed25519", "ecdsa", "rsa"))
# What ssh tries when nobody names a key: it is no news that one of them is missing.
UNNAMED = re.compile(r"~/\.ssh/id_[a-z0-9_]+")
STRICT, ACCEPT_NEW = "strict", "accept-new"
# StrictHostKeyChecking that lets a new key pass; one that has changed is refused whatever it says.
LENIENT = ("accept-new", "no", "off", "false")
AGENT = "SSH_AUTH_SOCK"


def wrong(host: Host, said: Said, option: str, why: str) -> ConnectionFailed:
    """The error that names the line of the configuration."""
    return ConnectionFailed(
        f"{said.place(option)}: {option} {why}",
        host.name,
        hint=f"change that for {said.asked}, or set ssh.config in INV to another file, or to none",
    )


@dataclass(frozen=True)
class Stop:
    """A server on the way. `user`, `port` and `key` are those of the inventory, or of a ProxyJump; `jumps` is how many
    hops lead on from here."""

    host: Host
    said: Said
    user: str
    port: int | None = None
    key: Path | None = None
    jumps: int = 0

    def hop(self, via: Hop | None, names: tuple[str, ...] = (), led: bool = True) -> Hop:
        """The hop behind `via`, or else where its own ProxyCommand leads; `names` are those of the inventory. `led`:
        it is its own configuration that leads over `via`.

        ConnectionFailed for a token that ssh does not know.
        """
        with self._known_tokens():
            return self._hop(via, names, led)

    def before(self) -> list[str]:
        """The hosts that its ProxyJump names; ConnectionFailed for a token that ssh does not know."""
        with self._known_tokens():
            return [jump.strip() for jump in self._tokens.command(self.said.first("proxyjump")).split(",") if jump]

    @contextlib.contextmanager
    def _known_tokens(self) -> Iterator[None]:
        try:
            yield
        except UnknownToken as error:
            files = ", ".join(map(str, self.said.files))
            raise ConnectionFailed(f"{error}, in {files}", self.host.name, hint=f"correct {files}") from error

    def _hop(self, via: Hop | None, names: tuple[str, ...], led: bool) -> Hop:
        said, ssh, tokens = self.said, self.host.ssh, self._tokens
        known_hosts, known_as = self._known_hosts(), self._known_as(names)
        keys = {self._key_file(text): text for text in self._identities()}
        return Hop(
            host=self.host.name,
            address=tokens.host,
            port=tokens.port,
            user=tokens.user,
            keys=tuple(keys),
            named_keys=frozenset(path for path, text in keys.items() if not UNNAMED.fullmatch(text)),
            certificates=tuple(tokens.path(text) for text in said.all("certificatefile")),
            agent=self._agent() if ssh.agent else "",
            only_these_keys=said.first("identitiesonly") not in OFF,
            known_as=known_as,
            known_also=() if said.first("hostkeyalias") or tokens.port == 22 else (tokens.host, said.asked),
            known_hosts=(*known_hosts, *_paths(said, "globalknownhostsfile", SYSTEM_KNOWN_HOSTS)),
            record_in=next((path for path in known_hosts[:1] if not _is_nothing(path)), None),
            host_keys=self._strictness(),
            forgets=not self._own_known_hosts and any(map(_is_nothing, known_hosts[:1])),
            timeout=self._timeout(),
            proxy_command="" if via else tokens.command(said.first("proxycommand")),
            via=via,
            is_bastion=not names,
            family=said.first("addressfamily") or "any",
            family_from=f"AddressFamily: {said.place('addressfamily')}" if said.sets("addressfamily") else "",
            bind_address=said.first("bindaddress"),
            hashed=said.first("hashknownhosts") not in OFF,
            known_hosts_command=tokens.words(said.first("knownhostscommand")),
            algorithms=algorithms(said),
            rsa_size=int(said.first("requiredrsasize") or 0),
            no_host_keys_from=unheeded(said, NO_HOST_KEYS_FROM),
            no_keys_from=unheeded(said, NO_KEYS_FROM),
            address_from=self._address_from(str(self.host.address) if names else said.asked),
            asked=said.asked,
            config_option=self._config_option(),
            options=(*(options := tuple(self._options())), *self._port_option()),
            led=led,
            jumpable=not options and not self.key,
        )

    def _address_from(self, known: str) -> str:
        """Who sees the address in an error may never have heard of it: `known` is what the inventory, or a ProxyJump,
        says."""
        address = self._tokens.host
        if address == known or not self.said.sets("hostname"):
            return ""
        return f"{address}: HostName in {self.said.place('hostname')}, in place of {known}"

    def _config_option(self) -> tuple[str, ...]:
        """The configuration file for `ssh`, unless it reads that one by itself."""
        config = self.host.ssh.config
        if config and config.expanduser() == USUAL.expanduser():
            return ()
        return ("-F", str(config) if config else "none")

    def _options(self) -> Iterator[str]:
        """What the inventory says instead of the configuration, and what that says of the host's other name."""
        others = self.said.others
        if self.host.ssh.sets("known_hosts") or "userknownhostsfile" in others:
            yield from ("-o", f"UserKnownHostsFile={' '.join(map(_quoted, self._known_hosts())) or 'none'}")
        for option in (*WAY, *LISTS, *ALONE):
            if option in others and option not in ("user", "port", "userknownhostsfile"):
                for value in self.said.values.get(option, ("none",)):
                    yield from ("-o", f"{option}={value}")

    def _port_option(self) -> tuple[str, ...]:
        port = self._tokens.port
        return ("-p", str(port)) if port != 22 or self.said.sets("port") else ()

    @cached_property
    def _tokens(self) -> Tokens:
        said = self.said
        return Tokens(
            asked=said.asked,
            host=said.first("hostname") or said.asked,
            port=int(said.first("port") or self.port or 22),
            user=said.first("user") or self.user,
            alias=said.first("hostkeyalias"),
        )

    def _identities(self) -> tuple[str, ...]:
        """The inventory's key stands for all others."""
        if self.key:
            return (str(self.key).replace("%", "%%"),)
        return self.said.all("identityfile") if self.said.values else DEFAULT_KEYS

    def _key_file(self, text: str) -> Path:
        """ssh goes by the user database, and what hardway looks for by itself lies where HOME says."""
        return self._tokens.path(text) if self.said.values or self.key else Path(text).expanduser()

    def _agent(self) -> str:
        where = self.said.values.get("identityagent", (AGENT,))[0]
        if where.lower() == "none":
            return ""
        if where == AGENT or where.startswith("$"):
            return os.environ.get(where.strip("${}"), "")
        return home(where)

    def _known_as(self, names: tuple[str, ...]) -> tuple[str, ...]:
        if alias := self.said.first("hostkeyalias"):
            return (alias,)
        address, port = self._tokens.host, self._tokens.port
        everything = (address, str(self.host.address), *names) if names else (address, self.said.asked)
        return tuple(dict.fromkeys(known_name(name, port) for name in everything))

    @property
    def _own_known_hosts(self) -> bool:
        """Whether the inventory says where they are."""
        return self.host.ssh.sets("known_hosts") or not self.said.values

    def _known_hosts(self) -> tuple[Path, ...]:
        """The files of the user."""
        if self._own_known_hosts:
            return (self.host.ssh.known_hosts.expanduser(),) if self.host.ssh.known_hosts else ()
        return _paths(self.said, "userknownhostsfile")

    def _strictness(self) -> str:
        if self.host.ssh.sets("host_keys"):
            return self.host.ssh.host_keys
        return ACCEPT_NEW if self.said.first("stricthostkeychecking") in LENIENT else STRICT

    def _timeout(self) -> float:
        seconds = self.said.first("connecttimeout")
        written = not seconds or self.host.ssh.sets("connect_timeout")
        return stretched(self.host.ssh.connect_timeout if written else float(seconds))


def _is_nothing(path: Path) -> bool:
    """Whether it is a file that keeps nothing, be it by way of a link."""
    return os.path.realpath(path) == os.devnull


def _quoted(path: Path) -> str:
    """A file as the value of an option: ssh takes blanks for the end of it, and % for a token."""
    text = str(path).replace("%", "%%")
    return f'"{text}"' if " " in text else text


def _paths(said: Said, option: str, default: tuple[str, ...] = ()) -> tuple[Path, ...]:
    """The files of an option that has several: ssh prints them side by side, and a path may hold blanks."""
    text = said.first(option) if said.values else " ".join(default)
    return tuple(Path(home(path)) for path in re.split(r" +(?=[/~])", text) if path)
