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
        self._read, self._names, self._where = below.read, below.names, below.where

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

    def lock(self) -> contextlib.AbstractContextManager[None]:
        raise ReadOnlyError(f"a read-only session tried to lock {self.where()}")


class Overlay(Store):
    """A scratch copy: writes stay in memory and vanish with the object, so a plan can issue certificates without a
    trace."""

    def __init__(self, below: Store):
        self.below = below
        self.history: list[str] = []
        self._written: dict[str, bytes] = {}

    @property
    def written(self) -> frozenset[str]:
        """The names of what was written here, and is not so below."""
        return frozenset(self._written)

    def where(self, name: str = "") -> str:
        return self.below.where(name)

    def read(self, name: str) -> bytes | None:
        return self._written[name] if name in self._written else self.below.read(name)

    def names(self) -> frozenset[str]:
        return self.below.names() | self._written.keys()

    def create(self, name: str, data: bytes, mode: int = PRIVATE_FILE) -> None:
        if self.read(name) is not None:
            raise PkiError(f"{self.where(name)} exists already and was not overwritten")
        self._write(name, data)

    def replace(self, name: str, data: bytes, mode: int = PRIVATE_FILE) -> None:
        refuse_key(name)
        self._write(name, data)

    def _write(self, name: str, data: bytes) -> None:
        self._written[name] = data
        self.history.append(name)

    def discard(self, name: str) -> None:
        refuse_key(name)
        if self.below.read(name) is not None:
            raise ReadOnlyError(f"cannot remove {self.where(name)} from an in-memory copy that does not hold it")
        self._written.pop(name, None)

    def lock(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()
