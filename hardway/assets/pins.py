"""The sha256 that a file in the cache must have: the user's word, else the table's or that of the pinned modules."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import yaml

from ..errors import AssetError
from .asset import Item
from .table import release, table

ALGORITHMS = {64: "sha256", 128: "sha512"}
MODULES = Path(__file__).parents[1] / "modules"


@functools.cache
def sums(component: str, version: str) -> dict[str, dict[str, dict[str, str]]]:
    """What a component's programs come out as: by toolchain, architecture and name; empty while nothing is pinned."""
    return read_sums(MODULES / component / version)


def read_sums(folder: Path) -> dict[str, dict[str, dict[str, str]]]:
    """The same of the pinned module in a folder."""
    path = folder / "sums.yaml"
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}


def pinned(item: Item, origin: str, made_with: str, own: str) -> str:
    """The one sha256 that the item has, "" when none is known.

    `own` is the user's file, in which "kubelet 1.37.2 amd64" and "pause image 3.10.2 amd64" are names.
    A program out of an archive has none: the archive has, and is checked before it is unpacked.
    """
    if len(said := read(Path(own)).get(str(item), "") if own else "") == 64:
        return said
    if item.is_image:
        return ""
    if origin == "modules":
        return sums(item.component, item.version).get(made_with, {}).get(item.arch, {}).get(item.name, "")
    found = release(item)
    return found.pinned if not found.members and len(found.pinned) == 64 else ""


def known_image(item: Item, sha256: str) -> bool:
    """Whether it is an archive as Debian 12's compiler and packages make it; others are right too, if made here."""
    return sha256 in table()["building"]["archives"].get(f"{item.name}-{item.version}", {}).get(item.arch, ())


def is_checksum(text: str) -> bool:
    """Whether it is a sha256 or a sha512 in hex."""
    return len(text) in ALGORITHMS and bool(re.fullmatch(r"[0-9a-fA-F]+", text))


def read(path: Path) -> dict[str, str]:
    """Checksums by URL from a YAML file, {} when there is none; AssetError when it is something else."""
    try:
        found = (
            yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader) or {}
        )  # plain text: a checksum of digits alone is no number
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AssetError(
            f"{path} cannot be read as YAML", evidence=str(error), hint=f"correct it, or rm {path}"
        ) from error
    if not isinstance(found, dict) or not all(is_checksum(str(value)) for value in found.values()):
        raise AssetError(f"{path} is not a list of checksums", hint="write one line per file: URL: SHA256 (or SHA512)")
    return {str(url): str(value).lower() for url, value in found.items()}
