"""Key files: their public halves, which need no passphrase, and their private ones, which may."""

from __future__ import annotations

import base64
import binascii
import io
import os
import stat
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

CLASSES = (
    (rsa.RSAPrivateKey, paramiko.RSAKey),
    (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key),
    (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey),
)
_BEGIN = "-----BEGIN OPENSSH PRIVATE KEY-----"
_loaded: dict[tuple[Path, int], paramiko.PKey] = {}
_loading = threading.Lock()


class NeedsPassphrase(Exception):
    """The key file is encrypted and nobody can tell the passphrase."""


@dataclass(frozen=True)
class KeyFile:
    """A file that somebody has named as a key: its private half, or only its public one."""

    path: Path

    @cached_property
    def _text(self) -> str:
        try:
            return self.path.read_text("utf-8", "replace")
        except OSError:
            return ""

    @cached_property
    def public(self) -> bytes:
        """The blob of its public half, b"" when nobody knows; found in the same places as ssh finds it."""
        return public_blob(self._text) or _embedded(self._text) or public_blob(KeyFile(Path(f"{self.path}.pub"))._text)

    @property
    def private(self) -> bool:
        """Whether it seems to hold a private half."""
        return self.path.is_file() and not public_blob(self._text)

    @property
    def open_to_others(self) -> bool:
        """Whether others may read it: ssh does not use such a key, and neither do we."""
        found = self.path.stat()
        return found.st_uid == os.getuid() and bool(stat.S_IMODE(found.st_mode) & 0o077)


def public_blob(text: str) -> bytes:
    """The key in `TYPE BASE64 comment`, b"" when the text is something else."""
    words = text.split(None, 2)
    if len(words) < 2:
        return b""
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (ValueError, binascii.Error):
        return b""
    kind = words[0].encode()
    return blob if blob.startswith(len(kind).to_bytes(4, "big") + kind) else b""


def _embedded(text: str) -> bytes:
    """The public half that stands unencrypted in a private key of OpenSSH's own format."""
    if not text.lstrip().startswith(_BEGIN):
        return b""
    try:
        data = base64.b64decode("".join(text.split("-----")[2].split()))
        message = paramiko.Message(data.removeprefix(b"openssh-key-v1\0"))
        for _ in ("cipher", "key derivation", "its options"):
            message.get_binary()
        return message.get_binary() if message.get_int() == 1 else b""
    except Exception:
        return b""


def load(path: Path, passphrase: str) -> paramiko.PKey:
    """The private key of a file, decrypted once per process.

    NeedsPassphrase, ValueError or SSHException (wrong or no key), OSError.
    """
    with _loading:
        known = (path, path.stat().st_mtime_ns)
        if known not in _loaded:
            _loaded[known] = _read(path.read_bytes(), passphrase.encode() or None)
        return _loaded[known]


def _read(data: bytes, passphrase: bytes | None) -> paramiko.PKey:
    try:
        key = _decrypted(data, passphrase)
    except TypeError as error:  # cryptography's word for "encrypted"
        raise NeedsPassphrase from error
    for kind, cls in CLASSES:
        if isinstance(key, kind):
            plain = (serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
            return cls.from_private_key(io.StringIO(key.private_bytes(*plain).decode()))
    raise ValueError("a type of key that only ssh or an agent can use")


def _decrypted(data: bytes, passphrase: bytes | None):
    if _BEGIN.encode() in data:
        return serialization.load_ssh_private_key(data, passphrase)
    return serialization.load_pem_private_key(data, passphrase)
