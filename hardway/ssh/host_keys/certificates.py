"""Host certificates: a host key that a CA has signed for some names and some time."""

from __future__ import annotations

import base64
import fnmatch
import time
from dataclasses import dataclass

import paramiko
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_identity
from cryptography.hazmat.primitives.serialization.ssh import SSHCertificate, SSHCertificateType

SUFFIX = "-cert-v01@openssh.com"
# A CA may still sign with SHA-1; ssh does not accept that, and neither do we.
_SHA1 = "ssh-rsa"


@dataclass(frozen=True)
class HostCertificate:
    """What a server has shown; `authority` is the blob of the key that has signed it."""

    certificate: SSHCertificate
    blob: bytes

    @property
    def authority(self) -> bytes:
        """The CA's key."""
        key = self.certificate.signature_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        return base64.b64decode(key.split()[1])

    def wrong(self, host: str) -> str:
        """Why it does not count for this host, "" when it does."""
        certificate, now = self.certificate, time.time()
        if certificate.type != SSHCertificateType.HOST:
            return "it is for users"
        if not certificate.valid_after <= now < certificate.valid_before:
            return "it is not valid at this time"
        names = [name.decode("utf-8", "replace") for name in certificate.valid_principals]
        if not any(fnmatch.fnmatchcase(host, name.replace("[", "[[]")) for name in names):
            return f"it is for {', '.join(names) or 'no host'}, not for {host}"
        if certificate.critical_options:
            return "it has options that hardway does not know"
        return "" if self._signed() else "its signature is wrong, or of a kind that ssh does not accept"

    @property
    def signed_with(self) -> str:
        """The algorithm of the CA's signature, which is the last of the certificate's fields."""
        message = paramiko.Message(self.blob)
        own = 1 if "ed25519" in message.get_text() else 2  # how many fields the key itself has
        _skip(message, 1 + own)
        message.get_bytes(8 + 4)  # serial number, type
        _skip(message, 2)
        message.get_bytes(8 + 8)  # from when to when it is valid
        _skip(message, 4)
        return paramiko.Message(message.get_binary()).get_text()

    def _signed(self) -> bool:
        if self.signed_with == _SHA1:
            return False
        try:
            self.certificate.verify_cert_signature()
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, AssertionError):
            return False
        return True


def _skip(message: paramiko.Message, fields: int) -> None:
    for _ in range(fields):
        message.get_binary()


def shown(key: paramiko.PKey) -> HostCertificate | None:
    """The certificate that a server has shown with its key, None when there is none that can be read."""
    if not key.public_blob:
        return None
    blob = key.public_blob.key_blob
    try:
        certificate = load_ssh_public_identity(b"%s %s" % (key.public_blob.key_type.encode(), base64.b64encode(blob)))
    except (ValueError, UnsupportedAlgorithm):
        return None
    return HostCertificate(certificate, blob) if isinstance(certificate, SSHCertificate) else None
