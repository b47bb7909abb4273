"""Keeping secrets out of a text, as braces beside the belt: nothing that writes a text is given a secret in the first
place."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator

INSTEAD = "[secret]"
BLOCK = 16  # any piece of a secret that is twice as long is recognised
SHORTEST = 4  # shorter passwords stand in anything
RUN = re.compile(rf"[A-Za-z0-9+/=_-]{{{BLOCK},}}")
# What is secret whatever it is: private keys, keys in kubeconfigs, bearer tokens, passwords in addresses.
PATTERNS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL), INSTEAD),
    (re.compile(r"(client-key-data|token|[Bb]earer)([\"']?[:=]?\s*[\"']?)[\w+/=.-]{16,}"), rf"\1\2{INSTEAD}"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), INSTEAD),
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), rf"\1{INSTEAD}@"),
)


class Redactor:
    """Replaces what it has learned; `more` gives secrets that may come up at any time, such as a password that was
    typed."""

    def __init__(self, more: Callable[[], Iterable[str]] = tuple):
        self.more = more
        self.blocks: set[str] = set()
        self.words: set[str] = set()

    def learn(self, content: bytes) -> None:
        """A secret as it is kept: a key's PEM, a key in base64, or a password."""
        self.blocks |= {
            form[at : at + BLOCK] for form in long_forms(content) for at in range(0, len(form) - BLOCK + 1, BLOCK)
        }
        if len(content.strip()) < 2 * BLOCK:
            self.words |= set(short_forms(content.strip()))

    def __call__(self, text: str) -> str:
        for pattern, instead in PATTERNS:
            text = pattern.sub(instead, text)
        for secret in self.more():
            text = self._without(text, short_forms(secret.encode()))
        return RUN.sub(self._judged, self._without(text, self.words))

    @staticmethod
    def _without(text: str, words: Iterable[str]) -> str:
        for word in words:
            text = text.replace(word, INSTEAD)
        return text

    def _judged(self, found: re.Match[str]) -> str:
        run = found[0]
        return INSTEAD if any(run[at : at + BLOCK] in self.blocks for at in range(len(run) - BLOCK + 1)) else run


def long_forms(content: bytes) -> Iterator[str]:
    """A long secret as texts may hold it: the lines of its file, its bytes in hex and in base64 wherever that
    begins."""
    lines = [line.strip() for line in content.splitlines() if line.strip() and not line.startswith(b"-----")]
    yield from (line.decode("latin-1") for line in lines)
    joined = b"".join(lines)
    yield joined.decode("latin-1")
    for value in (content, decoded(joined)):
        yield value.hex()
        yield from in_base64(value)


def decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def in_base64(value: bytes) -> Iterator[str]:
    """The digits that are the value's alone, for each of the three places where it may begin in what is encoded."""
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + value).decode()
        yield encoded[(shift * 8 + 5) // 6 : (shift + len(value)) * 8 // 6]


def short_forms(value: bytes) -> list[str]:
    """The same for a password, longest first."""
    if len(value) < SHORTEST:
        return []
    pieces = [piece for piece in in_base64(value) if len(piece) > SHORTEST]
    return sorted({value.decode("utf-8", "replace"), value.hex(), *pieces}, key=len, reverse=True)
