"""The snapshot of a member that is left when the quorum is lost: sent by it, or read from its disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import QuorumError
from ...etcd import sidecar, snapshot
from ...living.restoration import ongoing
from ...session import Known, Session
from ...snapshots import Said, describe, save, store, where
from ...snapshots.fit import AGAIN, Offer
from ...state.growing import growing
from ...targets import etcd_data
from ...vocabulary import Op

ETCD = "etcd.service"


def require_lost(known: Known, said: Sequence[Said], member: str) -> None:
    """QuorumError while etcd has a quorum, or the member has nothing to take."""
    if ongoing(known.facts):
        return
    if healthy := [one.host.name for one in said if one.healthy]:
        raise QuorumError(
            f"etcd has a quorum ({', '.join(healthy)} healthy), so nothing has to be taken from one member",
            hint=f"repair the others: hardway etcd status INV; to go back to a backup: {AGAIN}",
        )
    if not known.facts[member].etcd_data:
        raise QuorumError(
            f"{member} has no data of etcd", host=member, hint="name a member that has: hardway etcd status INV"
        )


def further(said: Sequence[Said], member: str) -> list[str]:
    """Other members that have taken in more than this one, as far as they answer."""
    index = {one.host.name: one.status.raft_applied_index for one in said if one.status}
    own = index.get(member)
    if own is None:
        return []
    return [f"{name} has {there - own} entries more than {member}" for name, there in index.items() if there > own]


def take(known: Known, said: Sequence[Said], member: str) -> Offer:
    """The snapshot of a member as a file here; that of an earlier run of the same restore, where it is here still."""
    require_lost(known, said, member)
    if kept := _kept(known):
        return kept
    session, final = known.session, where(known.session.cluster, None)
    status = next((one.status for one in said if one.host.name == member and one.status), None)
    if status and not ongoing(known.facts):
        save(session, status, final)
    else:
        _read(known, member, final)
    session.report.note(f"the snapshot of {member} is {final}: keep it until the cluster is verified")
    return offered(final)


def offered(path: Path) -> Offer:
    """The snapshot in a file, verified, with its sidecar."""
    found = snapshot.read(path)
    return Offer(found, sidecar.read(path, found.sha256))


def _kept(known: Known) -> Offer | None:
    begun = {one.sha256 for one in ongoing(known.facts)}
    for file in Path().glob("*.json"):
        about = sidecar.parse(file.read_bytes())
        if about and about.sha256 in begun and file.with_suffix("").exists():
            return offered(file.with_suffix(""))
    return None


def _read(known: Known, member: str, final: Path) -> None:
    """A member that waits for the others serves nobody: nothing is lost when it stops, and its file is whole then."""
    session: Session = known.session
    begun = ongoing(known.facts)
    session.live.remotes[member].change([Op("stop", (ETCD,))])
    with growing(final) as (part, file):
        etcd_data.database(session.live.transports[member], begun[0].id if begun else "", file.write)
        file.flush()
        version = known.facts[member].etcd or session.cluster.versions.etcd
        store(part, file, final, describe(session, snapshot.read(part), member, version))
