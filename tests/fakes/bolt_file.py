"""A database as bbolt writes it, and a snapshot as etcd sends it, made of a few keys."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hardway.etcd.bolt import BRANCH, BUCKET, LEAF, MAGIC, META, PAGE, VERSION, fnv

SIZE = 4096
PER_LEAF = 20
Pair = tuple[bytes, bytes]


def revision(main: int, sub: int = 0) -> bytes:
    return struct.pack(">Q", main) + b"_" + struct.pack(">Q", sub)


def stored(path: str, value: bytes) -> bytes:
    """What etcd keeps of an object: mvccpb.KeyValue with its path, two of its numbers, and its value."""

    def field(number: int, data: bytes) -> bytes:
        size, length = len(data), b""
        while size > 0x7F:
            length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + data

    return field(1, path.encode()) + b"\x10\x96\x01\x18\x97\x01" + field(5, value)


def database(changes: Mapping[int, bytes], about: Mapping[bytes, bytes] | None = None) -> bytes:
    """`changes` are values by the revision that wrote them; `about` is the bucket `meta`."""
    pages = [b"", b"", page(2, 0x10, b"", 0)]
    keys = tree(pages, [(revision(main), value) for main, value in sorted(changes.items())])
    told = tree(pages, sorted((about if about is not None else {b"storageVersion": b"3.7.0"}).items()))
    buckets = [(b"key", BUCKET.pack(keys, 0)), (b"meta", BUCKET.pack(told, 0))]
    root = append(pages, leaf(len(pages), buckets, flags=1))
    pages[0], pages[1] = (meta(number, root, len(pages), number + 4) for number in (0, 1))
    return b"".join(pages)


def tree(pages: list[bytes], pairs: Sequence[Pair]) -> int:
    """The number of the root of a tree of these, in leaves of a few keys each."""
    some = [pairs[begin : begin + PER_LEAF] for begin in range(0, len(pairs), PER_LEAF)] or [()]
    leaves = [(part[0][0] if part else b"", append(pages, leaf(len(pages), part))) for part in some]
    return leaves[0][1] if len(leaves) == 1 else append(pages, branch(len(pages), leaves))


def append(pages: list[bytes], content: bytes) -> int:
    """A page, which may be several in one."""
    number = len(pages)
    pages.extend(content[begin : begin + SIZE] for begin in range(0, len(content), SIZE))
    return number


def leaf(number: int, pairs: Iterable[Pair], flags: int = 0) -> bytes:
    pairs = list(pairs)
    at, heads, bodies = len(pairs) * LEAF.size, b"", b""
    for index, (key, value) in enumerate(pairs):
        heads += LEAF.pack(flags, at - index * LEAF.size + len(bodies), len(key), len(value))
        bodies += key + value
    return page(number, 0x02, heads + bodies, len(pairs))


def branch(number: int, children: Sequence[tuple[bytes, int]]) -> bytes:
    at, heads, bodies = len(children) * BRANCH.size, b"", b""
    for index, (key, child) in enumerate(children):
        heads += BRANCH.pack(at - index * BRANCH.size + len(bodies), len(key), child)
        bodies += key
    return page(number, 0x01, heads + bodies, len(children))


def meta(number: int, root: int, pages: int, txid: int) -> bytes:
    body = META.pack(MAGIC, VERSION, SIZE, 0, root, 0, 2, pages, txid, 0)[:-8]
    return page(number, 0x04, body + struct.pack("<Q", fnv(body)), 0)


def page(number: int, flags: int, body: bytes, count: int) -> bytes:
    more = (PAGE.size + len(body) - 1) // SIZE
    whole = PAGE.pack(number, flags, count, more) + body
    return whole + bytes(-len(whole) % SIZE)


def snapshot(content: bytes) -> bytes:
    """What etcd sends: the database and its checksum."""
    return content + hashlib.sha256(content).digest()


def write(path: Path, *values: bytes, about: Mapping[bytes, bytes] | None = None, last: int = 1000) -> Path:
    """A snapshot of some values, whose last change was at this revision."""
    changes = {last - number: value for number, value in enumerate(values or (b"value",))}
    path.write_bytes(snapshot(database(changes, about)))
    return path
