"""Signs of life: a peer whose kernel still answers, or a bastion that does, may have nobody behind it any more."""

from __future__ import annotations

import contextlib
import threading

import paramiko

# So often we ask: what is dead in the kernel's eyes it finds out by itself, see hardway.ssh.link. An answer may take
# much longer on a slow network, where it queues behind what is being pushed.
EVERY = 30.0
PATIENCE = 90.0


def feel(transport: paramiko.Transport) -> None:
    """Ask the SSH server again and again in a thread of its own; the connection is closed when no answer comes in
    PATIENCE seconds."""
    threading.Thread(target=_ask, args=(transport,), daemon=True, name="hardway-pulse").start()


def _ask(transport: paramiko.Transport) -> None:
    while transport.is_active():
        last = threading.Timer(PATIENCE, transport.close)
        last.daemon = True
        last.start()
        # Whatever the answer, refused or not known, somebody is there. It comes back without one when the connection is
        # closed.
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            transport.global_request("keepalive@openssh.com", wait=True)
        last.cancel()
        transport.join(EVERY)  # a transport is the thread that reads: with it this one ends
