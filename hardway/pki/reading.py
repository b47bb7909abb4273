"""Certificates out of files on hosts, as read.sh's `certificates` tells them: never a key."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes

CLIENT, AUTHORITY = "client ", "ca "
# The same in a file.
INSIDE = (b"client-certificate", b"certificate-authority")
DATA = re.compile(rb"^ *(client-certificate|certificate-authority)-data: *(\S+)", re.MULTILINE)
PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class Held:
    """`own` are the certificates that a file consists of; `client` and `authorities` those inside a kubeconfig."""

    own: tuple[x509.Certificate, ...] = ()
    client: x509.Certificate | None = None
    authorities: tuple[x509.Certificate, ...] = ()
    there: bool = True

    @property
    def first(self) -> x509.Certificate | None:
        """The one that a program with this file shows; None when there is none that can be read."""
        return self.client or next(iter(self.own), None)


def held(answer: str) -> Held:
    """What a host says of one file; what cannot be read is left out."""
    if answer == "absent":
        return Held(there=False)
    lines = answer.splitlines()
    inside = {CLIENT: b"", AUTHORITY: b""}
    for line in lines:
        for word in inside:
            if line.startswith(word):
                inside[word] = _decoded(line.removeprefix(word))
    own = "\n".join(line for line in lines if not line.startswith((CLIENT, AUTHORITY))).encode()
    return Held(parsed(own), next(iter(parsed(inside[CLIENT])), None), parsed(inside[AUTHORITY]))


def of(content: bytes) -> Held:
    """The same of a file that is at hand."""
    inside = dict(DATA.findall(content))
    client, authority = (_decoded(inside.get(word, b"").decode()) for word in INSIDE)
    own = b"" if inside else b"\n".join(PEM.findall(content))
    return Held(parsed(own), next(iter(parsed(client)), None), parsed(authority))


def parsed(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates in PEM, none when one of them is damaged."""
    with contextlib.suppress(ValueError):
        return tuple(x509.load_pem_x509_certificates(pem))
    return ()


def digest(certificate: x509.Certificate) -> str:
    """By which two certificates are the same."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def _decoded(text: str) -> bytes:
    with contextlib.suppress(binascii.Error):
        return base64.b64decode(text.strip("\"' "))
    return b""
