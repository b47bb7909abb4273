"""The Go modules that hardway pins: a folder for each version of a component, and the Go that is new enough for it."""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import AssetError
from ..asset import Report
from ..cache import Cache
from ..table import numbers, table
from . import golang
from .golang import Go

FOLDER = Path(__file__).parents[2] / "modules"


def folder(component: str, version: str) -> Path:
    """The pinned module of a component's version; AssetError when there is none."""
    found = FOLDER / component / version
    if (found / "go.sum").is_file():
        return found
    known = sorted((path.name for path in (FOLDER / component).glob("*")), key=numbers)
    raise AssetError(
        f"{component} {version} is not among the Go modules that hardway pins",
        evidence=f"pinned: {', '.join(known)}",
        hint=(
            "choose one of these in the inventory, or pin it in a checkout of hardway: hardway assets pin"
            f" {component}={version}; or use assets.source upstream or mirror"
        ),
    )


def toolchain(folder: Path, cache: Cache, report: Report) -> Go:
    """A Go that is new enough for the module in `folder`."""
    least = re.search(r"^go (\S+)", (folder / "go.mod").read_text(encoding="utf-8"), re.M)[1]
    return golang.toolchain(least, table()["building"]["go"], cache.directory, report)
