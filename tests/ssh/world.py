"""Real logins, each tried with ssh itself and with hardway, with the same configuration: who is let in by which server,
as whom and with which key must be the same."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from hardway.cluster import Host
from hardway.errors import ConnectionFailed
from hardway.settings import Ssh
from hardway.ssh.transport import SshTransport

from .server import Server, agent_at, keygen, sshd

ALWAYS = "-1d:+1d"
ACCEPTED = re.compile(r"Accepted publickey for (\S+) from .*? ssh2: (.*)")


@dataclass
class World:
    """Servers, keys and agents; what a case says goes into one Host block for all."""

    folder: Path
    server: Server
    jump: Server
    stack: ExitStack
    monkeypatch: pytest.MonkeyPatch
    said: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    known: str | None = None

    def key(self, name: str = "key", kind: str = "ed25519", known: bool = True) -> Path:
        """A new key pair, which lets in as any user if it is `known`."""
        path = keygen(self.folder / name, kind)
        if known:
            self.server.authorize(path)
        return path

    def certified(self, key: Path, validity: str = ALWAYS, principals: str = "root") -> Path:
        """A certificate for a key by the CA that the server trusts, as KEY-cert.pub."""
        sign(self.folder / "user_ca", f"{key}.pub", "-n", principals, "-V", validity)
        return Path(f"{key}-cert.pub")

    def agent(self, *keys: Path, variable: str = "SSH_AUTH_SOCK") -> Path:
        """A running agent with keys; `variable` names it to whom we start."""
        path = self.stack.enter_context(agent_at(self.folder / f"agent-{variable}"))
        for key in keys:
            subprocess.run(["ssh-add", "-q", key], check=True, env={**os.environ, "SSH_AUTH_SOCK": str(path)})
        if variable:
            self.monkeypatch.setenv(variable, str(path))
        return path

    def say(self, *lines: str) -> None:
        self.said += lines

    def host_key(self, name: str = "", kind: str = "ed25519", server: Server | None = None) -> str:
        """A line of known_hosts with the server's key under another name."""
        server = server or self.server
        return f"{name or f'[127.0.0.1]:{server.port}'} {(server.folder / f'host_{kind}.pub').read_text()}"

    def config(self) -> Path:
        path, known_hosts = self.folder / "config", self.folder / "known_hosts"
        known_hosts.write_text(self.host_key() + self.host_key(server=self.jump) if self.known is None else self.known)
        usual = [f"Port {self.server.port}", f"UserKnownHostsFile {known_hosts}", "GlobalKnownHostsFile none"]
        lines = [
            *self.before,
            "Host *",
            *(f"  {line}" for line in (*self.said, *usual, "User root", "IdentityFile none")),
        ]
        path.write_text("\n".join(lines) + "\n")
        return path

    def entries(self) -> list[tuple[str, str, str]]:
        """(server, user, key) of every login since the last time."""
        found = []
        for server in (self.jump, self.server):
            found += [(server.folder.name, *match) for match in ACCEPTED.findall(server.log())]
            (server.folder / "log").write_text("")
        return found


def sign(ca: Path, public: str | Path, *options: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-s", ca, "-I", "test", *options, public], check=True, capture_output=True)


@dataclass(frozen=True)
class Case:
    """How a world is arranged, and whether ssh is let in there."""

    arrange: Callable[[World], None]
    let_in: bool


class Cases(dict[str, Case]):
    """Cases by the names of the functions that arrange them."""

    def case(self, let_in: bool = True) -> Callable:
        """A decorator."""

        def noted(arrange: Callable[[World], None]) -> Callable[[World], None]:
            self[arrange.__name__] = Case(arrange, let_in)
            return arrange

        return noted


@contextlib.contextmanager
def a_world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Two servers, the first with a host certificate, and a CA for users that it trusts."""
    for name in ("user_ca", "host_ca"):
        keygen(folder / name)

    def prepare(server: Path) -> None:
        sign(folder / "host_ca", server / "host_ed25519.pub", "-h", "-n", "127.0.0.1", "-V", ALWAYS)

    trust = f"TrustedUserCAKeys {folder}/user_ca.pub\nHostCertificate {folder}/server/host_ed25519-cert.pub\n"
    with ExitStack() as stack:
        server = stack.enter_context(sshd(folder / "server", trust, prepare))
        jump = stack.enter_context(sshd(folder / "jump"))
        yield World(folder, server, jump, stack, monkeypatch)


def both(world: World, connect: Callable[..., SshTransport], case: Case) -> None:
    """Let ssh and hardway try the same."""
    case.arrange(world)
    config = world.config()
    argv = ["ssh", "-F", config, "-T", "-o", "BatchMode=yes", "127.0.0.1", "exit 0"]
    by_ssh = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    entries = world.entries()
    assert (by_ssh.returncode == 0) == case.let_in, f"the oracle has another opinion:\n{by_ssh.stderr}"
    world.config()  # what ssh may have recorded is forgotten
    transport = connect(Host("node-1", IPv4Address("127.0.0.1"), frozenset(), Ssh(config=config)))
    try:
        assert transport.run("id -u").out == b"0\n"
    except ConnectionFailed as error:
        assert not case.let_in, "\n".join(error.lines())
        assert error.exit_code == 4 and error.hint
    else:
        assert case.let_in, "hardway must not go where ssh does not"
    transport.close()
    assert world.entries() == entries
