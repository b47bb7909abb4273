"""Asking a server for its host keys, as ssh-keyscan does, also behind a bastion."""

from __future__ import annotations

import paramiko

from ...cluster import Host
from ..credentials import Prompt
from ..hop import Hop
from ..link import Link, open_bastion, persistently, stream_to, tuned
from ..route import route
from ..sharing import Lease
from .known_hosts import HostKey

KINDS = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)


def scan(host: Host, prompt: Prompt | None) -> list[tuple[str, str]]:
    """(known_hosts line, fingerprint) per key type the server has; ConnectionFailed when it cannot be reached."""
    hop = route(host)
    below = open_bastion(hop.via, prompt) if hop.via else None
    try:
        keys = [persistently(hop, lambda kinds=kinds: _offered(hop, below, kinds)) for kinds in KINDS]
    finally:
        if below:
            below.close()
    return [(key.line(hop.known_as[0]), f"{key.kind} {key.fingerprint}") for key in keys if key]


def _offered(hop: Hop, below: Lease[Link] | None, kinds: tuple[str, ...]) -> HostKey | None:
    transport = tuned(stream_to(hop, below), hop)
    transport.banner_timeout = hop.timeout
    transport.get_security_options().key_types = kinds
    try:
        transport.start_client(timeout=hop.timeout)
        key = transport.get_remote_server_key()
    except paramiko.ssh_exception.IncompatiblePeer:
        return None
    finally:
        transport.close()
    return HostKey(key.get_name(), key.asbytes())
