"""SSH to the hosts.

No other package imports fabric or paramiko, and this one does so only when a connection is wanted.
"""

from __future__ import annotations

from collections.abc import Callable

from ..cluster import Host
from ..transport import Transport
from .host_keys.known_hosts import HostKey, remember
from .host_keys.trust import Recorded, names_of, parse, record

__all__ = ["HostKey", "Recorded", "connect", "host_key_lines", "names_of", "parse", "record", "remember"]


def connect(host: Host, *, prompt: Callable[[str], str] | None = None) -> Transport:
    """The transport of a host, not yet connected; `prompt` asks a person for a passphrase or a sudo password,
    unseen."""
    from .transport import SshTransport

    return SshTransport(host, prompt)


def host_key_lines(host: Host, *, prompt: Callable[[str], str] | None = None) -> list[tuple[str, str]]:
    """(known_hosts line, fingerprint) of every key the host shows, without trusting any; its bastions are verified as
    ever."""
    from .host_keys.scan import scan

    return scan(host, prompt)
