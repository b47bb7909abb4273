"""A real OpenSSH server on loopback with keys, configuration and known_hosts of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

from hardway.cluster import Host, Role
from hardway.settings import Bastion, Ssh

SSHD = "/usr/sbin/sshd"
CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_ed25519
HostKey {folder}/host_ecdsa
AuthorizedKeysFile none
AuthorizedKeysCommand /bin/cat {folder}/authorized_keys
AuthorizedKeysCommandUser root
PidFile {folder}/sshd.pid
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
UsePAM no
LogLevel VERBOSE
"""


def keygen(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", path], check=True)
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@dataclasses.dataclass
class Server:
    """`key` is a private key that is let in as any user."""

    folder: Path
    port: int
    key: Path
    process: subprocess.Popen

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def host(self, name: str = "node-1", **ssh) -> Host:
        wanted = {
            "port": self.port,
            "key": self.key,
            "agent": False,
            "config": None,
            "known_hosts": self.known_hosts,
            **ssh,
        }
        return Host(name, IPv4Address("127.0.0.1"), frozenset({Role.WORKER}), Ssh(**wanted))

    def bastion(self, **more) -> Bastion:
        return Bastion("127.0.0.1", "root", self.port, more.get("key", self.key))

    def host_key_line(self, kind: str = "ed25519") -> str:
        fields = (self.folder / f"host_{kind}.pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {fields[0]} {fields[1]}\n"

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def sessions(self) -> list[int]:
        """Process numbers of the children that serve connections."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(child) for child in children]

    def cut(self) -> None:
        """Kill every open connection at the server's side."""
        for child in self.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def authorize(self, key: Path) -> None:
        with (self.folder / "authorized_keys").open("a") as file:
            file.write(key.with_name(key.name + ".pub").read_text())


@contextlib.contextmanager
def sshd(folder: Path, extra: str = "", prepare: Callable[[Path], None] = lambda folder: None) -> Iterator[Server]:
    """A running server; `extra` lines stand first in its configuration, where sshd lets them win. `prepare` may work on
    its keys before it starts."""
    folder.mkdir(parents=True)
    port = free_port()
    for kind in ("ed25519", "ecdsa"):
        keygen(folder / f"host_{kind}", kind)
    key = keygen(folder / "user_key")
    (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text())
    main, _, match = extra.partition("Match ")
    (folder / "sshd_config").write_text(
        main + CONFIG.format(port=port, folder=folder) + (f"Match {match}" if match else "")
    )
    prepare(folder)
    os.makedirs("/run/sshd", exist_ok=True)
    process = subprocess.Popen([SSHD, "-D", "-f", folder / "sshd_config", "-E", folder / "log"])
    server = Server(folder, port, key, process)
    server.known_hosts.write_text(server.host_key_line())
    try:
        await_port(port, process)
        yield server
    finally:
        server.cut()
        process.terminate()
        process.wait(10)


def await_port(port: int, process: subprocess.Popen, seconds: float = 10, address: str = "127.0.0.1") -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
            return
        time.sleep(0.1)
    raise AssertionError(f"sshd did not begin to listen on port {port}; its exit code: {process.poll()}")


@contextlib.contextmanager
def agent_at(path: Path) -> Iterator[Path]:
    """A running ssh-agent that listens there: its socket is a file before anybody may connect to it."""
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        while not _listens(path):
            assert process.poll() is None
            time.sleep(0.01)
        yield path
    finally:
        process.terminate()
        process.wait(10)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def missing_tools() -> list[str]:
    return [tool for tool in (SSHD, "ssh-keygen", "ssh-agent", "sudo", "useradd", "busybox") if not shutil.which(tool)]
