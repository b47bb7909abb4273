from __future__ import annotations

import dataclasses
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hardway import ssh
from hardway.cluster import Host
from hardway.ssh import become_root
from hardway.ssh.credentials import answers
from hardway.ssh.sudo import SharedPasswords
from hardway.ssh.transport import SshTransport

from .server import Server, missing_tools, sshd


@pytest.fixture(autouse=True)
def nobody_knows_a_secret(monkeypatch: pytest.MonkeyPatch):
    """Answers live as long as the process: no test may profit from another's."""
    monkeypatch.setattr(answers, "_known", {})
    monkeypatch.setattr(become_root, "passwords", SharedPasswords())
    for variable in ("HARDWAY_SUDO_PASSWORD_FILE", "HARDWAY_KEY_PASSPHRASE_FILE", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="session")
def tools() -> None:
    """What these tests need of the machine. Nobody must believe they passed where they did not run."""
    reason = "" if os.geteuid() == 0 else "the SSH tests need root, to start sshd"
    if missing := missing_tools():
        reason = f"the SSH tests need {', '.join(missing)}"
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_server(tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with sshd(tmp_path_factory.mktemp("shared") / "sshd") as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    """One plain server for all tests; only what it knows of hosts is written anew each time."""
    shared_server.known_hosts.write_text(shared_server.host_key_line())
    return shared_server


@pytest.fixture
def start(tools, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start further servers: start("name", "extra configuration")."""
    with ExitStack() as stack:
        yield lambda name="sshd", extra="", **more: stack.enter_context(sshd(tmp_path / name, extra, **more))


@pytest.fixture
def opened() -> Iterator[list[SshTransport]]:
    transports: list[SshTransport] = []
    yield transports
    for transport in transports:
        transport.close()


@pytest.fixture
def connect(opened: list[SshTransport]) -> Callable[..., SshTransport]:
    """hardway.ssh.connect, closed after the test."""

    def connecting(host: Host, **more) -> SshTransport:
        opened.append(ssh.connect(host, **more))
        return opened[-1]

    return connecting


@dataclasses.dataclass(frozen=True)
class User:
    name: str
    password: str
    home: Path


@pytest.fixture
def user(tools, opened: list[SshTransport]) -> Iterator[User]:
    """A login user with bash and a password, removed afterwards with all it owns."""
    name, password = f"hw{secrets.token_hex(4)}", f"pw-{secrets.token_hex(8)}"
    # Not the next free number: files of a user removed long ago may still carry that one, and would be this user's.
    number = str(70_000 + secrets.randbelow(30_000))
    subprocess.run(["useradd", "-u", number, "-m", "-s", "/bin/bash", name], check=True, capture_output=True)
    try:
        subprocess.run(["chpasswd"], input=f"{name}:{password}".encode(), check=True)
        yield User(name, password, Path(f"/home/{name}"))
    finally:
        for transport in opened:
            transport.close()
        idle = time.monotonic() + 10
        while subprocess.run(["pgrep", "-u", name], capture_output=True).returncode == 0 and time.monotonic() < idle:
            time.sleep(0.1)
        subprocess.run(["pkill", "-KILL", "-u", name], check=False)
        # -f: a process that is just being killed must not keep the user.
        subprocess.run(["userdel", "-f", "-r", name], check=False, capture_output=True)
        assert not Path(f"/home/{name}").exists()


@pytest.fixture
def sudoers(user: User) -> Iterator[Callable[[str], None]]:
    """Write rules for the test user: {user} in them is its name."""
    path = Path(f"/etc/sudoers.d/{user.name}")

    def write(rules: str) -> None:
        path.write_text(rules.replace("{user}", user.name) + "\n")
        path.chmod(0o440)
        subprocess.run(["visudo", "-cqf", path], check=True)

    yield write
    path.unlink(missing_ok=True)
