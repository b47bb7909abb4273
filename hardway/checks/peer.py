"""One TLS conversation with a port of a host, as anybody or as the holder of a certificate: what the server shows, what
it answers."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Mapping

from ..errors import HardwayError
from ..patience import stretched
from ..pki.credentials import Pair
from ..targets.kube import tls_context

SECONDS = 5.0
Dial = Callable[[], socket.socket]


def context(ca: bytes, pair: Pair | None = None, believe: bool = True) -> ssl.SSLContext:
    """A client context that trusts `ca`; without `believe` it takes any server, because only the server's judgement of
    us counts."""
    made = tls_context(ca, pair.cert, pair.key) if pair else ssl.create_default_context(cadata=ca.decode())
    made.check_hostname = False
    if not believe:
        made.verify_mode = ssl.CERT_NONE
    return made


def certificate(dial: Dial, settings: ssl.SSLContext) -> bytes:
    """The certificate a server shows (DER)."""
    with dial() as raw:
        raw.settimeout(stretched(SECONDS))
        with settings.wrap_socket(raw) as wrapped:
            return wrapped.getpeercert(binary_form=True) or b""


def status(
    dial: Dial, path: str, settings: ssl.SSLContext | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """(HTTP status, body) of a GET, plain without `settings`; (0, reason) when the server breaks off or refuses the
    handshake.

    A TLS 1.3 server refuses a client's certificate only after the handshake, so the request has to be made.
    HardwayError when nothing listens.
    """
    connection = http.client.HTTPConnection("host", timeout=stretched(SECONDS))
    raw = dial()
    try:
        raw.settimeout(stretched(SECONDS))
        connection.sock = settings.wrap_socket(raw) if settings else raw
        connection.request("GET", path, headers={"Connection": "close", **(headers or {})})
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    except TimeoutError as error:
        raise HardwayError(f"no answer within {stretched(SECONDS):.0f} s") from error
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error) or type(error).__name__
    finally:
        connection.close()
        raw.close()
