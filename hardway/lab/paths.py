"""Where the lab keeps things."""

from __future__ import annotations

import os
from pathlib import Path

RUN = Path("/run/hardway-lab")
"""Claims and locks of the labs that are up; gone after a reboot of the host, like the labs themselves."""


def cache_directory() -> Path:
    """HARDWAY_CACHE, or hardway's folder in the XDG cache (~/.cache/hardway)."""
    chosen = os.environ.get("HARDWAY_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "hardway"


def lab_directory(cluster: str) -> Path:
    """Where the disks of a cluster's machines lie unless the inventory names another place."""
    return Path("/var/lib/hardway-lab") / cluster
