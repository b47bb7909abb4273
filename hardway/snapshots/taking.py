"""Taking a snapshot of one member: which one is asked, and how the file gets its name only when it is verified."""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from .. import __version__
from ..cluster import Cluster
from ..errors import ConnectionFailed, NotReadyError, OtherClusterError, QuorumError, UsageError
from ..etcd import sidecar, snapshot
from ..etcd.interface import Status
from ..etcd.sidecar import Sidecar
from ..etcd.snapshot import Snapshot
from ..facts import authority
from ..living import Founded, what_lives
from ..phases.etcd import BEHIND
from ..pki.service_account import PUBLIC
from ..run.selection import meant
from ..session import Session
from ..state.growing import growing, place, taken
from ..targets import etcd_data
from .asking import Said, behind

STAMP = "%Y%m%dT%H%M%S.%fZ"  # two in one second have two names
SLACK = 64 << 20  # bytes that must stay free beside the snapshot


def where(cluster: Cluster, target: Path | None) -> Path:
    """The file to write: named by cluster and moment where only a folder is given."""
    stamp = datetime.datetime.now(datetime.UTC).strftime(STAMP)
    folder = target is None or target.is_dir() or str(target).endswith(os.sep)
    final = (target or Path()) / f"{cluster.name}-{stamp}.db" if folder else target or Path()
    if not final.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {final.absolute().parent}", hint="create it first, or name another one")
    for path in (final, sidecar.beside(final)):
        if path.exists() and not _orphan(path):
            raise taken(path)
    return final


def _orphan(path: Path) -> bool:
    """Whether it is a sidecar whose snapshot a killed run did not live to store, or that is gone."""
    return sidecar.parse(path.read_bytes()) is not None if path.is_file() and path.name.endswith(".json") else False


def require_member(cluster: Cluster, name: str) -> None:
    """UsageError unless a name is that of an etcd host, or empty."""
    names = [host.name for host in cluster.etcd_members]
    if name and name not in names:
        raise UsageError(f"there is no etcd host {name} in the inventory", hint=meant(name, names))


def choose(said: Sequence[Said], cluster: Cluster, member: str = "") -> Status:
    """The member to ask: the one that is named, else a healthy follower that is up to date, else the leader."""
    if member:
        return _named(said, cluster, member)
    lags = behind(tuple(said))
    current = [one.status for one in said if one.status and one.healthy and lags[one.host.name] <= BEHIND]
    # The leader has the most to do.
    found = sorted(current, key=lambda status: (status.is_leader, lags[status.name]))
    if not found:
        raise _none(said)
    return found[0]


def _named(said: Sequence[Said], cluster: Cluster, member: str) -> Status:
    require_member(cluster, member)
    found = next(one for one in said if one.host.name == member)
    if found.status is None:
        raise found.error or NotReadyError("etcd does not answer", member)
    return found.status


def _none(said: Sequence[Said]) -> QuorumError | ConnectionFailed:
    away = [one.error for one in said if isinstance(one.error, ConnectionFailed)]
    if len(away) == len(said):
        return away[0]
    alive = [one.host.name for one in said if one.status]
    save = f"; to save what {alive[0]} has: hardway etcd backup INV --member {alive[0]}" if alive else ""
    return QuorumError(
        "no etcd member is healthy, so nobody knows which one has the newest data",
        evidence="\n".join(f"{one.host.name}: {one.sick or one.error or 'is a learner'}" for one in said),
        hint=f"repair them first: hardway etcd status INV{save}",
    )


def require_room(folder: Path, status: Status) -> None:
    """UsageError when a member's snapshot does not fit in."""
    free = shutil.disk_usage(folder.absolute()).free
    if free < status.db_size + SLACK:
        raise UsageError(
            f"{folder.absolute()} has {free / 1e6:.0f} MB free, and the snapshot needs {status.db_size / 1e6:.0f} MB",
            hint="free some space, or choose another folder with -o",
        )


def save(session: Session, member: Status, final: Path) -> Sidecar:
    """Take a member's snapshot; its sidecar has its name first, so that no snapshot is ever without one."""
    transport, credentials = session.live.transports[member.name], session.credentials
    with growing(final) as (part, file):
        etcd_data.snapshot(transport, credentials, file.write)
        file.flush()
        about = describe(session, snapshot.read(part), member.name, member.version, f"{member.cluster_id:x}")
        store(part, file, final, about)
    return about


def store(part: Path, file: BinaryIO, final: Path, about: Sidecar) -> None:
    """Give a snapshot its name, and its sidecar before it."""
    _store_sidecar(sidecar.beside(final), about)
    try:
        place(part, file, final)
    except BaseException:
        sidecar.beside(final).unlink()
        raise


def _store_sidecar(path: Path, about: Sidecar) -> None:
    path.unlink(missing_ok=True)
    with growing(path) as (part, file):
        file.write(about.json())
        place(part, file, path)


def describe(session: Session, found: Snapshot, member: str, version: str, cluster_id: str = "") -> Sidecar:
    """All that must fit when it is restored, of a member that runs this version of etcd.

    OtherClusterError when the snapshot is not of the cluster of the state directory.
    """
    founded = Founded.read(session.store)
    uid = founded.uid if founded else what_lives(session.live).uid
    if founded and not found.holds(uid):
        raise OtherClusterError(
            f"{member} has the data of another cluster than the one that was created on {founded.on}",
            host=member,
            evidence=f"its snapshot does not contain {uid}, the UID of kube-system",
            hint="use the inventory and the state directory that belong together",
        )
    cluster, credentials = session.cluster, session.credentials
    return Sidecar(
        cluster=cluster.name,
        taken=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        member=member,
        revision=found.revision,
        size=found.size,
        sha256=found.sha256,
        etcd=version,
        storage=found.storage,
        kubernetes=cluster.versions.kubernetes,
        cluster_id=cluster_id,
        uid=uid if uid and found.holds(uid) else "",
        ca=authority(credentials.mark()),
        tokens=authority(credentials.store.read(PUBLIC) or b""),
        keys=tuple(credentials.used_keys().values()),
        members=tuple(host.name for host in cluster.etcd_members),
        hardway=__version__,
    )
