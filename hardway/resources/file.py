"""Files and folders with content, owner and mode."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ..vocabulary import Answers, Blob, Op, Probe
from .base import Change, Situation, unified


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
            return Change(
                self.key, (f"is a {kind}, not a directory",), (Op("mkdir", (self.path, *wanted)),), was=actual
            )
        return Change(self.key, (_meta(meta, wanted),), (Op("own", (self.path, *wanted)),), was=actual)

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        there, made, known = (answers[probe] for probe in self.probes())
        if self.shared or not there.startswith("dir") or (known if self.data else made) != "yes":
            return ()
        return (Op("rmtree" if self.data else "rmdir", (self.path,)),)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


@dataclass(frozen=True)
class File:
    """A small file; a secret one is shown by its digest only.

    `checked` names the program that must accept new content before it takes the file's place (see write.sh's `check`).
    """

    path: str
    blob: Blob
    mode: str = "644"
    owner: str = "root"
    group: str = "root"
    checked: str = ""

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
        check = (Op("check", (self.checked,), self.blob),) if self.checked else ()
        put = (*check, Op("put", (self.path, *wanted), self.blob))
        if kind != "file":
            why = "new" if kind == "absent" else f"is a {kind}, not a file"
            return Change(self.key, (why,), put, diff=self._diff(b""), was="" if kind == "absent" else head)
        reasons, was = ([] if meta[:3] == wanted else [_meta(meta[:3], wanted)]), described(meta)
        if meta[4] == self.blob.sha256:
            return Change(self.key, tuple(reasons), (Op("own", (self.path, *wanted)),), was=was) if reasons else None
        return Change(
            self.key, ("content", *reasons), put, diff=self._diff(base64.b64decode(content), meta[4]), was=was
        )

    def _diff(self, old: bytes, old_sha256: str = "") -> str:
        if self.blob.secret or self.blob.data is None:
            return f"sha256 {old_sha256[:12] or 'none'} -> {self.blob.sha256[:12]}"
        return unified(_text(old), _text(self.blob.data), self.path, "host")

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return (Op("drop", (self.path,)),) if answers[ours(self.path)] == "yes" else ()


@dataclass(frozen=True)
class Binary:
    """A program: sent only when its sha256 differs; large, so its digest on the host is recorded when written.

    One that was brought beside its place (see Delivered) is put in force by a rename; `keep` the one that was there
    before.
    """

    path: str
    blob: Blob
    mode: str = "755"
    keep: bool = False

    @property
    def key(self) -> str:
        return f"binary {self.path}"

    @property
    def beside(self) -> str:
        """Where a new one waits for its turn."""
        folder, _, name = self.path.rpartition("/")
        return f"{folder}/.{name}.next"

    @property
    def before(self) -> str:
        """Where the one that it took the place of is kept."""
        folder, _, name = self.path.rpartition("/")
        return f"{folder}/.{name}.before"

    @property
    def wanted(self) -> tuple[str, str, str]:
        return self.mode, "root", "root"

    def probes(self) -> tuple[Probe, ...]:
        beside = (Probe("binary", (self.path,)), Probe("binary", (self.beside,)))
        return (*beside, *(ours(path) for path in (self.path, self.beside, self.before)))

    def compare(self, now: Situation) -> Change | None:
        answer, waiting = (now.answers[probe] for probe in self.probes()[:2])
        kind, *meta = answer.split()
        if kind != "file":
            return Change(self.key, ("new",), (self.sent(self.path),), diff=f"{self.blob.size} bytes, {self.digest}")
        if meta[4] != self.blob.sha256 and self.blob.unknown:
            return self.untold()
        if meta[4] != self.blob.sha256:
            # What waits there may be half of a program for all its owner knows: its digest decides.
            swap = Op("swap", (self.path, *self.wanted, self.blob.sha256, *(["keep"] if self.keep else [])))
            op = swap if self.blob.sha256 in waiting else self.sent(self.path)
            diff = f"sha256 {meta[4][:12]} -> {self.blob.sha256[:12]}"
            return Change(self.key, ("content",), (op,), diff=diff, was=described(meta))
        if tuple(meta[:3]) != self.wanted:
            own = Op("own", (self.path, *self.wanted))
            return Change(self.key, (_meta(meta[:3], self.wanted),), (own,), was=described(meta))
        return None

    def untold(self) -> Change:
        """It is there, and nobody can tell whether it is the right one."""
        return Change(self.key, ("cannot be compared: it is not in the cache of this computer",), (), unknown=True)

    @property
    def digest(self) -> str:
        return f"sha256 {self.blob.sha256[:12]}"

    def sent(self, path: str) -> Op:
        """To be written at a path, whole."""
        return Op("binary", (path, *self.wanted, self.blob.sha256), self.blob)

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        paths = (self.path, self.beside, self.before)
        return tuple(Op("drop", (path,)) for path in paths if answers[ours(path)] == "yes")


@dataclass(frozen=True)
class Delivered:
    """A program that a unit runs, on the host in time: in its place where there is none, else beside it.

    A running unit's program is put in force in that unit's own turn, or it would take effect everywhere at once: by a
    crash, or because it starts others.
    """

    program: Binary

    @property
    def key(self) -> str:
        return self.program.key

    def probes(self) -> tuple[Probe, ...]:
        return self.program.probes()

    def compare(self, now: Situation) -> Change | None:
        program = self.program
        there, waiting, _, ours_waiting, _ = (now.answers[probe] for probe in self.probes())
        if there.split()[0] != "file":
            return program.compare(now)
        if program.blob.unknown and there.split()[-1] != program.blob.sha256:
            return program.untold()
        if program.blob.sha256 in there:
            drop = Op("drop", (program.beside,))
            why = f"{program.beside} is of no more use"
            return Change(self.key, (why,), (drop,)) if ours_waiting == "yes" else None
        if program.blob.sha256 in waiting:
            return None
        return Change(self.key, ("to be put in force later",), (program.sent(program.beside),), diff=program.digest)

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()


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
        diff = unified(_text(actual), _text(self.blob.data or b""), self.path, "host", context=3)
        was = f"sha256:{hashlib.sha256(actual).hexdigest()[:12]}" if actual else ""
        return Change(
            self.key,
            ("content" if actual else "new",),
            (Op("block", (self.path, self.mark), self.blob),),
            diff=diff,
            was=was,
        )

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return (Op("dropblock", (self.path, self.mark)),) if answers[self.probes()[0]] else ()


def described(meta: Sequence[str]) -> str:
    """A file as it is, from a probe's words: mode, owner, group, size and a short digest."""
    return f"{meta[0]} {meta[1]}:{meta[2]}, {meta[3]} bytes, sha256:{meta[4][:12]}"


def file_digest(answer: str) -> str:
    """The sha256 of a file's content, from the answer to `file`; empty when it is no file."""
    kind, *meta = answer.partition("\n")[0].split()
    return meta[4] if kind == "file" else ""


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
