"""The byte stream to a hop: a TCP connection, or a program of the user's that makes one (ProxyCommand)."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import threading
from collections import deque

from .hop import Hop

FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
WORDS = 20


class Command:
    """A program whose stdin and stdout lead to an SSH server, in the form of a socket as paramiko uses one.

    It runs as ssh runs it: by the user's shell, which becomes the program itself.
    """

    def __init__(self, command: str):
        self.command = command
        self.words: deque[str] = deque(maxlen=WORDS)
        self._timeout: float | None = None
        self._eof = False
        shell = os.environ.get("SHELL") or "/bin/sh"
        # A session of its own: Ctrl-C is not for it, and without a terminal it fails where it would wait for a person.
        self._process = subprocess.Popen(
            [shell, "-c", f"exec {command}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self._readable = selectors.DefaultSelector()
        self._readable.register(self._process.stdout, selectors.EVENT_READ)
        self._listener = threading.Thread(target=self._listen, daemon=True, name="hardway-proxy")
        self._listener.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stderr:
                self.words.append(line.decode("utf-8", "replace").rstrip())

    @property
    def ended(self) -> bool:
        """Whether it leads nowhere any more."""
        return self._eof or self._process.poll() is not None

    def said(self) -> str:
        """What it has written to its stderr, when it has ended all of it."""
        if self.ended:
            self._listener.join(1)
        return "\n".join(self.words)

    def settimeout(self, seconds: float | None) -> None:
        """See socket."""
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        """See socket."""
        return self._timeout

    def send(self, data: bytes) -> int:
        """See socket; BrokenPipeError when the program has ended."""
        if self.closed:
            raise BrokenPipeError
        return self._process.stdin.write(data)

    def recv(self, size: int) -> bytes:
        """See socket; b"" when the program has ended, TimeoutError."""
        if not self.closed and not self._readable.select(self._timeout):
            raise TimeoutError
        data = b"" if self.closed else os.read(self._process.stdout.fileno(), size)
        self._eof = not data
        return data

    @property
    def closed(self) -> bool:
        return self._process.stdin.closed

    _closed = closed

    def close(self) -> None:
        """End the program, its children too; a second time changes nothing."""
        if self.closed:
            return
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGTERM)
        threading.Thread(target=self._process.wait, daemon=True, name="hardway-proxy-end").start()


def dial(hop: Hop) -> socket.socket | Command:
    """A connection to a hop that is not behind another; OSError when there is none within its timeout."""
    if hop.proxy_command:
        return Command(hop.proxy_command)
    failure: OSError = OSError("the name has no address of this kind")
    wanted = FAMILIES.get(hop.family, socket.AF_UNSPEC)
    for family, kind, protocol, _, address in socket.getaddrinfo(hop.address, hop.port, wanted, socket.SOCK_STREAM):
        try:
            return _connected(socket.socket(family, kind, protocol), address, hop)
        except OSError as error:
            failure = error
    raise failure


def _connected(sock: socket.socket, address: tuple, hop: Hop) -> socket.socket:
    try:
        sock.settimeout(hop.timeout)
        if hop.bind_address:
            sock.bind((hop.bind_address, 0))
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock
