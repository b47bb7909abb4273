"""A paramiko transport that survives many channels at once, and that costs nothing while nothing is said: three of its
habits are broken.

It lets go of a channel's lock before it sends. Data of one thread may so follow the CLOSE with which another thread
answers the server's, and OpenSSH takes data for a channel that it has forgotten as a reason to disconnect ("data packet
referred to nonexistent channel"). A service that hangs up on a tunnel is enough: one such end in thirty, measured on a
busy computer.

It asks for new keys after 512 MB, which is one host's programs. A channel that the server closes meanwhile has the
transport's thread wait for itself, until it gives up after 30 s.

Its thread looks ten times a second whether it is to end. With hundreds of hosts that is most of what a run costs. Once
the connection stands it looks seldom, and is woken when it is to end.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

import paramiko

_CLOSE = 97  # SSH_MSG_CHANNEL_CLOSE, RFC 4254 section 9
# What RFC 4344 section 3.2 allows a cipher with blocks of 16 bytes: 2^32 of them. A server may ask first.
_REKEY_BYTES = 1 << 36
# Seconds between two looks; only a wake-up that was missed would need one.
_IDLE = 10.0


class OrderlyTransport(paramiko.Transport):
    """A transport whose channels send through a gate each, which keeps its keys for 64 GB, and rests when it may."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.packetizer.REKEY_BYTES = _REKEY_BYTES
        self.moved = 0
        self._count("read_all", lambda data: len(data))
        self._count("write_all", lambda nothing: 1)

    def _count(self, name: str, amount: Callable[..., int]) -> None:
        """`moved` grows with all that comes, and with all that somebody has taken."""
        plain = getattr(self.packetizer, name)

        def counted(*args, **options):
            result = plain(*args, **options)
            self.moved += amount(result)
            return result

        setattr(self.packetizer, name, counted)

    def rest(self) -> None:
        """The connection stands: from now on its thread sleeps until something comes."""
        self.sock.settimeout(_IDLE)

    def stop_thread(self) -> None:
        """See paramiko. Closing a socket wakes nobody who waits at it; shutting it down does."""
        self.active = False
        if isinstance(self.sock, socket.socket):
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
        super().stop_thread()

    def open_channel(self, *args, **options) -> paramiko.Channel:
        """See paramiko."""
        channel = super().open_channel(*args, **options)
        # The server may have ended it by now: then the channel knows, and sends nothing more of its own accord.
        channel.transport = _Gate(self)
        return channel


class _Gate:
    """A channel's transport that lets nothing of it out after its CLOSE."""

    def __init__(self, transport: paramiko.Transport):
        self._transport = transport
        self._sending = threading.Lock()
        self._shut = False

    def __getattr__(self, name: str):
        return getattr(self._transport, name)

    def _send_user_message(self, message: paramiko.Message) -> None:
        with self._sending:
            if not self._shut:
                self._shut = message.asbytes()[0] == _CLOSE
                self._transport._send_user_message(message)
