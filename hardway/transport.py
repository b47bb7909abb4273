"""What the rest of the package knows of a connection to one host.

`hardway.ssh` implements it with fabric and paramiko.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from .cluster import Host
from .errors import ForwardingError

STOPPED = 130
FORWARDING_REMEDY = (
    "set AllowTcpForwarding local in /etc/ssh/sshd_config there, then: systemctl reload ssh"
    "   (sshd -T | grep -i forwarding  shows what counts; a line of authorized_keys may forbid it too)"
)


def forwarding_forbidden(host: Host, where: str) -> ForwardingError:
    """sshd answers so (administratively prohibited) for AllowTcpForwarding, DisableForwarding, PermitOpen and a key's
    own restrictions alike."""
    return ForwardingError(f"sshd on {host.name} forbids forwarding to {where}", host.name, hint=FORWARDING_REMEDY)


@dataclass(frozen=True)
class Result:
    """What a command left behind: its exit code and exactly the bytes it wrote."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return self.out.decode("utf-8", "replace")

    @property
    def error_text(self) -> str:
        return self.err.decode("utf-8", "replace")


class Transport(Protocol):
    """One host, reached lazily on first use, as root. Safe to use from several threads.

    Errors: ConnectionFailed and its kinds when the host cannot be reached, ConnectionLost when an
    open connection breaks, NotReadyError when a command passes its timeout (the host is named).
    A non-zero exit is not an error here: the caller judges `Result.code`.
    """

    host: Host

    def connect(self) -> None:
        """Open the connection now (a no-op when it is open)."""

    def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """Run a POSIX sh script as root. Neither script nor stdin ever stands in an argv, env or log."""

    def stream(
        self,
        command: str,
        chunks: Iterable[bytes],
        *,
        timeout: float = 600.0,
        sent: Callable[[int], None] | None = None,
    ) -> Result:
        """Run a short shell command as root while feeding it `chunks` on stdin; `sent(n)` is called with byte counts.

        `timeout` bounds the time without any progress. For large binaries: nothing is held in memory.
        """

    def follow(self, command: str, lines: Callable[[str], None], stop: Callable[[], bool] = lambda: False) -> int:
        """Run a command as root, handing on its output line by line until it ends, `stop` says so, or the caller's
        KeyboardInterrupt.

        Stopped or interrupted, the command is ended on the host with all its children; its code is STOPPED then.
        """

    def talk(
        self, command: str, lines: Callable[[str], None], say: Callable[[], bytes | None], every: float = 1.0
    ) -> int:
        """Run a command as root that ends with this call, or with the connection: its output is handed on line by line,
        and `say` is asked `every` so many seconds for what goes to its stdin, where None is the end.

        Its code is STOPPED when it had to be ended on the host.
        """

    def dial(self, port: int, address: str = "127.0.0.1", seconds: float | None = None) -> socket.socket:
        """A connected socket to address:port as seen from the host (direct-tcpip), fit for ssl.wrap_socket."""

    def forward(self, port: int, address: str = "127.0.0.1") -> AbstractContextManager[int]:
        """A listening port on our own loopback, each connection carried to address:port as seen from the host."""

    def close(self) -> None: ...
