"""One authenticated SSH connection to a hop, through its bastions when there are any."""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import paramiko
from fabric import Config, Connection

from . import pulse
from .credentials import Prompt
from .failures import Dropped, explain
from .host_keys.policy import Policy, known_kinds
from .keys import Login
from .route import Hop

# paramiko writes warnings to stderr through logging's last resort when an application sets up no logging.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False

# A machine that acknowledges nothing for so many seconds is given up. That is much for a slow network, and a step that loses
# its connection is begun again on a new one. hardway.ssh.pulse sees to it that there is always something to acknowledge.
SILENCE = 20
ATTEMPTS = 6
# sshd drops connections at random from the tenth unauthenticated one on (MaxStartups 10:30:100).
HANDSHAKES = 8

T = TypeVar("T")
_gates: dict[str, threading.BoundedSemaphore] = {}
_gates_lock = threading.Lock()


@dataclass
class Link:
    """An open connection; closing it closes the bastions' connections under it too."""

    hop: Hop
    connection: Connection
    below: Link | None = None

    @property
    def transport(self) -> paramiko.Transport:
        return self.connection.transport

    @property
    def alive(self) -> bool:
        return self.connection.is_connected and (self.below is None or self.below.alive)

    def close(self) -> None:
        self.connection.client.close()
        if self.below:
            self.below.close()


def open_link(hop: Hop, prompt: Prompt | None) -> Link:
    """Connect, verify the host key and log in, hop by hop; ConnectionFailed, HostKeyError or AuthenticationError."""
    below = open_link(hop.via, prompt) if hop.via else None
    try:
        return persistently(hop, lambda: _connect(hop, below, prompt))
    except BaseException:
        if below:
            below.close()
        raise


def persistently(hop: Hop, attempt: Callable[[], T]) -> T:
    """Do one handshake, at most eight at once per server; begin again when a busy server drops us before its greeting."""
    for number in range(1, ATTEMPTS + 1):
        begun = time.monotonic()
        try:
            with _gate(hop):
                return attempt()
        except (paramiko.SSHException, OSError, EOFError) as error:
            failure = explain(error, hop, time.monotonic() - begun)
            if not isinstance(failure, Dropped) or number == ATTEMPTS:
                raise failure from error
        # Nothing announces that the server has room again, so this waits, for a random time lest all come back together.
        time.sleep(random.uniform(0.5, 1.0) * 0.1 * 2**number)
    raise AssertionError("the last attempt raises or returns")


def _gate(hop: Hop) -> threading.BoundedSemaphore:
    with _gates_lock:
        return _gates.setdefault(hop.endpoint, threading.BoundedSemaphore(HANDSHAKES))


def _connect(hop: Hop, below: Link | None, prompt: Prompt | None) -> Link:
    connection = Connection(
        hop.address,
        user=hop.user,
        port=hop.port,
        config=Config(lazy=True, overrides={"load_ssh_configs": False}),
        gateway=below.connection if below else hop.proxy_command or None,
        connect_kwargs={
            "timeout": hop.timeout,
            "banner_timeout": hop.timeout,
            "channel_timeout": hop.timeout,
            "auth_timeout": max(30.0, hop.timeout),
            "auth_strategy": Login(hop, prompt),
            "transport_factory": lambda sock, **options: tuned(sock, hop, **options),
        },
    )
    connection.client.set_missing_host_key_policy(Policy(hop))
    try:
        connection.open()
    except BaseException:
        connection.client.close()
        raise
    pulse.feel(connection.transport)
    return Link(hop, connection, below)


def tuned(sock: socket.socket, hop: Hop, **options) -> paramiko.Transport:
    """A paramiko transport made for speed: AES-GCM first, no Nagle delay; and for noticing a machine that is off within SILENCE seconds."""
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE * 1000)
    transport = paramiko.Transport(sock, **options)
    security = transport.get_security_options()
    security.ciphers = sorted(security.ciphers, key=lambda name: "gcm" not in name)
    wanted = known_kinds(hop)
    security.key_types = sorted(security.key_types, key=lambda name: _kind(name) not in wanted)
    return transport


def _kind(algorithm: str) -> str:
    """The type of key a signature algorithm works with."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm
