"""One authenticated SSH connection to a hop, through its bastions when there are any, which all hosts behind them
share."""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import paramiko
from fabric import Config, Connection

from ..errors import ConnectionFailed, HardwayError
from ..patience import stretched
from .channels import OrderlyTransport
from .config.powers import KEYS_OF_USERS, ours
from .credentials import Prompt
from .dial import Command, dial
from .failures import Dropped, explain, proxy_failed
from .hop import Hop
from .host_keys.certificates import SUFFIX
from .host_keys.policy import Policy, preferred
from .life import pulse, silence
from .login.login import RSA, Login
from .sharing import Lease, Sharing

# paramiko writes warnings to stderr through logging's last resort when an application sets up no logging.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False

# The kernel asks an idle machine for a sign of life, so there is always something to acknowledge; see also
# hardway.ssh.life.
ASKED = 5
MOST_ASKED = 127  # Linux counts no further
ATTEMPTS = 6
# sshd drops connections at random from the tenth unauthenticated one on (MaxStartups 10:30:100).
HANDSHAKES = 8

T = TypeVar("T")
_gates: dict[str, threading.BoundedSemaphore] = {}
_gates_lock = threading.Lock()


@dataclass
class Link:
    """An open connection; the bastion's under it is closed with the last that goes through it."""

    hop: Hop
    connection: Connection
    below: Lease[Link] | None = None

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


bastions: Sharing[Link] = Sharing()


def open_link(hop: Hop, prompt: Prompt | None) -> Link:
    """Connect, verify the host key and log in, hop by hop; ConnectionFailed, HostKeyError or AuthenticationError."""
    if not hop.via:
        return persistently(hop, lambda: _connect(hop, None, prompt))
    below = open_bastion(hop.via, prompt)
    try:
        return _through(below, hop, prompt)
    except ConnectionFailed:
        if below.alive:
            raise
    # The connection to the bastion broke meanwhile, and with it those of all hosts behind it: on a new one.
    return _through(open_bastion(hop.via, prompt), hop, prompt)


def open_bastion(hop: Hop, prompt: Prompt | None) -> Lease[Link]:
    """A part in the one connection to a bastion; the same errors."""
    return bastions.lease(hop, lambda: open_link(hop, prompt))


def _through(below: Lease[Link], hop: Hop, prompt: Prompt | None) -> Link:
    try:
        return persistently(hop, lambda: _connect(hop, below, prompt))
    except BaseException:
        below.close()
        raise


def persistently(hop: Hop, attempt: Callable[[], T]) -> T:
    """Do one handshake, at most eight at once per server; begin again when a busy server drops us before its
    greeting."""
    for number in range(1, ATTEMPTS + 1):
        begun = time.monotonic()
        try:
            with _gate(hop):
                return attempt()
        except HardwayError as error:
            raise located(error, hop) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            failure = explain(error, hop, time.monotonic() - begun)
            if not isinstance(failure, Dropped) or number == ATTEMPTS:
                raise located(failure, hop) from error
        # Nothing announces that the server has room again, so this waits, for a random time lest all come back
        # together.
        time.sleep(random.uniform(0.5, 1.0) * 0.1 * 2**number)
    raise AssertionError("the last attempt raises or returns")


def located(error: HardwayError, hop: Hop) -> HardwayError:
    """The error with where the hop's address comes from, if it is not the inventory's."""
    return replace(error, evidence=f"{error.evidence}\n{hop.address_from}".strip()) if hop.address_from else error


def _gate(hop: Hop) -> threading.BoundedSemaphore:
    with _gates_lock:
        return _gates.setdefault(hop.endpoint, threading.BoundedSemaphore(HANDSHAKES))


def stream_to(hop: Hop, below: Lease[Link] | None) -> socket.socket | Command | paramiko.Channel:
    """A connection to a hop, which the bastion before it opens if there is one."""
    if below is None:
        return dial(hop)
    bastion = below.connection.transport
    return bastion.open_channel("direct-tcpip", (hop.address, hop.port), ("", 0), timeout=hop.timeout)


def _connect(hop: Hop, below: Lease[Link] | None, prompt: Prompt | None) -> Link:
    stream = stream_to(hop, below)
    connection = Connection(
        hop.address,
        user=hop.user,
        port=hop.port,
        config=Config(lazy=True, overrides={"load_ssh_configs": False}),
        connect_kwargs={
            "sock": stream,
            "timeout": hop.timeout,
            "banner_timeout": hop.timeout,
            "channel_timeout": hop.timeout,
            "auth_timeout": max(stretched(30.0), hop.timeout),
            "auth_strategy": Login(hop, prompt),
            "transport_factory": lambda sock, **options: tuned(sock, hop, **options),
        },
    )
    connection.client.set_missing_host_key_policy(Policy(hop))
    try:
        connection.open()
    except BaseException as error:
        led_nowhere = isinstance(stream, Command) and stream.ended and not isinstance(error, HardwayError)
        connection.client.close()
        stream.close()
        if led_nowhere:
            raise proxy_failed(hop, stream.said()) from error
        raise
    connection.transport.rest()
    pulse.feel(connection.transport)
    silence.watch(connection.transport)
    return Link(hop, connection, below)


def tuned(sock: socket.socket, hop: Hop, **options) -> paramiko.Transport:
    """A paramiko transport made for speed: AES-GCM first, no Nagle delay; and whose kernel asks for signs of life."""
    if isinstance(sock, socket.socket) and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (
            ("TCP_KEEPIDLE", ASKED),
            ("TCP_KEEPINTVL", ASKED),
            ("TCP_KEEPCNT", max(1, min(round(stretched(silence.SILENCE)) // ASKED, MOST_ASKED))),
        ):
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    transport = OrderlyTransport(sock, **options)
    security = transport.get_security_options()
    security.ciphers = hop.allowed("ciphers", sorted(ours()["ciphers"], key=lambda name: "gcm" not in name))
    security.digests = hop.allowed("macs", security.digests)
    security.kex = hop.allowed("kexalgorithms", security.kex)
    security.key_types = preferred(hop, security.key_types)
    forbidden = [name for name in RSA if not hop.allowed(KEYS_OF_USERS, (name, f"{name}{SUFFIX}"))]
    transport.disabled_algorithms = {**transport.disabled_algorithms, "pubkeys": forbidden}
    return transport
