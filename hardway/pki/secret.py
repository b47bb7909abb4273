"""Bytes that must never be seen: they have a digest for people and give themselves up only when asked by name."""

from __future__ import annotations

import hashlib
import hmac
from typing import SupportsIndex


class Secret:
    """Key material; every textual form is a short digest, and it cannot be pickled or iterated by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes):
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._value

    @property
    def digest(self) -> str:
        """The first 12 hex digits of the sha256: enough to tell two secrets apart in a diff, useless for anything
        else."""
        return hashlib.sha256(self._value).hexdigest()[:12]

    def __repr__(self) -> str:
        return f"secret sha256:{self.digest}"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __deepcopy__(self, memo: dict) -> Secret:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex):
        # A pickle or a copy of attributes would carry the bytes into caches, logs and other processes.
        raise TypeError("a Secret is not serialised; call reveal() where the bytes are needed")
