"""The data of a member on its way to this computer: sent by etcd itself, or read from the disk of one that is stopped.

Nothing of it is kept on the host.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

from ..cluster import Host
from ..errors import ConnectionFailed, NotReadyError, RemoteCommandError
from ..foreign.understanding import mapping, text, understood
from ..patience import stretched
from ..pki.credentials import Credentials
from ..ports import ETCD_CLIENT
from ..transport import Transport
from ..vocabulary import Probe
from .kube import Connection, tls_context
from .readonly import ReadingTransport
from .remote import follow

# Hears of each piece in its order.
Sink = Callable[[bytes], Any]
SECONDS = 60.0  # without a byte: a member reads its whole file first when it is not in memory
PIECE = 1 << 16
PATH = "/v3/maintenance/snapshot"


def snapshot(transport: Transport | ReadingTransport, credentials: Credentials, sink: Sink) -> None:
    """What the member on a host sends as its snapshot, with the checksum at its end.

    It is asked by etcd's own HTTP gateway, over the host's loopback. It reads its own file, so that it needs no quorum.
    NotReadyError when it does not answer or breaks off, RemoteCommandError when it refuses.
    """
    host, pair = transport.host, credentials.certificate("etcd-healthcheck-client")
    context = tls_context(credentials.ca("etcd-ca"), pair.cert, pair.key)
    connection = Connection(lambda: transport.dial(ETCD_CLIENT), context, stretched(SECONDS), "127.0.0.1")
    try:
        with contextlib.closing(connection):
            connection.request("POST", PATH, b"{}", {"Content-Type": "application/json"})
            _received(host, connection.getresponse(), sink)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _silent(host, str(error) or type(error).__name__) from error
    except ConnectionFailed as error:
        raise _silent(host, error.message) from error


def _received(host: Host, response: http.client.HTTPResponse, sink: Sink) -> None:
    if response.status != 200:
        said = response.read(2000).decode("utf-8", "replace")
        raise RemoteCommandError(
            f"etcd on {host.name} refuses to send a snapshot: it answers {response.status}",
            host=host.name,
            command=f"POST {PATH}",
            evidence=said,
            hint=f"on {host.name}: journalctl -u etcd -n 50; its flag enable-grpc-gateway must not be false",
        )
    for line in _lines(response):
        said = json.loads(line)
        with understood(f"etcd on {host.name}", line, host.name):
            message = mapping(said)
            broken = mapping(message["error"]).get("message", "etcd broke off") if "error" in message else ""
            piece = b"" if broken else base64.b64decode(text(mapping(message["result"]).get("blob", "")))
        if broken:
            raise http.client.HTTPException(broken)
        sink(piece)


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Each message; the last may lack a newline."""
    held = b""
    while piece := response.read1(PIECE):
        *whole, held = (held + piece).split(b"\n")
        yield from filter(None, whole)
    if held.strip():
        yield held


def _silent(host: Host, evidence: str) -> NotReadyError:
    return NotReadyError(
        f"etcd on {host.name} did not send its snapshot",
        host=host.name,
        command=f"POST {PATH}",
        waited_for="the whole snapshot",
        waited_seconds=stretched(SECONDS),
        evidence=evidence,
        hint=f"on {host.name}: systemctl status etcd; journalctl -u etcd -n 50",
    )


def database(transport: Transport, restore: str, sink: Sink) -> None:
    """The database of a member that is stopped, and its checksum at the end as a snapshot has it.

    Where the restore of this ID has moved data aside, it is that. RemoteCommandError when there is none, or it was not
    the same when it arrived.
    """
    host, digest, said = transport.host, hashlib.sha256(), list[str]()

    def line(text: str) -> None:
        if not said:
            said.append(text.strip())
            return
        with contextlib.suppress(binascii.Error):
            piece = base64.b64decode(text)
            digest.update(piece)
            sink(piece)

    follow(transport, Probe("database", (restore,)), line, lambda: False)
    if said != [digest.hexdigest()]:
        raise RemoteCommandError(
            f"the data of etcd on {host.name} could not be read",
            host=host.name,
            evidence=f"sha256 on the host: {''.join(said) or 'no answer'}\nsha256 as received: {digest.hexdigest()}",
            hint=f"on {host.name}: ls -l /var/lib/etcd/member/snap; systemctl is-active etcd   must say inactive",
        )
    sink(digest.digest())
