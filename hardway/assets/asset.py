"""What an asset is: one verified local file, and the name under which the rest of the package asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Report = Callable[[str], None]

IMAGE = "image"


@dataclass(frozen=True)
class Item:
    """Something a cluster needs: a binary of a component, or (component "image") an image archive."""

    component: str
    name: str
    version: str
    arch: str

    @property
    def is_image(self) -> bool:
        return self.component == IMAGE

    @property
    def key(self) -> str:
        """Its name, with images apart from binaries: "kubelet", "image:pause"."""
        return f"image:{self.name}" if self.is_image else self.name

    def __str__(self):
        return f"{self.name}{' image' if self.is_image else ''} {self.version} {self.arch}"


@dataclass(frozen=True)
class Asset:
    """A checked file in the cache; `size` in bytes, `reference` is an image's full name and empty for binaries.

    `made_with` names the compilers of what was built here, Go's first.
    """

    component: str
    name: str
    version: str
    arch: str
    path: Path
    sha256: str
    size: int
    provenance: str
    reference: str = ""
    made_with: str = ""


@dataclass(frozen=True)
class Row:
    """One line of `assets list`: `state` is cached, missing, damaged or unknown, `origin` is releases or modules.

    Unknown is what this hardway has not stored, and has no pin for.
    """

    component: str
    name: str
    version: str
    arch: str
    state: str
    origin: str = ""
    size: int = 0
    sha256: str = ""
    provenance: str = ""
    made_with: str = ""
    path: Path | None = None


def megabytes(size: int) -> str:
    """A size a person reads, in units of 10^6 bytes."""
    return f"{size / 1e6:.1f} MB"
