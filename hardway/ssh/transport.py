"""The Transport of one host: a connection kept open, a few root shells on it, and reconnection when it broke."""

from __future__ import annotations

import atexit
import contextlib
import copy
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

import paramiko

from ..cluster import Host
from ..errors import ConnectionFailed, ConnectionLost, HardwayError, NotReadyError, UnreachedError
from ..patience import stretched
from ..transport import STOPPED, Result, forwarding_forbidden
from . import tunnel
from .become_root import START, Broken, Door
from .credentials import Prompt
from .failures import UNTOLD, is_break
from .link import Link, located, open_link
from .remote_shell import Ended, RemoteShell, SourceFailed, Stopped
from .route import route

# sshd allows ten sessions on a connection by default (MaxSessions); one with a terminal costs us two.
SHELLS = 4
# How long the end of a script that passed its timeout may take to arrange.
KILL = 8.0
_END = (
    "kill -TERM -PID || kill -TERM PID; for n in 1 2 3 4 5 6 7 8; do kill -0 -PID || exit 0; sleep 0.2 || sleep 1;"
    " done; kill -KILL -PID"
)

T = TypeVar("T")
_open: weakref.WeakSet[SshTransport] = weakref.WeakSet()


class SshTransport:
    """See hardway.transport.Transport."""

    def __init__(self, host: Host, prompt: Prompt | None = None):
        self.host = host
        self._prompt = prompt
        self._door = Door(host, prompt)
        self._link: Link | None = None
        self._failure: tuple[float, HardwayError] | None = None
        self._connecting = threading.Lock()
        self._slots = threading.BoundedSemaphore(SHELLS)
        self._idle: list[RemoteShell] = []
        self._idle_lock = threading.Lock()

    def __repr__(self):
        return f"SshTransport({self.host.name})"

    def connect(self) -> None:
        """Open the connection unless it is open; ConnectionFailed, HostKeyError or AuthenticationError."""
        self._connected()

    def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """Run a script as root; its text and stdin travel over the channel.

        Never repeated when the connection breaks.
        """
        limit = stretched(timeout)
        return self._call(lambda shell: shell.run(script, stdin, limit), script, limit)

    def stream(
        self,
        command: str,
        chunks: Iterable[bytes],
        *,
        timeout: float = 600.0,
        sent: Callable[[int], None] | None = None,
    ) -> Result:
        """Run a command as root with `chunks` as its stdin; a command that ends early is answered with its result all
        the same.

        When `chunks` fails the command is killed, so that it never takes half of its input for all of it. When the
        connection breaks nobody can do that: a command that matters checks what it was given.
        """
        limit = stretched(timeout)
        return self._call(
            lambda shell: shell.stream(command, chunks, limit, sent), command, limit, end_when_interrupted=True
        )

    def follow(self, command: str, lines: Callable[[str], None], stop: Callable[[], bool] = lambda: False) -> int:
        """Run a command as root and hand on its output (both streams) line by line; it is ended when `stop` says so, or
        by an interrupt."""
        try:
            return self._call(lambda shell: shell.follow(command, lines, stop), command, 0.0, end_when_interrupted=True)
        except Stopped:
            return STOPPED

    def talk(
        self, command: str, lines: Callable[[str], None], say: Callable[[], bytes | None], every: float = 1.0
    ) -> int:
        """Run a command as root that is spoken to all the time: its output (both streams) is handed on line by line,
        what `say` returns goes to its stdin, and None ends it."""
        try:
            return self._call(lambda shell: shell.talk(command, lines, say, every), command, 60.0, True)
        except Stopped:
            return STOPPED

    def dial(self, port: int, address: str = "127.0.0.1", seconds: float | None = None) -> socket.socket:
        """A socket to address:port as seen from the host; UnreachedError when nobody takes it within `seconds` (the
        host's connect_timeout)."""
        return tunnel.as_socket(self._channel_to(port, address, seconds))

    def forward(self, port: int, address: str = "127.0.0.1") -> AbstractContextManager[int]:
        """A port on our loopback carried to address:port as seen from the host, while the context lasts."""
        return tunnel.listening(lambda: self._channel_to(port, address))

    def close(self) -> None:
        """Close the shells and the connection; a later call opens them again."""
        with self._connecting:
            self._drop()

    def _connected(self) -> Link:
        asked = time.monotonic()
        with self._connecting:
            if self._link is None or not self._link.alive:
                # Several may want a host that is off: nobody waits a second time for what has failed meanwhile.
                if self._failure and self._failure[0] > asked:
                    raise copy.copy(self._failure[1])
                self._drop()
                self._link = self._opened()
                _open.add(self)
            return self._link

    def _opened(self) -> Link:
        try:
            return open_link(route(self.host), self._prompt)
        except HardwayError as error:
            self._failure = time.monotonic(), error
            raise

    def _drop(self) -> None:
        with self._idle_lock:
            shells, self._idle = self._idle, []
        for shell in shells:
            shell.close()
        if self._link:
            self._link.close()
        self._link = None

    @contextlib.contextmanager
    def _shell(self) -> Iterator[RemoteShell]:
        with self._slots:
            shell = self._at_once(self._take_or_open)
            try:
                yield shell
            except BaseException:
                shell.close()
                raise
            if not shell.usable:
                shell.close()
                return
            with self._idle_lock:
                self._idle.append(shell)

    def _take_or_open(self, link: Link) -> RemoteShell:
        with self._idle_lock:
            self._idle = [shell for shell in self._idle if shell.usable]
            if self._idle:
                return self._idle.pop()
        return self._door.open(link, stretched(START))

    def _at_once(self, use: Callable[[Link], T]) -> T:
        """Begin something on the connection; on a new one when the old proves broken. Only for what has run nothing
        yet.

        One that is alive is tried twice before it is given up: others are at work on it.
        """
        cause, spared = None, False
        for _ in range(3):
            link = self._connected()
            try:
                return use(link)
            except Broken as broken:
                cause = broken
                if link.alive and not spared:
                    spared = True
                else:
                    link.close()
        message = f"the connection to {self.host.name} broke as soon as it was open"
        hop = route(self.host)
        raise located(ConnectionLost(message, self.host.name, hint=hop.ssh_command("-v")), hop) from cause

    def _call(
        self, work: Callable[[RemoteShell], T], script: str, timeout: float, end_when_interrupted: bool = False
    ) -> T:
        with self._shell() as shell:
            began = time.monotonic()
            try:
                return work(shell)
            except TimeoutError:
                seconds = time.monotonic() - began
                self._end(shell.process)
                raise self._too_slow(script, timeout, seconds) from None
            except Stopped:
                self._end(shell.process)
                raise
            except KeyboardInterrupt:
                # A script that changes something is left to finish: half done would be worse.
                if end_when_interrupted:
                    self._end(shell.process)
                raise
            except SourceFailed as failed:
                self._end(shell.process)
                raise failed.__cause__ from None
            except (Ended, OSError, EOFError, paramiko.SSHException) as error:
                raise self._lost(script, error, time.monotonic() - began) from error

    def _end(self, process: int) -> None:
        """End a script that is still running on the host, with its children, if the host can still be talked to."""
        link = self._link
        if not process or link is None or not link.alive:
            return
        with contextlib.suppress(HardwayError, Broken, Ended, OSError, EOFError, paramiko.SSHException):
            shell = self._door.open(link, stretched(KILL))
            try:
                shell.run(_END.replace("PID", str(process)), b"", stretched(KILL))
            finally:
                shell.close()

    def _channel_to(self, port: int, address: str, seconds: float | None = None) -> paramiko.Channel:
        def open_on(link: Link) -> paramiko.Channel:
            limit = stretched(seconds) if seconds else link.hop.timeout
            try:
                return link.transport.open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=limit)
            except (paramiko.SSHException, OSError, EOFError) as error:
                if is_break(error) and not (str(error) == UNTOLD and link.alive):
                    raise Broken from error
                raise self._unreached(port, address, limit, error) from error

        return self._at_once(open_on)

    def _unreached(self, port: int, address: str, seconds: float, error: Exception) -> ConnectionFailed:
        if isinstance(error, paramiko.ChannelException) and error.code == 1:
            return forwarding_forbidden(self.host, f"{address}:{port}")
        reason = (
            "nothing answers there" if isinstance(error, paramiko.ChannelException) else str(error).strip().rstrip(".")
        )
        message = f"{address}:{port} cannot be reached from {self.host.name}: {reason}"
        waited = {} if isinstance(error, paramiko.ChannelException) else {"waited_seconds": seconds}
        return UnreachedError(message, self.host.name, hint=f"on {self.host.name}: ss -ltnp sport = :{port}", **waited)

    def _too_slow(self, script: str, timeout: float, seconds: float) -> NotReadyError:
        first = _first_line(script)
        return NotReadyError(
            f"a command on {self.host.name} did not finish within {timeout:g} s",
            self.host.name,
            command=first,
            waited_for="the command to finish",
            waited_seconds=seconds,
            hint=f"see what it is doing: {route(self.host).ssh_command()} ps axf",
        )

    def _lost(self, script: str, error: Exception, seconds: float) -> ConnectionLost:
        noise = error.noise if isinstance(error, Ended) else str(error)
        shell_only = isinstance(error, Ended) and error.orderly
        what = f"the shell on {self.host.name} exited" if shell_only else f"the connection to {self.host.name} broke"
        hint = (
            f"see whether it answers: {route(self.host).ssh_command()}; then run the same command again: it continues"
        )
        return ConnectionLost(
            f"{what} during a command",
            self.host.name,
            command=_first_line(script),
            waited_for="the command to finish",
            waited_seconds=seconds,
            evidence=noise,
            hint=hint,
        )


def _first_line(script: str) -> str:
    lines = (line.strip() for line in script.splitlines())
    return next((line[:120] for line in lines if line and not line.startswith("#")), "")


@atexit.register
def _close_all() -> None:
    for transport in list(_open):
        transport.close()
