"""Whether a restore, of etcd or of the whole cluster, has begun and not ended: until then its hosts are
not what the inventory says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..cluster import Host
from ..facts import Facts
from ..living.restoration import ongoing, parse
from ..phase import Inputs
from .finding import ClusterCheck

# The phase without which nothing is a restore.
RESTORE = "restore-data"
COMMAND = "hardway etcd restore INV FILE"
WHOLE = "hardway restore INV FILE"
REMEDY = f"{COMMAND}   with that snapshot continues it; another snapshot replaces it"
WHOLE_REMEDY = f"{WHOLE}   with that backup continues it"
NAME = "Restoring"


def half_done(inputs: Inputs, hosts: list[Host]) -> Iterator[tuple[Host, str, str]]:
    """Told once, on the first host that says so; a restore itself is what ends it."""
    if RESTORE in inputs.phases:
        return
    for host in hosts:
        if said := told(inputs.facts, host):
            yield host, said, remedy(inputs.facts)
            return


def told(facts: Mapping[str, Facts], host: Host) -> str:
    """What a host says of it, as a sentence; empty where it says nothing."""
    found = parse(facts[host.name].restoring) if host.name in facts else None
    if not found:
        return ""
    what = "the whole cluster" if found.whole else "etcd"
    return f"a restore of {what} began at {found.id} and is not finished (snapshot with sha256 {found.sha256[:12]})"


def command(facts: Mapping[str, Facts]) -> str:
    """What continues the newest that is not finished; of any where none is, that of etcd."""
    return WHOLE if any(one.whole for one in ongoing(facts)[:1]) else COMMAND


def remedy(facts: Mapping[str, Facts]) -> str:
    """What to do about the one that is not finished."""
    return WHOLE_REMEDY if command(facts) == WHOLE else REMEDY


TOGETHER = (ClusterCheck(NAME, "No restore is half done.", half_done),)
