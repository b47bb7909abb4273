"""Where the secrets of one cluster are kept, seen as named files that are made once and never overwritten."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence

from ..errors import PkiError, ReadOnlyError

PRIVATE_FILE = 0o600
LAB = "lab/"  # of practice machines: their own key and host keys are not the cluster's
FOUNDED = "founded.json"  # which cluster was founded with these keys; see hardway.living.founded


class Store(ABC):
    """What StateDir and Overlay have in common. Names are relative paths such as `pki/ca.crt`.

    `history` names every file that was written through this object, in that order.
    """

    history: Sequence[str] = ()

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """The file's bytes, or None when it does not exist; PkiError when it cannot be read."""

    @abstractmethod
    def names(self) -> frozenset[str]:
        """Every file there is, without superseded ones and temporary files."""

    @abstractmethod
    def create(self, name: str, data: bytes, mode: int = PRIVATE_FILE) -> None:
        """Write a new file durably and in one step; PkiError when the name exists already."""

    @abstractmethod
    def replace(self, name: str, data: bytes, mode: int = PRIVATE_FILE) -> None:
        """Put a re-issued certificate or kubeconfig in place of the old one, which is kept under pki/old; never for
        keys."""

    @abstractmethod
    def discard(self, name: str) -> None:
        """Remove a file that is no key, if it is there."""

    @abstractmethod
    def succeed(self, name: str, successor: str) -> None:
        """Put the file `successor` in the place of `name` in one step, also a key; the former one is kept under
        pki/old."""

    @abstractmethod
    def retire(self, name: str) -> None:
        """Move a file to pki/old, also a key, if it is there."""

    @abstractmethod
    def past(self, name: str) -> tuple[bytes, ...]:
        """Everything that was in this place before, as it is kept under pki/old."""

    @abstractmethod
    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Hold the folder for this process; InUseError naming the owner when another process has it."""

    @abstractmethod
    def where(self, name: str = "") -> str:
        """The path to show a person."""

    def bind(self, name: str, value: str, meaning: str, hint: str) -> None:
        """Record a fact once; PkiError when the folder was made with another value of it."""
        recorded = self.read(name)
        if recorded is None:
            self.create(name, f"{value}\n".encode())
        elif recorded.decode(errors="replace").strip() != value:
            evidence = f"recorded in {self.where(name)}: {recorded.decode(errors='replace').strip()}\nnow: {value}"
            raise PkiError(
                f"the state directory {self.where()} belongs to another {meaning}", evidence=evidence, hint=hint
            )


def refuse_key(name: str) -> None:
    if name.endswith((".key", ".pub")):
        raise ValueError(f"{name}: a key is never replaced")


class Frozen(Store):
    """Somebody else's store as it is: nothing can be written to it."""

    def __init__(self, below: Store):
        self._read, self._names, self._where, self._past = below.read, below.names, below.where, below.past

    def read(self, name: str) -> bytes | None:
        return self._read(name)

    def names(self) -> frozenset[str]:
        return self._names()

    def where(self, name: str = "") -> str:
        return self._where(name)

    def create(self, name: str, data: bytes, mode: int = PRIVATE_FILE) -> None:
        raise ReadOnlyError(f"a read-only session tried to write {self.where(name)}")

    def replace(self, name: str, data: bytes, mode: int = PRIVATE_FILE) -> None:
        self.create(name, data, mode)

    def discard(self, name: str) -> None:
        raise ReadOnlyError(f"a read-only session tried to remove {self.where(name)}")

    def succeed(self, name: str, successor: str) -> None:
        self.create(name, b"")  # refused like any other write

    def retire(self, name: str) -> None:
        self.discard(name)

    def past(self, name: str) -> tuple[bytes, ...]:
        return self._past(name)

    def lock(self) -> contextlib.AbstractContextManager[None]:
        raise ReadOnlyError(f"a read-only session tried to lock {self.where()}")


class Overlay(Store):
    """A scratch copy: writes stay in memory and vanish with the object, so a plan can issue certificates without a
    trace."""

    def __init__(self, below: Store):
        self.below = below
        self.history: list[str] = []
        self._written: dict[str, bytes] = {}
        self._gone: set[str] = set()
        self._kept: dict[str, list[bytes]] = {}

    @property
    def written(self) -> frozenset[str]:
        """The names of what was written here, and is not so below."""
        return frozenset(self._written)

    def where(self, name: str = "") -> str:
        return self.below.where(name)

    def read(self, name: str) -> bytes | None:
        if name in self._gone:
            return None
        return self._written[name] if name in self._written else self.below.read(name)

    def names(self) -> frozenset[str]:
        return (self.below.names() | self._written.keys()) - self._gone

    def create(self, name: str, data: bytes, mode: int = PRIVATE_FILE) -> None:
        if self.read(name) is not None:
            raise PkiError(f"{self.where(name)} exists already and was not overwritten")
        self._write(name, data)

    def replace(self, name: str, data: bytes, mode: int = PRIVATE_FILE) -> None:
        refuse_key(name)
        self._keep(name)
        self._write(name, data)

    def _keep(self, name: str) -> None:
        if (data := self.read(name)) is not None:
            self._kept.setdefault(name, []).append(data)

    def past(self, name: str) -> tuple[bytes, ...]:
        return (*self.below.past(name), *self._kept.get(name, ()))

    def _write(self, name: str, data: bytes) -> None:
        self._gone.discard(name)
        self._written[name] = data
        self.history.append(name)

    def discard(self, name: str) -> None:
        refuse_key(name)
        self._drop(name)

    def succeed(self, name: str, successor: str) -> None:
        data = self.read(successor)
        if data is None:
            raise PkiError(f"{self.where(successor)} is missing")
        self._keep(name)
        self._write(name, data)
        self._drop(successor)

    def retire(self, name: str) -> None:
        self._keep(name)
        self._drop(name)

    def _drop(self, name: str) -> None:
        self._written.pop(name, None)
        if self.below.read(name) is not None:
            self._gone.add(name)

    def lock(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()
