"""A connection that tells the log of every round trip: what was asked or done, how it ended, how long it took.

Never the content.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from ..targets import host as shell
from ..transport import Result, Transport

T = TypeVar("T")
LONGEST = 300
TAIL = 5
AT_ONCE = 0.005  # seconds: who is asked to connect and is connected already says so sooner
# What a script of the vocabulary calls, see host/read.sh and host/write.sh.
CALLS = re.compile(r"^(?:at=\d+; |echo '== \w+ \d+'; )?([qw]_.*)$", re.MULTILINE)


class Traced:
    """See hardway.transport.Transport; `tell` is given a line, or several when a command said something on stderr."""

    def __init__(self, transport: Transport, tell: Callable[[str], None]):
        self.transport, self.tell, self.host = transport, tell, transport.host

    def __repr__(self) -> str:
        return repr(self.transport)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def connect(self) -> None:
        self._told("connect", self.transport.connect, worth=AT_ONCE)

    def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        given = f", {len(stdin)} bytes given" if stdin else ""
        return self._told(
            f"run{given}: {essence(script)}", lambda: self.transport.run(script, stdin=stdin, timeout=timeout)
        )

    def stream(
        self,
        command: str,
        chunks: Iterable[bytes],
        *,
        timeout: float = 600.0,
        sent: Callable[[int], None] | None = None,
    ) -> Result:
        act = f"stream: {essence(command)}"
        return self._told(act, lambda: self.transport.stream(command, chunks, timeout=timeout, sent=sent))

    def follow(self, command: str, lines: Callable[[str], None], stop: Callable[[], bool] = lambda: False) -> int:
        return self._told(f"follow: {essence(command)}", lambda: self.transport.follow(command, lines, stop))

    def talk(
        self, command: str, lines: Callable[[str], None], say: Callable[[], bytes | None], every: float = 1.0
    ) -> int:
        return self._told(f"talk: {essence(command)}", lambda: self.transport.talk(command, lines, say, every))

    def dial(self, port: int, address: str = "127.0.0.1", seconds: float | None = None) -> socket.socket:
        return self._told(f"dial {address}:{port}", lambda: self.transport.dial(port, address, seconds))

    def forward(self, port: int, address: str = "127.0.0.1") -> AbstractContextManager[int]:
        return self._told(f"forward {address}:{port}", lambda: self.transport.forward(port, address))

    def _told(self, what: str, act: Callable[[], T], worth: float = 0.0) -> T:
        """Do it; told of when it failed, or took at least so long."""
        begun, outcome, well = time.monotonic(), "broke off", False
        try:
            answer = act()
            outcome, well = ended(answer), True
            return answer
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
            raise
        finally:
            seconds = time.monotonic() - begun
            first, *more = outcome.splitlines() or [""]
            if seconds >= worth or not well:
                self.tell("\n".join([f"{self.host.name} {what} -> {first} ({seconds:.3f} s)", *more]))


def essence(script: str) -> str:
    """What a script is about: the calls of ours, or its own first line."""
    body = script.removeprefix(shell.READ).removeprefix(shell.WRITE).removeprefix(shell.LEASE)
    calls = CALLS.findall(body) if body != script else []
    if calls:
        return "; ".join(calls)
    lines = (line.strip() for line in body.splitlines())
    return next((line[:LONGEST] for line in lines if line and not line.startswith("#")), "")


def ended(answer: Any) -> str:
    """How a round trip ended, with the tail of what it complained of."""
    if isinstance(answer, Result):
        return "\n".join([f"exit {answer.code}", *answer.error_text.strip().splitlines()[-TAIL:]])
    return f"exit {answer}" if isinstance(answer, int) else "ok"
