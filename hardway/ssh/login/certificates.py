"""User certificates: a public key that a CA has signed, to be used with the private key it belongs to."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_identity
from cryptography.hazmat.primitives.serialization.ssh import SSHCertificate, SSHCertificateType

from ..hop import Hop
from .agent import Agent
from .keyfiles import public_blob


class NoCertificate(ValueError):
    """A file that was to be a certificate for users is none."""


@dataclass(frozen=True)
class Certificate:
    """One that lies in a file; `public` is the blob of the key it belongs to."""

    path: Path
    kind: str
    blob: bytes
    public: bytes

    def on(self, key: paramiko.PKey) -> paramiko.PKey:
        """The key it belongs to, showing this instead of itself."""
        agent = key.agent if isinstance(key, paramiko.AgentKey) else None
        shown = agent.another(key) if isinstance(agent, Agent) else copy.copy(key)
        shown.public_blob = paramiko.pkey.PublicBlob(self.kind, self.blob)
        return shown


def read(path: Path) -> Certificate:
    """The user certificate of a file; OSError, or NoCertificate."""
    words = path.read_text("utf-8", "replace").split(None, 2)
    try:
        certificate = load_ssh_public_identity(" ".join(words[:2]).encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise NoCertificate(str(error)) from error
    if not isinstance(certificate, SSHCertificate) or certificate.type != SSHCertificateType.USER:
        raise NoCertificate("not a certificate for users")
    public = certificate.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return Certificate(path, words[0], base64.b64decode(words[1]), public_blob(public.decode()))


def paths(hop: Hop) -> Iterator[tuple[Path, bool]]:
    """Where certificates may lie, and whether somebody has named the file: ssh looks beside the keys only when nobody
    names one."""
    if hop.certificates:
        yield from ((path, True) for path in hop.certificates)
        return
    for key in hop.keys:
        yield from ((Path(f"{key}{suffix}"), False) for suffix in ("-cert", "-cert.pub"))
