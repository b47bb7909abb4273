"""Talking to root_shell.sh over one channel: a request goes out, noise is skipped, an exactly framed answer comes
back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator

import paramiko

from ..patience import stretched
from ..transport import Result

# What sshd takes in one packet of a session (32768) less what paramiko keeps back for itself: one byte more would go
# out as a second packet. paramiko would also copy the rest of a longer buffer once per packet.
PACKET = 32768 - 64
PROGRESS = 1 << 20
# How often somebody who follows a command is asked whether to go on.
ASKED = 0.3
# How long a host may take to begin with a command.
BEGIN = 60.0
# How long a command may take to end by itself once its stdin is closed.
PARTING = 5.0
NOISE = 1 << 20


class Ended(Exception):
    """The channel was closed: by the host in an orderly way, or because the connection broke.

    `noise` is what came last.
    """

    def __init__(self, noise: str, orderly: bool):
        super().__init__(noise)
        self.noise = noise
        self.orderly = orderly


class SourceFailed(Exception):
    """What was to be sent could not be read here; the error itself is the cause."""


class Stopped(Exception):
    """Whoever followed a command has seen enough; it still runs."""


class Inbox:
    """Bytes that have come over a channel and are not yet spoken for."""

    def __init__(self, channel: paramiko.Channel):
        self.channel = channel
        self._bytes = bytearray()

    def first(self, deadline: float, *marks: bytes) -> bytes:
        """Skip up to and with the first of the marks and return it; Ended or TimeoutError when none comes."""
        seen = 0
        while True:
            found = [(at, mark) for mark in marks if (at := self._bytes.find(mark, seen)) >= 0]
            if found:
                at, mark = min(found)
                del self._bytes[: at + len(mark)]
                return mark
            if len(self._bytes) > NOISE:
                del self._bytes[:-PACKET]
            seen = max(0, len(self._bytes) - max(map(len, marks)))
            self._more(deadline)

    def line(self, deadline: float, end: bytes = b"\n") -> bytes:
        """The next line without its newline, or what else comes before a single byte."""
        while (at := self._bytes.find(end)) < 0:
            self._more(deadline)
        line = bytes(self._bytes[:at])
        del self._bytes[: at + 1]
        return line

    def exactly(self, count: int, deadline: float) -> bytes:
        """The next `count` bytes."""
        while len(self._bytes) < count:
            self._more(deadline)
        taken = bytes(memoryview(self._bytes)[:count])
        del self._bytes[:count]
        return taken

    def rest(self, deadline: float) -> str:
        """All that comes until the other side ends; less when it does not end in time."""
        with contextlib.suppress(TimeoutError, Ended):
            while True:
                self._more(deadline)
        return self._bytes.decode("utf-8", "replace")

    def _more(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(self._bytes[-PACKET:].decode("utf-8", "replace"))
        self.channel.settimeout(None if left == float("inf") else left)
        try:
            data = self.channel.recv(1 << 18)
        except TimeoutError:
            return
        if not data:
            raise Ended(self._bytes.decode("utf-8", "replace"), self.channel.eof_received)
        self._bytes += data


class RemoteShell:
    """One root shell on a host. Not safe for threads: the pool hands it to one call at a time.

    Every method may raise Ended, OSError or paramiko's SSHException (the connection broke) and TimeoutError; after any
    of these the shell is of no more use.
    """

    def __init__(self, channel: paramiko.Channel, token: str, inbox: Inbox, *companions: paramiko.Channel):
        self._channel = channel
        self._token = token
        self._mark = f"\n{token} ".encode()
        self._inbox = inbox
        self._companions = companions
        self._spent = False
        self.process = 0

    @property
    def usable(self) -> bool:
        return not (self._spent or self._channel.closed or self._channel.eof_received)

    def run(self, script: str, stdin: bytes, timeout: float) -> Result:
        """Run a script to its end, at most `timeout` seconds in all."""
        deadline = time.monotonic() + timeout
        self._request("run", script, stdin, timeout)
        self._learn_process(deadline)
        return self._result(deadline)

    def stream(
        self, script: str, chunks: Iterable[bytes], timeout: float, sent: Callable[[int], None] | None
    ) -> Result:
        """Run a script with the rest of the channel as its stdin; `timeout` seconds may pass without progress. The
        shell ends with it.

        Also raises SourceFailed, with the channel still open: closing it would look to the command like the proper end
        of its input.
        """
        self._request("stream", script, b"", timeout)
        self._learn_process(time.monotonic() + timeout)
        self._channel.settimeout(timeout)
        for chunk in _from_source(chunks):
            if not self._feed(chunk, sent):
                break
        self._channel.shutdown_write()
        return self._result(time.monotonic() + timeout)

    def follow(self, command: str, lines: Callable[[str], None], stop: Callable[[], bool]) -> int:
        """Run a command and hand on its output line by line as it comes; Stopped when `stop` says so.

        The shell ends with it.
        """
        self._request("follow", self._announced(command), b"", stretched(BEGIN))
        self._learn_process(time.monotonic() + stretched(BEGIN))
        return self._hand_on(lines, lambda: self._next_line(stop))

    def talk(self, command: str, lines: Callable[[str], None], say: Callable[[], bytes | None], every: float) -> int:
        """Run a command, hand on its output like `follow`, and give it on its stdin what `say` returns, asked at once
        and then `every` so many seconds; None closes its stdin, and Stopped is raised when it does not end by that.

        The shell ends with it.
        """
        self._request("talk", self._announced(command), b"", stretched(BEGIN))
        # Its stdin is the rest of the channel, so that what is said first need not wait for its process number.
        self._feed(say() or b"", None)
        self._learn_process(time.monotonic() + stretched(BEGIN))
        return self._hand_on(lines, lambda: self._next_answer(say, every))

    def _announced(self, command: str) -> str:
        """Output goes straight to the channel, so the script itself has to say its process number before the first
        line."""
        return f'printf "\\n%s %s\\n" {self._token} "$$"\n{command}'

    def _hand_on(self, lines: Callable[[str], None], following: Callable[[], bytes]) -> int:
        """Give away each line up to the end mark; the exit code that stands there."""
        end, held = self._mark[1:], False
        while not (line := following()).startswith(end):
            if held:
                lines("")
            # The end mark begins with a newline of its own: an empty line counts only when something else follows.
            held = not line
            if line:
                lines(line.decode("utf-8", "replace"))
        return int(line.split()[1])

    def _next_line(self, stop: Callable[[], bool]) -> bytes:
        while not stop():
            with contextlib.suppress(TimeoutError):
                return self._inbox.line(time.monotonic() + ASKED)
        raise Stopped

    def _next_answer(self, say: Callable[[], bytes | None], every: float) -> bytes:
        # A command that takes no more has ended: its last words are on the way.
        while (words := say()) is not None and self._feed(words, None):
            with contextlib.suppress(TimeoutError):
                return self._inbox.line(time.monotonic() + every)
        self._channel.shutdown_write()
        try:
            return self._inbox.line(time.monotonic() + stretched(PARTING))
        except TimeoutError:
            raise Stopped from None

    def close(self) -> None:
        for channel in (self._channel, *self._companions):
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                channel.close()

    def _request(self, mode: str, script: str, stdin: bytes, timeout: float) -> None:
        body = script.encode() + b"\n"
        self.process = 0
        self._spent = mode != "run"
        self._channel.settimeout(timeout)
        self._send(f"{mode} {len(body)} {len(stdin)}\n".encode() + body + (stdin if len(stdin) < PACKET else b""))
        if len(stdin) >= PACKET:
            self._send(stdin)

    def _send(self, data: bytes) -> None:
        if not self._feed(data, None):
            raise Ended("", self._channel.eof_received)

    def _feed(self, data: bytes, sent: Callable[[int], None] | None) -> bool:
        """Send data in packets; False when the other side takes no more."""
        view = memoryview(data)
        for begin in range(0, len(view), PROGRESS):
            piece = view[begin : begin + PROGRESS]
            for at in range(0, len(piece), PACKET):
                if not self._packet(bytes(piece[at : at + PACKET])):
                    return False
            if sent:
                sent(len(piece))
        return True

    def _packet(self, data: bytes) -> bool:
        while data:
            try:
                count = self._channel.send(data)
            except TimeoutError:
                raise
            except OSError:
                return False
            if count == 0:
                return False
            data = data[count:]
        return True

    def _learn_process(self, deadline: float) -> None:
        self._inbox.first(deadline, self._mark)
        self.process = int(self._inbox.line(deadline))

    def _result(self, deadline: float) -> Result:
        self._inbox.first(deadline, self._mark)
        code, out, err = map(int, self._inbox.line(deadline).split())
        return Result(code, self._inbox.exactly(out, deadline), self._inbox.exactly(err, deadline))


def _from_source(chunks: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except Exception as error:
        raise SourceFailed from error
