"""No way to a host: real SSH servers on loopback that are away, refuse us, or are not who we think.

The remedy shows by another failure: once we are let in, it is a later question that is answered.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ssh.conftest import User
from ssh.server import Server, free_port, keygen
from stage import Ran

from .cases import case
from .desk import ADDRESS, Desk

pytestmark = pytest.mark.sshd
PASSWORD_WANTED = "Defaults:{user} timestamp_timeout=0\n{user} ALL=(ALL) ALL"


def let_in(ran: Ran) -> None:
    """We are root on the machine: preflight has asked it, and found that it is not the one with the inventory's
    address."""
    assert ran.code == 5 and "is not on any interface" in ran.err, ran


@contextlib.contextmanager
def listening(backlog: int) -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(backlog)
        yield listener.getsockname()[1]


@case("port-closed")
def test_port_closed(desk: Desk, server: Server, told):
    told(desk.hardway("bootstrap", desk.ssh_to(server, port=free_port())), host="node-1")
    let_in(desk.hardway("bootstrap", desk.ssh_to(server)))


@case("host-silent")
def test_host_silent(desk: Desk, server: Server, told):
    with listening(0) as port, socket.create_connection(("127.0.0.1", port)):
        told(desk.hardway("bootstrap", desk.ssh_to(server, port=port, connect_timeout=1)), host="node-1")


@case("not-an-ssh-server")
def test_not_an_ssh_server(desk: Desk, server: Server, told):
    with listening(9) as port:
        told(desk.hardway("bootstrap", desk.ssh_to(server, port=port, connect_timeout=1)), host="node-1")


@case("host-key-unknown")
def test_host_key_unknown(desk: Desk, server: Server, told):
    server.known_hosts.unlink()
    ran = told(desk.hardway("bootstrap", desk.ssh_to(server)), host="node-1")
    carried_out(ran, r"then: (ssh-keyscan .*? >> \S+)")
    let_in(desk.hardway("bootstrap", desk.ssh_to(server)))


@case("host-key-changed")
def test_host_key_changed(desk: Desk, server: Server, told):
    kind, key = keygen(desk.folder / "other").with_suffix(".pub").read_text().split()[:2]
    server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {kind} {key}\n")
    ran = told(desk.hardway("bootstrap", desk.ssh_to(server)), host="node-1")
    carried_out(ran, r"old key: (ssh-keygen .*)")
    assert "is not known" in desk.hardway("bootstrap", desk.ssh_to(server)).ok(4).err


def carried_out(ran: Ran, found: str) -> None:
    """The next command that was named, typed into a shell."""
    subprocess.run(re.search(found, ran.err)[1], shell=True, check=True, capture_output=True, timeout=30)


@case("wrong-key")
def test_wrong_key(desk: Desk, server: Server, told):
    told(desk.hardway("bootstrap", desk.ssh_to(server, key=str(keygen(desk.folder / "stranger")))), host="node-1")


def through(bastion: Server, **changes) -> dict:
    return {"address": "127.0.0.1", "port": bastion.port, "key": str(bastion.key), **changes}


@case("bastion-down")
def test_bastion_down(desk: Desk, server: Server, told):
    bastion = through(server, port=free_port())
    told(desk.hardway("bootstrap", desk.ssh_to(server, bastion=bastion)), host="node-1")


@case("bastion-forbids-forwarding")
def test_bastion_forbids_forwarding(desk: Desk, server: Server, start: Callable[..., Server], told):
    closed = start("closed", "AllowTcpForwarding no\n")
    server.known_hosts.write_text(server.host_key_line() + closed.host_key_line())
    told(desk.hardway("bootstrap", desk.ssh_to(server, bastion=through(closed))), host="node-1")


@case("host-down-behind-bastion")
def test_host_down_behind_bastion(desk: Desk, server: Server, told):
    told(desk.hardway("bootstrap", desk.ssh_to(server, port=free_port(), bastion=through(server))), host="node-1")
    let_in(desk.hardway("bootstrap", desk.ssh_to(server, bastion=through(server))))


@pytest.fixture
def password(desk: Desk) -> Callable[[str], dict[str, str]]:
    """The environment that names a private file with this password."""

    def written(text: str) -> dict[str, str]:
        path = Path(desk.folder / "password")
        path.touch(0o600)
        path.write_text(text)
        return {"HARDWAY_SUDO_PASSWORD_FILE": str(path)}

    return written


@case("sudo-password-wanted")
def test_sudo_password_wanted(desk: Desk, server: Server, user: User, sudoers, password, told):
    sudoers(PASSWORD_WANTED)
    inventory = desk.ssh_to(server, user=user.name)
    told(desk.hardway("bootstrap", inventory), host="node-1")
    let_in(desk.hardway("bootstrap", inventory, environment=password(user.password)))


@case("sudo-password-wrong")
def test_sudo_password_wrong(desk: Desk, server: Server, user: User, sudoers, password, told):
    sudoers(PASSWORD_WANTED)
    ran = told(
        desk.hardway("bootstrap", desk.ssh_to(server, user=user.name), environment=password("not-the-word")),
        host="node-1",
    )
    assert "not-the-word" not in f"{ran.out}{ran.err}"


@case("not-a-sudoer")
def test_not_a_sudoer(desk: Desk, server: Server, user: User, sudoers, password, told):
    inventory = desk.ssh_to(server, user=user.name)
    told(desk.hardway("bootstrap", inventory, environment=password(user.password)), host="node-1")
    sudoers("{user} ALL=(ALL) NOPASSWD: ALL")
    let_in(desk.hardway("bootstrap", inventory))


@case("sudo-for-other-commands")
def test_sudo_for_other_commands(desk: Desk, server: Server, user: User, sudoers, told):
    inventory = desk.ssh_to(server, user=user.name)
    sudoers("{user} ALL=(root) NOPASSWD: /usr/bin/id")
    told(desk.hardway("bootstrap", inventory), host="node-1")
    sudoers("{user} ALL=(ALL) NOPASSWD: ALL")
    let_in(desk.hardway("bootstrap", inventory))


@case("no-sudo")
def test_no_sudo(desk: Desk, start: Callable[..., Server], user: User, told):
    programs = user.home / "programs"
    programs.mkdir()
    for name in ("env", "sh"):
        (programs / name).symlink_to(shutil.which(name))
    server = start(extra=f"SetEnv PATH={programs}\n")
    told(desk.hardway("bootstrap", desk.ssh_to(server, user=user.name)), host="node-1")


@case("log-in-as-another-user")
def test_log_in_as_another_user(desk: Desk, start: Callable[..., Server], told):
    server = start()
    said = 'Please login as the user \\"ubuntu\\" rather than the user \\"root\\".'
    keys = server.folder / "authorized_keys"
    keys.write_text(f"command=\"echo '{said}';echo;exit 142\" {keys.read_text()}")
    told(desk.hardway("bootstrap", desk.ssh_to(server)), host="node-1")


def configured(desk: Desk, server: Server, text: str) -> Path:
    """An inventory whose configuration says something more."""
    inventory = desk.ssh_to(server)
    with (desk.folder / "ssh_config").open("a") as file:
        file.write(text)
    return inventory


@case("ssh-config-wrong")
def test_ssh_config_wrong(desk: Desk, server: Server, told):
    told(desk.hardway("bootstrap", configured(desk, server, "Host *\n  Port many\n")), host="node-1")
    let_in(desk.hardway("bootstrap", desk.ssh_to(server)))


@case("ssh-config-too-much")
def test_ssh_config_too_much(desk: Desk, server: Server, told):
    told(desk.hardway("bootstrap", configured(desk, server, "  RevokedHostKeys /etc/ssh/revoked\n")), host="node-1")
    let_in(desk.hardway("bootstrap", desk.ssh_to(server)))


@case("ssh-config-contradicts-itself")
def test_ssh_config_contradicts_itself(desk: Desk, server: Server, told):
    inventory = configured(desk, server, f"  User one\nHost {ADDRESS}\n  User another\n")
    told(desk.hardway("bootstrap", inventory), host="node-1")


@case("proxy-command-ended")
def test_proxy_command_ended(desk: Desk, server: Server, told):
    told(
        desk.hardway("bootstrap", configured(desk, server, "  ProxyCommand echo no way there >&2; exit 3\n")),
        host="node-1",
    )
