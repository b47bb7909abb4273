"""Reading and changing known_hosts files: plain, hashed and wildcard entries, @revoked and @cert-authority."""

from __future__ import annotations

import base64
import binascii
import errno
import fcntl
import fnmatch
import hashlib
import hmac
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

REVOKED, AUTHORITY = "@revoked", "@cert-authority"
MARKERS = ("", REVOKED, AUTHORITY)
# What to do where a key is revoked.
NEW_KEYS = "create new host keys on the machine's console: rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh"


@dataclass(frozen=True)
class HostKey:
    """A public host key: its type name and its raw blob."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As ssh and ssh-keygen show it: SHA256:…"""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def text(self) -> str:
        """The key in base64."""
        return base64.b64encode(self.blob).decode()

    def line(self, name: str) -> str:
        """The known_hosts line for this key under `name`, without newline."""
        return f"{name} {self.kind} {self.text}"


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
        # A hashed name stands alone, or is none.
        patterns = [p for p in self.patterns if len(self.patterns) == 1 or "|" not in p]
        if any(p.startswith("!") and _matches(p[1:], host) for p in patterns):
            return False
        return any(_matches(p, host) for p in patterns if not p.startswith("!"))


def _matches(pattern: str, host: str) -> bool:
    if pattern.startswith("|1|"):
        try:
            salt, digest = (base64.b64decode(part, validate=True) for part in pattern.split("|")[2:4])
        except (ValueError, binascii.Error):
            return False
        return hmac.compare_digest(hmac.digest(salt, host.encode(), "sha1"), digest)
    if "*" in pattern or "?" in pattern:
        # "[" opens a port here and never a character set, as fnmatch would have it.
        return fnmatch.fnmatchcase(host.lower(), pattern.lower().replace("[", "[[]"))
    return pattern.lower() == host.lower()


def known_name(host: str, port: int) -> str:
    """How known_hosts names a host: bare on port 22, else `[host]:port`."""
    return host if port == 22 else f"[{host}]:{port}"


def written(name: str, hidden: bool) -> str:
    """A name as a new line has it; `hidden`, as HashKnownHosts has it, whoever reads the file does not learn it."""
    if not hidden:
        return name
    salt = os.urandom(20)
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def bare(name: str) -> str:
    """The host alone in what `known_name` has made."""
    return name[1:].rpartition("]:")[0] if name.startswith("[") else name


def read(paths: Iterable[Path]) -> list[Entry]:
    """Every usable line of the files that exist; lines we cannot read are passed over, as ssh does."""
    return [entry for path in paths if path.is_file() for entry in _entries(path)]


def _entries(path: Path) -> Iterator[Entry]:
    yield from parsed(path, path.read_text("utf-8", "replace"))


def parsed(path: Path, text: str) -> Iterator[Entry]:
    """Every usable line of a text that `path` holds, or prints."""
    for number, line in enumerate(text.split("\n"), 1):
        fields = re.findall(r"[^ \t\r]+", line)
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#") or marker not in MARKERS:
            continue
        try:
            blob = base64.b64decode(fields[2], validate=True)
        except (ValueError, binascii.Error):
            continue
        names = (fields[0],) if fields[0].startswith("|") else tuple(fields[0].split(","))
        yield Entry(path, number, marker, names, HostKey(fields[1], blob))


def remember(path: Path, lines: Iterable[str]) -> None:
    """Append lines that are not there yet; the file is made with mode 0600, its folder with 0700.

    OSError when it cannot be.
    """

    def longer(text: str) -> str:
        present = set(text.splitlines())
        missing = [line for line in lines if line not in present]
        return (
            text
            + ("\n" if missing and text and not text.endswith("\n") else "")
            + "".join(f"{line}\n" for line in missing)
        )

    _rewrite(path, longer)


def replace(path: Path, names: Iterable[str], lines: Iterable[str], also: Iterable[str] = ()) -> list[Entry]:
    """Let `lines` take the place of every entry that belongs to `names`; the entries that went. OSError when the file
    cannot be written.

    In such an entry the names `also` go too; it keeps those of others. Wildcards, @revoked, @cert-authority, comments
    and lines nobody can read stay as they are.
    """
    sure, every, gone = list(names), [*names, *also], []

    def exchanged(text: str) -> str:
        kept = []
        entries = {entry.number: entry for entry in parsed(path, text)}
        for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], 1):
            entry = entries.get(number)
            others = _others(entry, sure, every) if entry else None
            if entry is None or others is None:
                kept.append(line)
                continue
            gone.append(entry)
            kept += [line.replace(",".join(entry.patterns), ",".join(others), 1)] if others else []
        return "".join(f"{line}\n" for line in [*kept, *lines])

    _rewrite(path, exchanged)
    return gone


def _others(entry: Entry, sure: list[str], every: list[str]) -> list[str] | None:
    """The patterns of an entry that are not ours; None when none surely is, or the entry is none to be touched."""
    if entry.marker or not _plain(entry.patterns, sure):
        return None
    mine = _plain(entry.patterns, every)
    return [pattern for pattern in entry.patterns if pattern not in mine]


def _plain(patterns: tuple[str, ...], names: list[str]) -> list[str]:
    """The patterns, hashed ones included, that stand for one of `names` and for nothing else."""
    return [p for p in patterns if not {"*", "?", "!"} & set(p) and any(_matches(p, name) for name in names)]


def _rewrite(path: Path, change: Callable[[str], str]) -> None:
    """Replace a file's text as a whole, so that a reader sees the old or the new, while no other hardway does the
    same."""
    path = Path(os.path.realpath(path))  # a link stays a link
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file")  # a device would become one
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Several hosts may be met for the first time at once, by several processes.
    with os.fdopen(_locked(path), "r", encoding="utf-8", errors="surrogateescape") as file:
        text = file.read()
        if (changed := change(text)) == text:
            return
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as new:
                new.write(changed)
                new.flush()
                os.fsync(new.fileno())
                _take_after(new.fileno(), os.fstat(file.fileno()))
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _take_after(descriptor: int, old: os.stat_result) -> None:
    os.fchmod(descriptor, old.st_mode & 0o777)
    if old.st_uid != os.geteuid():  # root works on somebody's file
        os.fchown(descriptor, old.st_uid, old.st_gid)


def _locked(path: Path) -> int:
    """A descriptor of the file, locked.

    Whoever held the lock before may have put another file in its place: then that one.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
        os.close(descriptor)
