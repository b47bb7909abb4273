"""A restore of etcd as hosts know of it: a note on each while it lasts, and a marker inside the data that it brought.

So any run can continue it, from any computer: nothing is recorded elsewhere.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..cluster import Cluster, Host
from ..facts import Facts

NOTE, WHOLE = "restore", "whole"
STAMP = "%Y%m%dT%H%M%SZ"
UNKNOWN = Facts(known=False)
# What etcd's own documentation raises the revision by; what may be written until everything is stopped; and so many
# writes a second no cluster makes for years.
LEAST, MEANWHILE, PER_SECOND = 10**9, 10**5, 1000


@dataclass(frozen=True)
class Restoration:
    """`id` is the moment (UTC) it began, `sha256` the snapshot's, `bump` by how much its revision is raised; `whole`:
    the snapshot is a part of a backup of the whole cluster, whose restore goes on when etcd runs."""

    id: str
    sha256: str
    bump: int
    whole: bool = False

    @classmethod
    def begun(cls, sha256: str, top: int, now: int, moment: datetime.datetime) -> Restoration:
        """A new one, of a snapshot whose last change was `top`, while etcd is at revision `now` (0 when nobody knows).

        Clients must never see a revision again that they have seen, or they take what is new for old. Where etcd cannot
        be asked, the clock says how far it may have come.
        """
        ahead = max(top + LEAST, now + MEANWHILE, int(moment.timestamp()) * PER_SECOND)
        return cls(moment.strftime(STAMP), sha256, ahead - top)

    @property
    def note(self) -> str:
        """What stands on hosts while it lasts."""
        return " ".join([self.id, self.sha256, str(self.bump), *([WHOLE] if self.whole else [])])

    @property
    def marker(self) -> str:
        """What stands in the data that it brought."""
        return f"{self.id} {self.sha256}"

    def token(self, cluster: Cluster) -> str:
        """etcd's token of the cluster that begins with it: a member with older data belongs to another one."""
        return f"{cluster.name}-{self.id}"

    def has(self, facts: Mapping[str, Facts], host: Host) -> bool:
        """Whether the data of a member comes from it."""
        return facts.get(host.name, UNKNOWN).restored == self.marker

    def everywhere(self, cluster: Cluster, facts: Mapping[str, Facts]) -> bool:
        """Whether that of all members does: from then on nothing is stopped or moved any more."""
        return all(self.has(facts, host) for host in cluster.etcd_members)


def parse(note: str) -> Restoration | None:
    """From a host's note; None for anything else."""
    words = note.split()
    if len(words) < 3 or not re.fullmatch(r"[0-9]{1,18}", words[2], re.ASCII) or words[3:] not in ([], [WHOLE]):
        return None
    return Restoration(words[0], words[1], int(words[2]), bool(words[3:]))


def ongoing(facts: Mapping[str, Facts]) -> tuple[Restoration, ...]:
    """Those that have begun and not ended, by the notes of the hosts, the newest first."""
    found = {one for said in facts.values() if (one := parse(said.restoring))}
    return tuple(sorted(found, key=lambda one: one.id, reverse=True))
