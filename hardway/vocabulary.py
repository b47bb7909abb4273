"""The words spoken to a target: probes only read, ops write. Both are data, never shell text.

`host/read.sh` and `host/write.sh` hold one shell function per verb, so what can happen on a host
is a list one can read. A plan is given an executor that understands probes only; it cannot write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

NO_DIGEST = "-"  # of what is not in the cache


@dataclass(frozen=True)
class Blob:
    """Content to be written: bytes in hand, or a local file whose sha256 is known (a binary, an image archive)."""

    data: bytes | None = field(default=None, repr=False)
    path: Path | None = None
    known_sha256: str = ""
    secret: bool = False

    @property
    def unknown(self) -> bool:
        """Whether this is a file that is not on this computer, so that nobody can tell its content."""
        return self.known_sha256 == NO_DIGEST

    @cached_property
    def sha256(self) -> str:
        return self.known_sha256 or hashlib.sha256(self.data or b"").hexdigest()

    @cached_property
    def size(self) -> int:
        return self.path.stat().st_size if self.path else len(self.data or b"")


@dataclass(frozen=True)
class Probe:
    """One question to a target, for example Probe("file", ("/etc/hosts", "", "text"))."""

    verb: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True)
class Op:
    """One act on a target, for example Op("put", (path, mode, owner, group), blob)."""

    verb: str
    args: tuple[str, ...] = ()
    blob: Blob | None = None

    def __str__(self):
        return " ".join((self.verb, *self.args))


Answers = Mapping[Probe, str]


class Reader(Protocol):
    """What a plan gets."""

    def probe(self, probes: Sequence[Probe]) -> Answers:
        """Every probe's answer, in one round trip."""


class Remote(Reader, Protocol):
    """What a run gets: a reader that can also act."""

    def change(self, ops: Sequence[Op]) -> None:
        """Carry out ops in order, stopping at the first that fails (RemoteCommandError names it)."""


class ReadOnly:
    """A reader around a remote: it has no way to act, whatever the caller forgets."""

    def __init__(self, remote: Reader):
        self.probe = remote.probe
