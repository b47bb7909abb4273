"""The last check before a bundle is written: no byte of any secret of the state directory may be in it, in any
form."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ...errors import PkiError
from ...state.store import Store

PEM = b"PRIVATE KEY-----"
# A line of a key's file that holds so many of its secret bytes gives it away; the other lines are the public half.
OVERLAP = 8
SHORTEST = 6
# Secrets that are not hardway's are recognized by their form: any private key, and any signed token.
KINDS = {
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a token": re.compile(rb"\beyJ[\w-]{16,}\.eyJ[\w-]{16,}\.[\w-]{16,}"),
}


class Scan:
    """The secrets of a store, by the names of their files."""

    def __init__(self, store: Store):
        contents = {name: store.read(name) or b"" for name in sorted(store.names())}
        secret = {name: data for name, data in contents.items() if name.endswith(".key") or PEM in data[:100]}
        plain = {name: data.strip() for name, data in secret.items() if PEM not in data}
        needles = {
            name: frozenset(form for value in values(data) for form in forms(value)) for name, data in secret.items()
        }
        self.needles = {name: found - {plain.get(name, b"")} for name, found in needles.items()}
        # Letters and digits beside it would make it part of something else: a short password is found in long numbers
        # otherwise.
        words = {name: data.strip() for name, data in secret.items() if PEM not in data}
        self.words = {
            name: re.compile(rb"(?<![0-9A-Za-z])" + re.escape(word) + rb"(?![0-9A-Za-z])")
            for name, word in words.items()
            if word
        }

    def found(self, data: bytes) -> str:
        """The name of a secret that stands in some bytes, or an empty string."""
        for name, needles in self.needles.items():
            if any(needle in data for needle in needles):
                return name
        marks = {**self.words, **KINDS}
        return next((name for name, mark in marks.items() if mark.search(data)), "")

    def refuse(self, members: Mapping[str, bytes]) -> None:
        """PkiError naming each secret and the members it is in; never the secret itself."""
        where: dict[str, list[str]] = {}
        for name, data in members.items():
            if secret := self.found(data) or self.found(name.encode()):
                where.setdefault(secret, []).append(name)
        if where:
            told = "; ".join(f"{secret} is in {', '.join(names)}" for secret, names in where.items())
            hint = "remove it from where it comes from, and replace it, because others may have read it there"
            raise PkiError(f"{told}: no bundle was written", hint=hint)


def values(data: bytes) -> Iterator[bytes]:
    """The byte strings that give away what a file keeps."""
    if PEM in data:
        yield from _of_a_key(data)
        return
    word = data.strip()
    yield word
    if word.endswith(b"="):  # the key that encrypts Secrets
        yield word.rstrip(b"=")
        yield base64.b64decode(word)


def _of_a_key(data: bytes) -> Iterator[bytes]:
    """Its private numbers, and the lines of its file that hold them."""
    lines = [line for line in data.splitlines() if line and not line.startswith(b"-----")]
    whole = base64.b64decode(b"".join(lines))
    spans = []
    for number in _numbers(data):
        yield number
        at = whole.find(number)
        spans += [(at, at + len(number))] if at >= 0 else []
    begin = 0
    for line in lines:
        end = begin + len(line) * 6 // 8
        if any(min(end, stop) - max(begin, start) >= OVERLAP for start, stop in spans):
            yield line
        begin = end


def _numbers(data: bytes) -> list[bytes]:
    key = (
        serialization.load_ssh_private_key(data, None)
        if b"OPENSSH" in data
        else serialization.load_pem_private_key(data, None)
    )
    if isinstance(key, rsa.RSAPrivateKey):
        private = key.private_numbers()
        return [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in (private.d, private.p, private.q)]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return [key.private_numbers().private_value.to_bytes((key.key_size + 7) // 8, "big")]
    return [key.private_bytes_raw()]


def forms(value: bytes) -> Iterator[bytes]:
    """Some bytes as they are, in hex, and in base64 wherever in a longer text they may begin."""
    yield value
    yield value.hex().encode()
    yield value.hex().upper().encode()
    for before in range(3):
        text = base64.b64encode(bytes(before) + value)
        piece = text[-(-before * 8 // 6) : (before + len(value)) * 8 // 6]
        if len(piece) > SHORTEST:
            yield piece
            yield piece.translate(bytes.maketrans(b"+/", b"-_"))
