"""Reading bbolt's pages, as far as a snapshot of etcd has to be known: single keys, the last key of a bucket, or all.

The format: https://github.com/etcd-io/bbolt, internal/common/{page,meta,inode}.go. It has not changed since 2014.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

PAGE = struct.Struct("<QHHI")  # id, flags, count of elements, pages that follow as part of it
META = struct.Struct("<IIIIQQQQQQ")  # magic, version, page size, flags, root, sequence, freelist, pages, txid, checksum
LEAF = struct.Struct("<IIII")  # flags, where the key begins, its size, the value's
BRANCH = struct.Struct("<IIQ")  # where the key begins, its size, page
BUCKET = struct.Struct("<QQ")  # root, sequence
MAGIC, VERSION = 0xED0CDAED, 2
IS_BRANCH, IS_LEAF = 0x01, 0x02
PAGE_SIZES = [1 << bits for bits in range(9, 17)]
OFFSET, PRIME = 0xCBF29CE484222325, 0x100000001B3
DEEPEST = 64


@dataclass(frozen=True)
class Bucket:
    """`page` is its root; a small one has none of its own, and is `inline` where its parent lists it."""

    page: int
    inline: bytes = b""


class Bolt:
    """A database of `size` bytes at the beginning of a file; ValueError for anything that bbolt has not written."""

    def __init__(self, file: BinaryIO, size: int):
        self.file, self.size = file, size
        metas = [meta for meta in map(self._meta, (0, *PAGE_SIZES)) if meta]
        if not metas:
            raise ValueError("it does not begin as bbolt's files do")
        _, self.page_size, root, pages = max(metas)
        if pages * self.page_size > size:
            raise ValueError(f"it should have {pages} pages of {self.page_size} bytes, and ends before")
        self.top = Bucket(root)

    def bucket(self, name: bytes) -> Bucket | None:
        """A bucket at the top, or None."""
        found = self.get(self.top, name)
        return None if found is None else Bucket(_unpacked(BUCKET, found, 0)[0], found[BUCKET.size :])

    def get(self, bucket: Bucket, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        leaf = self._leaf(bucket, lambda keys: max(sum(one <= key for one in keys) - 1, 0))
        return next((value for name, value in _pairs(leaf) if name == key), None)

    def last_key(self, bucket: Bucket) -> bytes | None:
        """The greatest key, or None in an empty bucket."""
        leaf = self._leaf(bucket, lambda keys: len(keys) - 1)
        return max((name for name, _ in _pairs(leaf)), default=None)

    def pairs(self, bucket: Bucket) -> Iterator[tuple[bytes, bytes]]:
        """All keys with their values, in the order of the keys."""
        todo = [(self._page(bucket.page) if bucket.page else bucket.inline, 0)]
        while todo:
            page, depth = todo.pop()
            if depth > DEEPEST:
                raise ValueError("its tree has no end")
            yield from _pairs(page)
            todo += [(self._page(child), depth + 1) for _, child in reversed(list(_children(page)))]

    def _leaf(self, bucket: Bucket, choose: Callable[[Sequence[bytes]], int]) -> bytes:
        """The leaf to which one leads who chooses at each branch by its keys."""
        page = self._page(bucket.page) if bucket.page else bucket.inline
        for _ in range(DEEPEST):
            children = list(_children(page))
            if not children:
                return page
            page = self._page(children[choose([key for key, _ in children])][1])
        raise ValueError("its tree has no end")

    def _page(self, number: int) -> bytes:
        begin = number * self.page_size
        overflow = _unpacked(PAGE, self._read(begin, PAGE.size), 0)[3]
        return self._read(begin, (overflow + 1) * self.page_size)

    def _read(self, begin: int, size: int) -> bytes:
        if begin + size > self.size:
            raise ValueError(f"it ends before byte {begin + size}")
        self.file.seek(begin)
        return self.file.read(size)

    def _meta(self, begin: int) -> tuple[int, int, int, int] | None:
        """(transaction, page size, root, pages) of a meta page, if there is one here and it is whole."""
        if begin + PAGE.size + META.size > self.size:
            return None
        found = self._read(begin + PAGE.size, META.size)
        magic, version, size, _, root, _, _, pages, txid, checksum = META.unpack(found)
        whole = (magic, version, checksum) == (MAGIC, VERSION, fnv(found[:-8]))
        return (txid, size, root, pages) if whole and size else None


def _pairs(page: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The keys of a leaf with their values."""
    _, flags, count, _ = _unpacked(PAGE, page, 0)
    for number in range(count if flags & IS_LEAF else 0):
        at = PAGE.size + number * LEAF.size
        _, position, ksize, vsize = _unpacked(LEAF, page, at)
        key = at + position
        yield page[key : key + ksize], page[key + ksize : key + ksize + vsize]


def _children(page: bytes) -> Iterator[tuple[bytes, int]]:
    """The first keys of a branch's children, with their pages."""
    _, flags, count, _ = _unpacked(PAGE, page, 0)
    for number in range(count if flags & IS_BRANCH else 0):
        at = PAGE.size + number * BRANCH.size
        position, size, child = _unpacked(BRANCH, page, at)
        yield page[at + position : at + position + size], child


def _unpacked(form: struct.Struct, data: bytes, at: int) -> tuple[int, ...]:
    try:
        return form.unpack_from(data, at)
    except struct.error as error:
        raise ValueError("a page of it is cut short") from error


def fnv(data: bytes) -> int:
    """The checksum of a meta page: FNV-1a, 64 bits."""
    value = OFFSET
    for byte in data:
        value = (value ^ byte) * PRIME & 0xFFFFFFFFFFFFFFFF
    return value
