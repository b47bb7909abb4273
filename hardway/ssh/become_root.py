"""Starting a root shell on a host: directly, through sudo with or without a password, and where sudo wants a
terminal."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

import paramiko

from ..cluster import Host
from ..errors import AuthenticationError, ConnectionFailed, HardwayError
from .credentials import SUDO_PASSWORD_FILE, Prompt, answers
from .failures import explain, is_break
from .link import Link
from .programs import program
from .remote_shell import Ended, Inbox, RemoteShell

PURPOSE = "sudo"
# A ~/.bashrc that takes this long has the host's owner to answer for it.
START = 60.0


class Broken(Exception):
    """The connection turned out to be gone when a shell was to be started on it; nothing has been run."""


class WantsTerminal(Exception):
    """sudo refuses to run without a terminal (requiretty)."""


@dataclass
class Door:
    """How root is reached on one host; remembers that sudo there wants a terminal."""

    host: Host
    prompt: Prompt | None = None
    wants_terminal: bool = field(default=False, init=False)

    def open(self, link: Link, timeout: float = START) -> RemoteShell:
        """A new root shell over `link`; AuthenticationError when we may not be root, ConnectionFailed when no shell
        starts, Broken."""
        began = time.monotonic()
        try:
            if not self.wants_terminal:
                try:
                    return self._plainly(link, timeout)
                except WantsTerminal:
                    self.wants_terminal = True
            return self._with_terminal(link, timeout)
        except HardwayError:
            raise
        except Ended as ended:
            raise self._no_shell(link, ended.noise) if ended.orderly else Broken() from ended
        except TimeoutError as error:
            raise self._no_shell(link, "", f"within {timeout:.0f} s") from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            if is_break(error):
                raise Broken from error
            raise explain(error, link.hop, time.monotonic() - began) from error

    def _plainly(self, link: Link, timeout: float) -> RemoteShell:
        token = secrets.token_hex(16)
        inbox = _execute(
            link, f"exec {self._sudo(link, token)}sh -c {program('root_shell.sh')} hardway {token}", timeout
        )
        try:
            self._enter(inbox, link, token, timeout)
        except BaseException:
            inbox.channel.close()
            raise
        return RemoteShell(inbox.channel, token, inbox)

    def _with_terminal(self, link: Link, timeout: float) -> RemoteShell:
        token = secrets.token_hex(16)
        mark = f"\n{token} ".encode()
        bridge = _execute(link, f"exec sh -c {program('tty_bridge.sh')} hardway {token}", timeout)
        terminal = None
        try:
            bridge.first(time.monotonic() + timeout, mark)
            folder = bridge.line(time.monotonic() + timeout).decode()
            connect = """'printf "\\n%s %s\\n" "$2" "$(id -u)"; exec sh -c "$1" hardway "$2" <"$3/i" >"$3/o" 2>&1'"""
            sudo = self._sudo(link, token)
            command = f"exec {sudo}sh -c {connect} hardway {program('root_shell.sh')} {token} {folder}"
            terminal = _execute(link, command, timeout, terminal=True)
            self._enter(terminal, link, token, timeout)
            bridge.channel.sendall(b"go\n")
            bridge.first(time.monotonic() + timeout, mark)
            bridge.line(time.monotonic() + timeout)
        except BaseException:
            bridge.channel.close()
            if terminal:
                terminal.channel.close()
            raise
        return RemoteShell(bridge.channel, token, bridge, terminal.channel)

    def _sudo(self, link: Link, token: str) -> str:
        if link.hop.user == "root" or self.host.ssh.sudo == "never":
            return ""
        # "password" has sudo check it every time; otherwise it may rely on an answer it remembers.
        afresh = "-k " if self.host.ssh.sudo == "password" else ""
        return f"env LC_ALL=C sudo {afresh}-S -p {_question(token)} "

    def _enter(self, inbox: Inbox, link: Link, token: str, timeout: float) -> None:
        """Wait for the shell's first answer.

        The password is sent only when sudo asks for it, so none is ever left over as data.
        """
        mark, question = f"\n{token} ".encode(), _question(token).encode()
        password = ""
        deadline = time.monotonic() + timeout
        try:
            while inbox.first(deadline, mark, question) == question:
                if password:
                    answers.forget(PURPOSE, password)
                    raise self._wrong_password(link)
                password = self._password(link)
                inbox.channel.sendall(f"{password}\n".encode())
                deadline = time.monotonic() + timeout
            user = int(inbox.line(deadline))
        except Ended as ended:
            if not ended.orderly:
                raise Broken from ended
            noise = ended.noise.replace(password, "***") if password else ended.noise
            raise self._refused(link, noise) from None
        if user != 0:
            raise AuthenticationError(
                f"{link.hop.user} is not root on {link.hop.endpoint}, and the inventory sets ssh.sudo: never",
                self.host.name,
                hint="set ssh.user: root or ssh.sudo: auto in the inventory",
            )

    def _password(self, link: Link) -> str:
        question = f"sudo password of {link.hop.user} on {self.host.name} and the other hosts"
        password = answers.get(PURPOSE, question, SUDO_PASSWORD_FILE, self.prompt)
        if not password:
            raise AuthenticationError(
                f"sudo needs a password for {link.hop.user} on {link.hop.endpoint}",
                self.host.name,
                hint=f"write it to a file with mode 0600 and set {SUDO_PASSWORD_FILE} to its path",
            )
        return password

    def _wrong_password(self, link: Link) -> AuthenticationError:
        return AuthenticationError(
            f"sudo does not accept the password for {link.hop.user} on {link.hop.endpoint}",
            self.host.name,
            hint=f"{link.hop.ssh_command('-t')} sudo -k -v",
        )

    def _refused(self, link: Link, noise: str) -> Exception:
        if "must have a tty" in noise and not self.wants_terminal:
            return WantsTerminal()
        if "sudo" in noise and self._sudo(link, ""):
            message = f"sudo does not allow {link.hop.user} to become root on {link.hop.endpoint}"
            return AuthenticationError(
                message, self.host.name, evidence=noise, hint=f"{link.hop.ssh_command('-t')} sudo -l"
            )
        return self._no_shell(link, noise)

    def _no_shell(self, link: Link, noise: str, when: str = "") -> ConnectionFailed:
        message = f"{link.hop.user}@{link.hop.endpoint} accepts the login but starts no shell {when}".rstrip()
        return ConnectionFailed(message, self.host.name, evidence=noise, hint=f"{link.hop.ssh_command()} sh -c id")


def _question(token: str) -> str:
    return f"hardway-{token}-password:"


def _execute(link: Link, command: str, timeout: float, terminal: bool = False) -> Inbox:
    channel = link.transport.open_session(timeout=timeout)
    # One stream of everything: nothing blocks for want of a reader, and what a failing start says is kept in order.
    channel.set_combine_stderr(True)
    if terminal:
        channel.get_pty()
    channel.exec_command(command)
    return Inbox(channel)
