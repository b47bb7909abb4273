"""Files and folders with content, owner and mode."""

from __future__ import annotations

import base64
import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ..vocabulary import Answers, Blob, Op, Probe
from .base import Change, Situation


@dataclass(frozen=True)
class Directory:
    """A folder. `data` marks one whose content is ours alone, so that a reset removes the whole tree."""

    path: str
    mode: str = "755"
    owner: str = "root"
    group: str = "root"
    data: bool = False
    shared: bool = False

    @property
    def key(self) -> str:
        return f"directory {self.path}"

    def probes(self) -> tuple[Probe, ...]:
        return (
            Probe("file", (self.path, "", "dir")),
            Probe("ours", ("dirs", f"{self.path}/.made")),
            Probe("exists", ("/var/lib/hardway",)),
        )

    def compare(self, now: Situation) -> Change | None:
        actual = now.answers[self.probes()[0]]
        if actual == "absent":
            return Change(self.key, ("new",), (Op("mkdir", (self.path, self.mode, self.owner, self.group)),))
        kind, *meta = actual.split()
        wanted = [self.mode, self.owner, self.group]
        if kind == "dir" and (meta == wanted or self.shared):
            return None
        if kind != "dir":
            return Change(self.key, (f"is a {kind}, not a directory",), (Op("mkdir", (self.path, *wanted)),), was=actual)
        return Change(self.key, (_meta(meta, wanted),), (Op("own", (self.path, *wanted)),), was=actual)

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        there, made, known = (answers[probe] for probe in self.probes())
        if self.shared or not there.startswith("dir") or (known if self.data else made) != "yes":
            return ()
        return (Op("rmtree" if self.data else "rmdir", (self.path,)),)


@dataclass(frozen=True)
class File:
    """A small file; a secret one is shown by its digest only."""

    path: str
    blob: Blob
    mode: str = "644"
    owner: str = "root"
    group: str = "root"

    @property
    def key(self) -> str:
        return f"file {self.path}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("file", (self.path, self.blob.sha256, "secret" if self.blob.secret else "text")), ours(self.path))

    def compare(self, now: Situation) -> Change | None:
        answer = now.answers[self.probes()[0]]
        head, _, content = answer.partition("\n")
        kind, *meta = head.split()
        wanted = [self.mode, self.owner, self.group]
        put = Op("put", (self.path, *wanted), self.blob)
        if kind != "file":
            why = "new" if kind == "absent" else f"is a {kind}, not a file"
            return Change(self.key, (why,), (put,), diff=self._diff(b""), was="" if kind == "absent" else head)
        reasons, was = ([] if meta[:3] == wanted else [_meta(meta[:3], wanted)]), described(meta)
        if meta[4] == self.blob.sha256:
            return Change(self.key, tuple(reasons), (Op("own", (self.path, *wanted)),), was=was) if reasons else None
        return Change(self.key, ("content", *reasons), (put,), diff=self._diff(base64.b64decode(content), meta[4]), was=was)

    def _diff(self, old: bytes, old_sha256: str = "") -> str:
        if self.blob.secret or self.blob.data is None:
            return f"sha256 {old_sha256[:12] or 'none'} -> {self.blob.sha256[:12]}"
        lines = (text.decode("utf-8", "replace").splitlines() for text in (old, self.blob.data))
        return "\n".join(difflib.unified_diff(*lines, fromfile=f"{self.path} (host)", tofile=f"{self.path} (wanted)", lineterm="", n=2))

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return (Op("drop", (self.path,)),) if answers[ours(self.path)] == "yes" else ()


@dataclass(frozen=True)
class Binary:
    """A program: sent only when its sha256 differs; large, so its digest on the host is recorded when written.

    `units` run it: their stamps go before it is replaced, so that a run that dies before their turn is noticed.
    """

    path: str
    blob: Blob
    mode: str = "755"
    units: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"binary {self.path}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("binary", (self.path,)), ours(self.path))

    def compare(self, now: Situation) -> Change | None:
        kind, *meta = now.answers[self.probes()[0]].split()
        wanted = (self.mode, "root", "root")
        put = Op("binary", (self.path, *wanted, self.blob.sha256), self.blob)
        if kind != "file":
            return Change(self.key, ("new",), (put,), diff=f"{self.blob.size} bytes, sha256 {self.blob.sha256[:12]}")
        if meta[4] != self.blob.sha256:
            before = tuple(Op("unstamp", (unit,)) for unit in self.units)
            diff = f"sha256 {meta[4][:12]} -> {self.blob.sha256[:12]}"
            return Change(self.key, ("content",), (put,), before, diff=diff, was=described(meta))
        if tuple(meta[:3]) != wanted:
            return Change(self.key, (_meta(meta[:3], wanted),), (Op("own", (self.path, *wanted)),), was=described(meta))
        return None

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return (Op("drop", (self.path,)),) if answers[ours(self.path)] == "yes" else ()


@dataclass(frozen=True)
class Block:
    """Our marked lines inside a file that belongs to the host, for example /etc/hosts."""

    path: str
    mark: str
    blob: Blob

    @property
    def key(self) -> str:
        return f"block {self.mark} in {self.path}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("block", (self.path, self.mark)),)

    def compare(self, now: Situation) -> Change | None:
        actual = base64.b64decode(now.answers[self.probes()[0]])
        if actual == self.blob.data:
            return None
        lines = (text.decode("utf-8", "replace").splitlines() for text in (actual, self.blob.data or b""))
        diff = "\n".join(difflib.unified_diff(*lines, fromfile=f"{self.path} (host)", tofile=f"{self.path} (wanted)", lineterm=""))
        was = f"sha256:{hashlib.sha256(actual).hexdigest()[:12]}" if actual else ""
        return Change(self.key, ("content" if actual else "new",), (Op("block", (self.path, self.mark), self.blob),), diff=diff, was=was)

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return (Op("dropblock", (self.path, self.mark)),) if answers[self.probes()[0]] else ()


def described(meta: Sequence[str]) -> str:
    """A file as it is, from a probe's words: mode, owner, group, size and a short digest."""
    return f"{meta[0]} {meta[1]}:{meta[2]}, {meta[3]} bytes, sha256:{meta[4][:12]}"


def _meta(actual: Sequence[str], wanted: Sequence[str]) -> str:
    """Mode and owner, only what differs of them."""
    found = [f"mode {actual[0]} -> {wanted[0]}"] if actual[0] != wanted[0] else []
    if list(actual[1:3]) != list(wanted[1:3]):
        found.append(f"owner {':'.join(actual[1:3])} -> {':'.join(wanted[1:3])}")
    return ", ".join(found)


def ours(path: str) -> Probe:
    """Whether the file at this path was put there by us: only then may it be removed."""
    return Probe("ours", ("ours", path))


def text(data: bytes, secret: bool = False) -> Blob:
    """Content held in memory."""
    return Blob(data=data, secret=secret)
