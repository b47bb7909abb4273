"""Noticing a machine that is off: its kernel acknowledges nothing any more of what has been sent.

The kernel could do this by itself (TCP_USER_TIMEOUT), but it also counts the time in which a machine is there and takes
nothing in, because its disk or its processor is slow: that one still acknowledges that it was asked for room.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass

import paramiko

from ...patience import stretched

# A machine that acknowledges nothing for so many seconds is given up. That is much for a slow network, and a step that
# loses its connection is begun again on a new one.
SILENCE = 20.0
LOOK = 2.5
# struct tcp_info of Linux: the numbers of 32 bits behind the first eight bytes.
_PROBES, _UNACKED, _LAST_ACK = 3, 4, 12
_HEAD, _NUMBERS = 8, 13


def unanswered(sock: socket.socket) -> tuple[bool, float] | None:
    """Whether something waits for the other kernel's answer, and how many seconds ago it last gave one; None where
    nobody can say."""
    with contextlib.suppress(AttributeError, OSError, struct.error):
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _HEAD + 4 * _NUMBERS)
        numbers = struct.unpack(f"={_NUMBERS}I", info[_HEAD:])
        return bool(numbers[_UNACKED] or info[_PROBES]), numbers[_LAST_ACK] / 1000
    return None


@dataclass(eq=False)
class Watched:
    """A connection, and since when something waits for an answer."""

    transport: paramiko.Transport
    sock: socket.socket
    since: float | None = None

    def look(self, now: float) -> None:
        """Close the connection when nothing was acknowledged for too long."""
        found = unanswered(self.sock)
        if not found or not found[0]:
            self.since = None
        elif self.since is None or now - found[1] > self.since:  # it has answered since
            self.since = now
        elif now - self.since >= stretched(SILENCE):
            self.transport.close()


_watched: set[Watched] = set()
_changing = threading.Lock()


def watch(transport: paramiko.Transport) -> None:
    """From now on the connection is closed when the machine at its other end is silent; nothing where the TCP
    connection is another program's."""
    if not isinstance(transport.sock, socket.socket):
        return
    with _changing:
        first = not _watched
        _watched.add(Watched(transport, transport.sock))
    if first:
        threading.Thread(target=_look, daemon=True, name="hardway-silence").start()


def _look() -> None:
    """One thread for all connections, as long as there are some."""
    while True:
        time.sleep(LOOK)
        with _changing:
            _watched.difference_update([one for one in _watched if not one.transport.is_active()])
            connections = list(_watched)
            if not connections:
                return
        for one in connections:
            one.look(time.monotonic())
