"""Signs of life: a peer whose kernel still answers, or a bastion that does, may have nobody behind it any more."""

from __future__ import annotations

import contextlib
import threading

import paramiko

from ...patience import stretched
from ..channels import OrderlyTransport

# So often we ask: what is dead in the kernel's eyes is found out elsewhere, see hardway.ssh.life.silence. An answer may
# take much longer on a slow network, or from a slow machine, where it queues behind what is being pushed: only when
# nothing moves for PATIENCE seconds either, nobody is there.
EVERY = 30.0
PATIENCE = 90.0


def feel(transport: OrderlyTransport) -> None:
    """Ask the SSH server again and again in a thread of its own; the connection is closed when no answer comes, and
    nothing else moves, for PATIENCE seconds."""
    threading.Thread(target=_ask, args=(transport,), daemon=True, name="hardway-pulse").start()


def _ask(transport: OrderlyTransport) -> None:
    while transport.is_active():
        limit = Limit(transport)
        # Whatever the answer, refused or not known, somebody is there. It comes back without one when the connection is
        # closed.
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            transport.global_request("keepalive@openssh.com", wait=True)
        limit.cancel()
        transport.join(EVERY)  # a transport is the thread that reads: with it this one ends


class Limit:
    """Closes a connection when its end is reached; it is put off for as long as something moves there."""

    def __init__(self, transport: OrderlyTransport):
        self._transport = transport
        self._over = False
        self._start()

    def _start(self) -> None:
        self._moved = self._transport.moved
        self._timer = threading.Timer(stretched(PATIENCE), self._reached)
        self._timer.daemon = True
        self._timer.start()

    def _reached(self) -> None:
        if self._over:
            return
        if self._transport.moved == self._moved:
            self._transport.close()
        else:
            self._start()

    def cancel(self) -> None:
        """The answer has come."""
        self._over = True
        self._timer.cancel()
