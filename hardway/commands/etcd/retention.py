"""How many snapshots are kept: only those that hardway itself took of this cluster are ever removed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ...etcd import sidecar
from ...etcd.sidecar import Sidecar

ENDING = ".json"


def thin_out(folder: Path, newest: Sidecar, keep: int) -> tuple[str, ...]:
    """Remove all but the `keep` newest snapshots of the cluster of `newest`; the names of those that are gone."""
    ours = sorted(_ours(folder, newest), key=lambda one: one[1].taken, reverse=True)
    removed = []
    for path, _ in ours[keep:]:
        # The sidecar says that it is ours, so it goes last.
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        sidecar.beside(path).unlink()
        removed.append(path.name)
    return tuple(removed)


def _ours(folder: Path, newest: Sidecar) -> Iterator[tuple[Path, Sidecar]]:
    """The snapshots of the same cluster that have their sidecar beside them, and are as it says."""
    for file in folder.glob(f"*{ENDING}"):
        about = sidecar.parse(file.read_bytes()) if file.is_file() else None
        path = file.with_name(file.name.removesuffix(ENDING))
        if about and _same(about, newest) and _untouched(path, about):
            yield path, about


def _same(one: Sidecar, other: Sidecar) -> bool:
    return (one.cluster, one.ca) == (other.cluster, other.ca) and one.uid in ("", other.uid)


def _untouched(path: Path, about: Sidecar) -> bool:
    """Whether the snapshot is the sidecar's; one that is gone leaves a sidecar that may go too."""
    try:
        return path.stat().st_size == about.size
    except FileNotFoundError:
        return True
