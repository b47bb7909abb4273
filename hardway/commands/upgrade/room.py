"""Whether the programs of an upgrade fit on the hosts: new ones wait beside those that run, and those are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...cluster import Host, Role
from ...errors import AssetError
from ...phases.binaries import programs
from ...preflight.finding import Finding
from ...session import Known
from .rounds import runtimes
from .view import View

FOLDER, SHARED = "/usr/local/bin", "/usr/local"
SPARE_MB = 64


def lacking(view: View) -> Iterator[Finding]:
    """Each host without room for what comes to it; of programs that are not in the cache yet nothing is said."""
    for host in view.cluster.hosts:
        needed, free = needs(view, host) >> 20, _free(view, host)
        if needed and free < needed + SPARE_MB:
            what = f"{free} MB free in {FOLDER}, {needed + SPARE_MB} MB needed: old programs stay beside the new ones"
            yield Finding("Room", host.name, what, f"free some space: df -h {FOLDER}")


def needs(view: View, host: Host) -> int:
    """Bytes. While a program waits for its turn, the one that runs is there, and the one that ran before it."""
    groups = [sizes for sizes in (_control(view, host), _worker(view, host)) if sizes]
    last = max((max(sizes) for sizes in groups if len(sizes) > 1), default=0)
    return sum(max(sizes) for sizes in groups) + last


def _control(view: View, host: Host) -> list[int]:
    passes = view.way.passes if view.way else ()
    return [_size(view.at(one.versions), host, one.roles) for one in passes if host.name in one.hosts]


def _worker(view: View, host: Host) -> list[int]:
    if not view.way or host.name not in view.way.names:
        return []
    steps = [replace(view.cluster.versions, containerd=version) for version in runtimes(view)]
    return [_size(view.at(versions), host, (Role.WORKER,)) for versions in (*steps, view.cluster.versions)]


def _size(known: Known, host: Host, roles: tuple[Role, ...]) -> int:
    try:
        return sum(one.blob.size for one in programs(known.inputs, host, roles))
    except AssetError:
        return 0


def _free(view: View, host: Host) -> int:
    """MB of the file system that holds the folder."""
    facts = view.known.facts[host.name]
    own = facts.beside.folders.get(FOLDER)
    return own.free_mb if own else facts.disk_free_mb
