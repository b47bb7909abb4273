"""`hardway etcd backup`: a snapshot of one member in a file on this computer, verified before it has its name."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from ...etcd.sidecar import Sidecar
from ...session import Session
from ...snapshots import ask, choose, require_member, require_room, save, where
from ...state.growing import sweep
from . import retention


@dataclass(frozen=True)
class Saved:
    """A snapshot that was taken; `removed` are older ones of this cluster that are gone in exchange."""

    path: Path
    about: Sidecar
    removed: tuple[str, ...] = ()

    def json(self) -> str:
        """One object; its names stay, new ones may come."""
        return json.dumps({**dataclasses.asdict(self), "path": str(self.path)}, indent=2)

    def text(self) -> str:
        about = self.about
        took = f"revision {about.revision} from {about.member}, {about.size / 1e6:.1f} MB, sha256 {about.sha256[:12]}"
        gone = [f"removed {name}: only the newest are kept" for name in self.removed]
        return "\n".join([f"{self.path}: {took}", *gone])


def backup(session: Session, target: Path | None, keep: int = 0, member: str = "") -> Saved:
    """Save a snapshot of the named member, or of one that is healthy, to a new file or in a folder.

    Of the older ones of this cluster in that folder, `keep` stay, or all with 0. UsageError before anything is asked
    when it would overwrite a file.
    """
    final = where(session.cluster, target)
    require_member(session.cluster, member)
    chosen = choose(ask(session), session.cluster, member)
    sweep(final.parent)
    require_room(final.parent, chosen)
    about = save(session, chosen, final)
    removed = retention.thin_out(final.parent, about, keep) if keep else ()
    return Saved(final, about, removed)
