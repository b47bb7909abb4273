"""Where the lab keeps things."""

from __future__ import annotations

from pathlib import Path

RUN = Path("/run/hardway-lab")
"""Claims and locks of the labs that are up; gone after a reboot of the host, like the labs themselves."""


def lab_directory(cluster: str) -> Path:
    """Where the disks of a cluster's machines lie unless the inventory names another place."""
    return Path("/var/lib/hardway-lab") / cluster
