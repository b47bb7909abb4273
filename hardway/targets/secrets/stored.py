"""With which key each Secret lies in etcd, by the first bytes of its value; and how one is written again.

No value is kept here, and none is shown. A Secret is rewritten by a change of nothing: the API server reads it with
the old key and writes it with the new one, as it does for every object that is not stored as it would store it now.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ...errors import ConnectionFailed, NotReadyError, RemoteCommandError
from ...etcd.sealed import sealed_with
from ...foreign.understanding import mapping, mappings, text, understood
from ...pki.credentials import Credentials
from ...ports import ETCD_CLIENT
from ...transport import Transport
from ..kube import Connection, tls_context
from ..readonly import ReadingTransport

SECONDS = 60.0
PAGE = 100  # objects in one answer; a Secret has at most 1 MiB
RANGE = "/v3/kv/range"


@dataclass(frozen=True)
class Stored:
    """`keys` says of each object, by its path in etcd, the key it is under: `aescbc:key1`, `identity` in the clear.

    `revision` is etcd's when it was asked last.
    """

    revision: int = 0
    keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many are under each key."""
        return dict(sorted(Counter(self.keys.values()).items()))

    def but(self, key: str) -> dict[str, str]:
        """Those that are under any other."""
        return {path: one for path, one in self.keys.items() if one != key}


class TooLarge(RemoteCommandError):
    """etcd's gateway takes no answer that is so large: it must be asked for less at once."""


def stored(transport: Transport | ReadingTransport, credentials: Credentials, prefix: str) -> Stored:
    """All objects under a prefix in etcd, by way of the member on a host: its HTTP gateway, over the host's loopback.

    NotReadyError when it does not answer, RemoteCommandError when it refuses.
    """
    host, pair = transport.host, credentials.certificate("etcd-healthcheck-client")
    context = tls_context(credentials.ca("etcd-ca"), pair.cert, pair.key)
    connection = Connection(lambda: transport.dial(ETCD_CLIENT), context, SECONDS, "127.0.0.1")
    try:
        with contextlib.closing(connection):
            return collected(lambda question: _asked(connection, host.name, question), prefix)
    except (OSError, ValueError, http.client.HTTPException, ConnectionFailed) as error:
        raise NotReadyError(
            f"etcd on {host.name} did not say what it has stored",
            host=host.name,
            waited_for="the list of Secrets",
            waited_seconds=SECONDS,
            evidence=str(error) or type(error).__name__,
            hint="hardway etcd status INV; hardway doctor INV",
        ) from error


def collected(ask: Callable[[dict], dict], prefix: str) -> Stored:
    """The pages of a range, one after the other."""
    keys, revision, start, limit = dict[str, str](), 0, prefix.encode(), PAGE
    while start:
        try:
            answer = ask({"key": _text(start), "range_end": _text(_end(prefix.encode())), "limit": str(limit)})
        except TooLarge:
            if limit == 1:
                raise
            limit //= 2
            continue
        # What is stored may be a secret: none of it is shown.
        with understood("etcd", None, "etcd", "hardway etcd status INV"):
            revision, page = _page(answer)
            keys |= {path.decode(): key for path, key in page.items()}
            start = _next(start, max(page)) if page and answer.get("more") else b""
    return Stored(revision, keys)


def _page(answer: dict) -> tuple[int, dict[bytes, str]]:
    """etcd's revision, and the key of each object; ValueError and KeyError for another answer."""
    # The first bytes of a value are enough, and all that is looked at.
    found = {
        _bytes(one["key"]): sealed_with(_bytes(text(one.get("value", ""))[:1024]))
        for one in mappings(answer.get("kvs"))
    }
    return int(str(mapping(answer.get("header")).get("revision", 0))), found


def _next(start: bytes, last: bytes) -> bytes:
    if last < start:
        raise ValueError("the same page again")
    return last + b"\x00"


def _bytes(said: object) -> bytes:
    return base64.b64decode(text(said), validate=True)


def _end(prefix: bytes) -> bytes:
    return prefix[:-1] + bytes([prefix[-1] + 1])


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _asked(connection: http.client.HTTPConnection, host: str, question: dict) -> dict:
    connection.request("POST", RANGE, json.dumps(question).encode(), {"Content-Type": "application/json"})
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise (TooLarge if b"larger than max" in body else RemoteCommandError)(
            f"etcd on {host} refuses to say what it has stored: it answers {response.status}",
            host=host,
            command=f"POST {RANGE}",
            evidence=body[:500].decode("utf-8", "replace"),
            hint=f"on {host}: journalctl -u etcd -n 50; its flag enable-grpc-gateway must not be false",
        )
    with understood(f"etcd on {host}", None, host, "hardway etcd status INV"):
        return mapping(json.loads(body))


def lines(found: Mapping[str, str]) -> Iterator[str]:
    """`KEY COUNT`, a line each."""
    yield from (f"{key} {count}" for key, count in sorted(Counter(found.values()).items()))
