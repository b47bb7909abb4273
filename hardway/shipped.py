"""The files that ship beside the package: `systemd-units/`, `pki/` and `inventory/` of a checkout, their copies in an
installed package."""

from __future__ import annotations

import functools
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path


@functools.cache
def shipped(folder: str) -> Traversable:
    """The folder of that name in the project's top level, wherever hardway runs from."""
    packaged = resources.files("hardway") / "data" / folder.replace("-", "_")
    # A checkout has no data folder; beside an installed package a folder of that name may be anybody's.
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[1] / folder
