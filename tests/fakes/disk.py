"""A file system as two dicts, and what a distribution has on it before we come."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

STATE = "/var/lib/hardway"
TOP = (
    "/etc/systemd/system",
    "/etc/modules-load.d",
    "/etc/sysctl.d",
    "/lib/systemd/system",
    "/opt",
    "/run",
    "/usr/bin",
    "/usr/lib",
    "/usr/libexec",
    "/usr/local/bin",
    "/usr/sbin",
    "/var/lib",
    "/var/log",
)


class Refused(Exception):
    """An op failed on the host, as a shell command that exits with an error does."""


@dataclass(frozen=True)
class Entry:
    """A file; `born` counts writes, as an inode and its times would."""

    content: bytes
    mode: str = "644"
    owner: str = "root"
    group: str = "root"
    born: int = 0

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def meta(self) -> str:
        return f"{self.mode} {self.owner} {self.group}"

    def __deepcopy__(self, memo: dict[int, Any]) -> Entry:
        return self  # it never changes


class Disk:
    """Files and folders by absolute path. A folder exists when it was made; those below STATE need not be."""

    def __init__(self):
        self.files: dict[str, Entry] = {}
        self.dirs: dict[str, str] = {}
        self.writes = 0
        for path in TOP:
            self.mkdir(path)

    def __deepcopy__(self, memo: dict[int, Any]) -> Disk:
        other = memo[id(self)] = copy.copy(self)
        other.files, other.dirs = dict(self.files), dict(self.dirs)
        return other

    def write(self, path: str, content: bytes, mode: str = "644", owner: str = "root", group: str = "root") -> None:
        folder = path.rpartition("/")[0]
        if folder not in self.dirs and not path.startswith(STATE):
            raise Refused(f"{path}: No such file or directory")
        if path in self.dirs:
            raise Refused(f"{path}: Is a directory")
        self.writes += 1
        self.files[path] = Entry(content, mode, owner, group, self.writes)

    def read(self, path: str) -> bytes:
        return self.files[path].content if path in self.files else b""

    def chown(self, path: str, mode: str, owner: str, group: str) -> None:
        if path in self.dirs:
            self.dirs[path] = f"{mode} {owner} {group}"
        elif path in self.files:
            self.files[path] = replace(self.files[path], mode=mode, owner=owner, group=group)
        else:
            raise Refused(f"{path}: No such file or directory")

    def mkdir(self, path: str) -> None:
        parts = path.split("/")
        for i in range(2, len(parts) + 1):
            folder = "/".join(parts[:i])
            if folder in self.files:
                raise Refused(f"{folder}: File exists")
            self.dirs.setdefault(folder, "755 root root")

    def below(self, path: str) -> list[str]:
        """Everything at or below a path."""
        inside = f"{path}/"
        return [name for name in (*self.files, *self.dirs) if name == path or name.startswith(inside)]

    def has(self, path: str) -> bool:
        """Whether there is anything at or below a path."""
        return path in self.files or path in self.dirs or f"\n{path}/" in "\n".join(("", *self.files, *self.dirs))

    def remove_tree(self, path: str) -> None:
        for name in self.below(path):
            self.files.pop(name, None)
            self.dirs.pop(name, None)

    def move(self, path: str, to: str) -> None:
        """What rename(2) does with a folder."""
        for name in self.below(path):
            found = self.files if name in self.files else self.dirs
            found[to + name.removeprefix(path)] = found.pop(name)  # type: ignore[index]

    def remove_empty(self, path: str) -> None:
        if self.below(path) == [path]:
            self.dirs.pop(path, None)

    def mark(self, name: str, content: bytes = b"") -> None:
        """A note of hardway's own."""
        self.write(f"{STATE}/{name}", content, "600")

    def marked(self, name: str) -> bool:
        return self.has(f"{STATE}/{name}")

    def forget(self, name: str) -> None:
        self.remove_tree(f"{STATE}/{name}")
