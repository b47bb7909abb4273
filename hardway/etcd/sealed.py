"""Under which encryption key an object lies in etcd, as the first bytes of its value say; in a snapshot too."""

from __future__ import annotations

from collections.abc import Iterable

from ..pki.encryption import IDENTITY

OTHER = "unknown"
SEALED, PLAIN = b"k8s:enc:", (b"k8s\x00", b"{")
HEAD = 512  # bytes of a value; the rest of it is of no interest
# mvccpb.KeyValue, which etcd stores for each change: its fields with bytes that are looked at.
NAME, VALUE = 1, 5
VARINT, BYTES = 0, 2
DELETED = b"t"  # at the end of the revision of a change that deleted its object


def sealed_with(value: bytes) -> str:
    """The key that a value in etcd begins with, as it is named in the encryption configuration: `aescbc:key1`."""
    if value.startswith(PLAIN):
        return IDENTITY
    words = value[:HEAD].split(b":", 5)
    if not value.startswith(SEALED) or len(words) < 6:
        return OTHER
    return f"{words[2].decode('ascii', 'replace')}:{words[4].decode('ascii', 'replace')}"


def last_of_each(changes: Iterable[tuple[bytes, bytes]], prefix: bytes) -> dict[bytes, str]:
    """The key of each object under a prefix that the last of these changes has left: (revision, KeyValue), in their
    order. What is no KeyValue is passed over."""
    found: dict[bytes, str] = {}
    for revision, change in changes:
        if prefix not in change:
            continue
        fields = _fields(change)
        path = fields.get(NAME, b"")
        if path.startswith(prefix):
            found.pop(path, None)
            if not revision.endswith(DELETED):
                found[path] = sealed_with(fields.get(VALUE, b""))
    return found


def _fields(message: bytes) -> dict[int, bytes]:
    """The fields with bytes of a protobuf message; those before its damage when it is none."""
    found: dict[int, bytes] = {}
    at = 0
    try:
        while at < len(message):
            tag, at = _varint(message, at)
            size, at = _varint(message, at)
            if tag & 7 == BYTES:
                found[tag >> 3] = message[at : at + size]
                at += size
            elif tag & 7 != VARINT:
                break
    except IndexError:
        pass
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends; IndexError when it is cut short."""
    value = shift = 0
    while True:
        byte = message[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return value, at
