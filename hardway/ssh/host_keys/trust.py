"""Recording host keys that came by a way other than the network they are to be recognised on."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...cluster import Host
from ...errors import HostKeyError
from ..hop import Hop
from ..route import route
from .known_hosts import NEW_KEYS, HostKey, known_name, replace, written
from .on_record import on_record


@dataclass(frozen=True)
class Recorded:
    """What became of one host's keys: those on record before, those now, and in which file."""

    host: str
    path: Path
    old: tuple[HostKey, ...]
    new: tuple[HostKey, ...]


def parse(text: str) -> Iterator[tuple[tuple[str, ...], HostKey]]:
    """(names, key) of each line of .pub files (no names) or of what ssh-keyscan prints; HostKeyError for a line that is
    neither."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        names = () if _is_kind(words[0]) else tuple(words.pop(0).split(","))
        key = _key(words)
        if key is None:
            raise HostKeyError(
                f"line {number} is not a public host key",
                evidence=line[:200],
                hint="give lines of /etc/ssh/ssh_host_*_key.pub, or the output of ssh-keyscan",
            )
        yield names, key


def _is_kind(word: str) -> bool:
    return re.fullmatch(r"(ssh|ecdsa|sk)-[a-z0-9@.-]+", word) is not None


def _key(words: list[str]) -> HostKey | None:
    """The key of `TYPE BASE64 …`, when the two agree: the type stands inside the key too."""
    if len(words) < 2 or not _is_kind(words[0]):
        return None
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (ValueError, binascii.Error):
        return None
    kind = words[0].encode()
    return HostKey(words[0], blob) if blob.startswith(len(kind).to_bytes(4, "big") + kind) else None


def names_of(host: Host) -> tuple[str, ...]:
    """Under which names known_hosts files may have a host, the one that decides first."""
    return route(host).known_as


def record(host: Host, keys: Iterable[HostKey]) -> Recorded:
    """Put `keys` in the place of those on record for a host; HostKeyError when there is no file for them or one of them
    is revoked."""
    hop, new = route(host), tuple(keys)
    if hop.record_in is None:
        raise HostKeyError(
            f"there is no known_hosts file to record the host keys of {host.name}",
            host.name,
            hint="set ssh.known_hosts in INV",
        )
    _refuse_revoked(hop, new)
    lines = [key.line(written(hop.known_as[0], hop.hashed)) for key in new]
    try:
        gone = replace(hop.record_in, _addresses(hop), lines, also=hop.known_as)
    except OSError as error:
        message = f"cannot record the host keys of {host.name} in {hop.record_in}: {error.strerror}"
        raise HostKeyError(message, host.name, hint="set ssh.known_hosts in INV to a file you can write") from error
    return Recorded(host.name, hop.record_in, tuple(entry.key for entry in gone), new)


def _addresses(hop: Hop) -> tuple[str, ...]:
    # A bare name like "controller-0" may be another cluster's machine in the same file; a line with the address is
    # surely this one's.
    return tuple(name for name in hop.known_as if name != known_name(hop.host, hop.port)) or hop.known_as


def _refuse_revoked(hop: Hop, keys: tuple[HostKey, ...]) -> None:
    for entry in on_record(hop.known_hosts).revoked:
        if entry.key in keys:
            raise HostKeyError(
                f"{hop.host} has a host key that is revoked in {entry.path} line {entry.number}",
                hop.host,
                evidence=f"{entry.key.kind} {entry.key.fingerprint}",
                hint=NEW_KEYS,
            )
