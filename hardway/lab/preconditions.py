"""What must be true of this host before a lab can be; each failing is one sentence with its remedy."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from ..errors import LabError
from .image import packages
from .shell import run, unmount
from .spec import LabSpec

SPACE_PER_MACHINE = 500_000_000


def require_root() -> None:
    """LabError unless this is Linux and we are root with the lab's packages installed."""
    if sys.platform != "linux":
        raise LabError(
            "the lab needs Linux", hint="use a Linux machine, or your own hosts in the inventory (no `lab:` section)"
        )
    if os.geteuid() != 0:
        raise LabError(
            "the lab needs root: it creates network namespaces, mounts and cgroups",
            hint="run the same command with sudo",
        )
    missing = packages.missing()
    if missing:
        names = " ".join(missing)
        raise LabError(f"the lab needs Debian packages that are missing: {names}", hint=f"{packages.INSTALL} {names}")


def require_disk(lab: LabSpec, new_machines: int) -> None:
    """LabError unless the lab's directory has room for its new machines and can carry the upper part of an overlay."""
    lab.machines.mkdir(mode=0o700, parents=True, exist_ok=True)
    needed, free = new_machines * SPACE_PER_MACHINE, shutil.disk_usage(lab.machines).free
    if free < needed:
        raise LabError(
            f"{new_machines} new machines need {needed / 1e9:.1f} GB, {lab.machines} has {free / 1e9:.1f} GB free",
            hint="free some space, or set lab.directory in the inventory to a larger disk",
        )
    if not carries_overlay(lab.machines):
        kind = run("stat", "--file-system", "--format=%T", lab.machines).strip()
        raise LabError(
            f"the machines' disks cannot be in {lab.directory}: its file system ({kind}) does not support overlays",
            hint="set lab.directory in the inventory to a folder on ext4, xfs or btrfs",
        )


def carries_overlay(directory: Path) -> bool:
    """Whether an overlay can be mounted with its upper part here: tried, since lists of file systems grow old."""
    with tempfile.TemporaryDirectory(prefix="probe-", dir=directory) as name:
        parts = [Path(name) / part for part in ("lower", "upper", "work", "root")]
        for part in parts:
            part.mkdir()
        lower, upper, work, root = parts
        try:
            run("mount", "-t", "overlay", "probe", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", root)
        except LabError:
            return False
        unmount(root)
        return True
