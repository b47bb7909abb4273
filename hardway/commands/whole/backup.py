"""`hardway backup`: a snapshot of etcd, the state directory and the inventory, encrypted into one file."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
from dataclasses import dataclass
from pathlib import Path

from ... import __version__, archive
from ...archive import Backup, Lock, Manifest
from ...archive.contents import nameless
from ...errors import InUseError, UsageError
from ...etcd import snapshot
from ...etcd.interface import Status
from ...etcd.sidecar import Sidecar
from ...etcd.snapshot import Snapshot
from ...session import Session
from ...snapshots import ask, choose, describe, require_member, require_room
from ...snapshots.taking import STAMP
from ...state.growing import growing, place, sweep, taken
from ...state.statedir import LOCK
from ...state.store import LAB, Store
from ...targets import etcd_data


@dataclass(frozen=True)
class Saved:
    """A backup that was written; `about` says of its snapshot, `files` counts those of the state directory."""

    path: Path
    size: int
    files: int
    about: Sidecar

    def json(self) -> str:
        """One object; its names stay, new ones may come."""
        return json.dumps({**dataclasses.asdict(self), "path": str(self.path)}, indent=2)

    def text(self) -> str:
        what = f"revision {self.about.revision} from {self.about.member}, {self.files} files of the state directory"
        return f"{self.path}: {what}, {self.size / 1e6:.1f} MB"


def where(session: Session, target: Path) -> Path:
    """The file to write: named by cluster and moment where a folder is given. UsageError where it cannot be written."""
    stamp = datetime.datetime.now(datetime.UTC).strftime(STAMP)
    folder = target.is_dir() or str(target).endswith(os.sep)
    final = target / f"{session.cluster.name}-{stamp}.backup.age" if folder else target
    if not final.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {final.absolute().parent}", hint="create it first, or name another one")
    if final.exists():
        raise taken(final)
    return final


def backup(session: Session, final: Path, lock: Lock, member: str = "") -> Saved:
    """Write all of the cluster into a new file that `where` has named, for those who have the key of `lock`.

    The file is whole when it has its name. The snapshot is of the named member, or of one that is healthy.
    """
    require_member(session.cluster, member)
    chosen = choose(ask(session), session.cluster, member)
    sweep(final.parent)
    require_room(final.parent, chosen)
    with nameless() as (path, file):
        etcd_data.snapshot(session.live.transports[chosen.name], session.credentials, file.write)
        file.flush()
        found = snapshot.read(path)
        about = describe(session, found, chosen.name, chosen.version, f"{chosen.cluster_id:x}")
        return _sealed(session, final, lock, chosen, found, about)


def _sealed(session: Session, final: Path, lock: Lock, member: Status, found: Snapshot, about: Sidecar) -> Saved:
    # The keys are read after the snapshot: one that was made meanwhile is needed to read it.
    state = _at_rest(session.store)
    whole = Backup(final, _manifest(session, member, about), _inventory(session), found, about, state)
    with growing(final) as (part, file):
        archive.write(lock, file, whole)
        place(part, file, final)
    return Saved(final, final.stat().st_size, len(state), about)


def _at_rest(store: Store) -> dict[str, bytes]:
    """What is worth keeping, read twice: what changes between two reads would not fit what was read before."""
    state = kept(store)
    if kept(store) != state:
        raise InUseError(
            f"the state directory {store.where()} is being changed by another run",
            hint="wait until that one has ended",
        )
    return state


def kept(store: Store) -> dict[str, bytes]:
    """What of a state directory is worth keeping: not the lock, and not the keys of practice machines."""
    names = (name for name in store.names() if name != LOCK and not name.startswith(LAB))
    return {name: content for name in sorted(names) if (content := store.read(name)) is not None}


def _inventory(session: Session) -> bytes:
    source = session.cluster.source
    return source.read_bytes() if source else b""


def _manifest(session: Session, member: Status, about: Sidecar) -> Manifest:
    cluster = session.cluster
    return Manifest(
        cluster=cluster.name,
        taken=about.taken,
        hardway=__version__,
        kubernetes=cluster.versions.kubernetes,
        etcd=member.version,
        api=cluster.api_url,
        hosts={host.name: str(host.address) for host in cluster.hosts},
    )
