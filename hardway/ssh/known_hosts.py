"""Reading and extending known_hosts files: plain, hashed, wildcard and @revoked entries."""

from __future__ import annotations

import base64
import binascii
import fcntl
import fnmatch
import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class HostKey:
    """A public host key: its type name and its raw blob."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As ssh and ssh-keygen show it: SHA256:…"""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def line(self, name: str) -> str:
        """The known_hosts line for this key under `name`, without newline."""
        return f"{name} {self.kind} {base64.b64encode(self.blob).decode()}"


@dataclass(frozen=True)
class Entry:
    """One line of one file; `marker` is "", "@revoked" or "@cert-authority"."""

    path: Path
    number: int
    marker: str
    patterns: tuple[str, ...]
    key: HostKey

    def names(self, host: str) -> bool:
        """Whether this line speaks of `host` (already in the form `[address]:port` where the port is not 22)."""
        if any(p.startswith("!") and _matches(p[1:], host) for p in self.patterns):
            return False
        return any(_matches(p, host) for p in self.patterns if not p.startswith("!"))


def _matches(pattern: str, host: str) -> bool:
    if pattern.startswith("|1|"):
        try:
            salt, digest = (base64.b64decode(part) for part in pattern.split("|")[2:4])
        except (ValueError, binascii.Error):
            return False
        return hmac.compare_digest(hmac.new(salt, host.encode(), hashlib.sha1).digest(), digest)
    if "*" in pattern or "?" in pattern:
        # "[" opens a port here and never a character set, as fnmatch would have it.
        return fnmatch.fnmatchcase(host.lower(), pattern.lower().replace("[", "[[]"))
    return pattern.lower() == host.lower()


def known_name(host: str, port: int) -> str:
    """How known_hosts names a host: bare on port 22, else `[host]:port`."""
    return host if port == 22 else f"[{host}]:{port}"


def read(paths: Iterable[Path]) -> list[Entry]:
    """Every usable line of the files that exist; lines we cannot read are passed over, as ssh does."""
    return [entry for path in paths if path.is_file() for entry in _entries(path)]


def _entries(path: Path) -> Iterator[Entry]:
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#"):
            continue
        try:
            blob = base64.b64decode(fields[2], validate=True)
        except (ValueError, binascii.Error):
            continue
        yield Entry(path, number, marker, tuple(fields[0].split(",")), HostKey(fields[1], blob))


def remember(path: Path, lines: Iterable[str]) -> None:
    """Append lines that are not there yet; the file is made with mode 0600, its folder with 0700. OSError when it cannot be."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace") as file:
        # Several hosts may be met for the first time at once, by several processes.
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read()
        present = set(text.splitlines())
        missing = [line for line in lines if line not in present]
        file.write(("\n" if text and not text.endswith("\n") else "") + "".join(f"{line}\n" for line in missing))
