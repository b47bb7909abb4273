"""Starting a root shell on a host: directly, through sudo with or without a password, and where sudo wants a
terminal."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from dataclasses import dataclass, field

import paramiko

from ..cluster import Host
from ..errors import AuthenticationError, ConnectionFailed, HardwayError
from ..foreign.understanding import understood
from ..patience import stretched
from .credentials import SUDO_PASSWORD_FILE, Prompt, answers
from .failures import explain, is_break
from .link import Link, located
from .programs import program
from .remote_shell import Ended, Inbox, RemoteShell
from .sudo import NotTried, Refusal, passwords, readable, refusal

# How images of clouds answer a login as root.
SOMEBODY_ELSE = re.compile(r"log ?in as (?:the )?(?:user )?[\"'`]*([A-Za-z0-9_.-]+)", re.IGNORECASE)
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
    _may: bool = field(default=False, init=False)

    def open(self, link: Link, timeout: float) -> RemoteShell:
        """A new root shell over `link`; AuthenticationError when we may not be root, ConnectionFailed when no shell
        starts, Broken."""
        try:
            return self._open(link, timeout)
        except HardwayError as error:
            raise located(error, link.hop) from error

    def _open(self, link: Link, timeout: float) -> RemoteShell:
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
            raise self._no_shell(link, str(error), f"within {timeout:.0f} s") from error
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
        # Defaults may name another user to become than root.
        # What sudo makes of %% is in no trace of this command line, so that only sudo itself can ask the question.
        question = _question(token).replace("%", "%%")
        return f"env LC_ALL=C sudo {afresh}-u root -S -p '{question}%p;' "

    def _enter(self, inbox: Inbox, link: Link, token: str, timeout: float) -> None:
        """Wait for the shell's first answer.

        The password is sent only when sudo asks for it, so none is ever left over as data.
        """
        mark, question = f"\n{token} ".encode(), _question(token).encode()
        deadline, password, whose = time.monotonic() + timeout, "", link.hop.user
        with contextlib.ExitStack() as trial:
            try:
                while inbox.first(deadline, mark, question) == question:
                    if password:
                        raise self._wrong_password(link, whose, password)
                    whose = _named(inbox.line(deadline, b";")) or whose
                    self._may_run_a_shell(link, timeout)
                    password = self._password(link, whose, trial)
                    inbox.channel.sendall(f"{password}\n".encode())
                    deadline = time.monotonic() + timeout
                said = inbox.line(deadline)
            except Ended as ended:
                if not ended.orderly:
                    raise Broken from ended
                if password and refusal(ended.noise) is Refusal.PASSWORD:
                    raise self._wrong_password(link, whose, password) from None
                raise self._refused(link, ended.noise, password, token) from None
            if password:
                passwords.accepted(whose, password)
        with understood(f"`id -u` on {self.host.name}", said, self.host.name):
            user = int(said)
        if user != 0:
            raise AuthenticationError(
                f"{link.hop.user} is not root on {link.hop.endpoint}, and the inventory sets ssh.sudo: never",
                self.host.name,
                hint="set ssh.user: root or ssh.sudo: auto in the inventory",
            )

    def _may_run_a_shell(self, link: Link, timeout: float) -> None:
        """Nobody is asked for a password that leads nowhere: sudo may say without one that other commands are all it
        allows."""
        if self._may:
            return
        # With -k it does not wait for the record of passwords, which the sudo that has just asked us for one holds.
        code, said = _answered(link, "exec env LC_ALL=C sudo -k -n -l sh", timeout)
        said = "\n".join(line for line in said.splitlines() if "sudo -k -n -l" not in line)  # a shell may trace
        if code == 1 and (not said.strip() or refusal(said) is Refusal.OTHER_COMMANDS):
            raise self._only_other_commands(link, said)
        self._may = True

    def _password(self, link: Link, user: str, trial: contextlib.ExitStack) -> str:
        purpose = f"sudo {user}"
        question = f"sudo password of {user} on {self.host.name} and the other hosts"

        def known() -> str:
            password = answers.get(purpose, question, SUDO_PASSWORD_FILE, self.prompt)
            if not password:
                raise AuthenticationError(
                    f"sudo needs a password for {user} on {link.hop.endpoint}",
                    self.host.name,
                    hint=f"write it to a file with mode 0600 and set {SUDO_PASSWORD_FILE} to its path",
                )
            return password

        try:
            return trial.enter_context(passwords.trial(user, self.host.name, known))
        except NotTried as elsewhere:
            answers.forget(purpose, elsewhere.password)
            raise AuthenticationError(
                f"the sudo password of {user} was not tried on {link.hop.endpoint}: {elsewhere.host} refused it",
                self.host.name,
                hint=f"{link.hop.ssh_command('-t')} sudo -k -v",
            ) from None

    def _wrong_password(self, link: Link, user: str, password: str) -> AuthenticationError:
        if passwords.refused(user, password, self.host.name):
            answers.forget(f"sudo {user}", password)
        return AuthenticationError(
            f"sudo does not accept the password for {user} on {link.hop.endpoint}",
            self.host.name,
            hint=f"{link.hop.ssh_command('-t')} sudo -k -v",
        )

    def _refused(self, link: Link, noise: str, password: str, token: str) -> Exception:
        why = refusal(noise) if self._sudo(link, "") else None
        said = readable(noise, password, token)
        if why is None:
            return self._no_shell(link, said)
        if why is Refusal.TERMINAL and not self.wants_terminal:
            return WantsTerminal()
        if why is Refusal.MISSING:
            return self._no_sudo(link, said)
        if why is Refusal.OTHER_COMMANDS:
            return self._only_other_commands(link, said)
        return self._not_root(link, f"sudo does not allow {link.hop.user} to become root on {link.hop.endpoint}", said)

    def _only_other_commands(self, link: Link, said: str) -> AuthenticationError:
        message = f"sudo allows {link.hop.user} some commands on {link.hop.endpoint}, but no shell, which hardway needs"
        return self._not_root(link, message, said)

    def _not_root(self, link: Link, message: str, said: str) -> AuthenticationError:
        return AuthenticationError(message, self.host.name, evidence=said, hint=f"{link.hop.ssh_command('-t')} sudo -l")

    def _no_sudo(self, link: Link, said: str) -> AuthenticationError:
        """Nothing there makes a user root that hardway knows; another program may."""
        has_doas, _ = _answered(link, "exec sh -c 'command -v doas'", stretched(START))
        what = "no program sudo" if has_doas else "doas but not sudo, the only one that hardway uses"
        return AuthenticationError(
            f"{link.hop.endpoint} has {what}, so {link.hop.user} cannot become root",
            self.host.name,
            evidence=said,
            hint="install sudo there, or set ssh.user: root in INV",
        )

    def _no_shell(self, link: Link, noise: str, when: str = "") -> ConnectionFailed:
        other = SOMEBODY_ELSE.search(noise)
        user = link.hop.user
        if other and other[1] not in ("NONE", user):
            return AuthenticationError(
                f"{link.hop.endpoint} accepts the key but does not let {user} in: it wants a login as {other[1]}",
                self.host.name,
                evidence=readable(noise),
                hint=f"set ssh: {{user: {other[1]}}} for {self.host.name} in INV",
            )
        message = f"{user}@{link.hop.endpoint} accepts the login but starts no shell {when}".rstrip()
        hint = f"{link.hop.ssh_command()} sh -c id"
        return ConnectionFailed(message, self.host.name, evidence=readable(noise), hint=hint)


def _question(token: str) -> str:
    """What sudo asks with; behind it stands whose password it wants, which need not be the login's (rootpw)."""
    return f"hardway-%{token}-password:"


def _named(whose: bytes) -> str:
    """A user's name; "" where a sudo does not know how to say it."""
    return whose.decode("utf-8", "replace") if b"%" not in whose else ""


def _execute(link: Link, command: str, timeout: float, terminal: bool = False) -> Inbox:
    channel = link.transport.open_session(timeout=timeout)
    # One stream of everything: nothing blocks for want of a reader, and what a failing start says is kept in order.
    channel.set_combine_stderr(True)
    if terminal:
        channel.get_pty()
    channel.exec_command(command)
    return Inbox(channel)


def _answered(link: Link, command: str, timeout: float) -> tuple[int, str]:
    """The exit code of a short command of the login user, -1 when there is none in time, and all its output."""
    inbox = _execute(link, command, timeout)
    said = inbox.rest(time.monotonic() + timeout)
    inbox.channel.status_event.wait(timeout)
    inbox.channel.close()
    return inbox.channel.exit_status, said
