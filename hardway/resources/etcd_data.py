"""The data of a member, brought from a snapshot; what was there before is kept."""

from __future__ import annotations

from dataclasses import dataclass

from ..cluster import Host
from ..vocabulary import Answers, Blob, Op, Probe
from .base import Change, Situation


@dataclass(frozen=True)
class EtcdData:
    """`restore` and `marker` are those of hardway.living.restoration; `members` is etcd's initial cluster."""

    member: Host
    restore: str
    marker: str
    members: str
    token: str
    bump: int
    snapshot: Blob

    @property
    def key(self) -> str:
        return "etcd's data"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("restored"),)

    def compare(self, now: Situation) -> Change | None:
        there = now.answers[self.probes()[0]]
        if there == self.marker:
            return None
        member = (self.member.name, self.member.peer_url, self.members)
        args = (self.restore, self.snapshot.sha256, *member, self.token, str(self.bump))
        bring = Op("restore", args, self.snapshot)
        if there == "absent":
            return Change(self.key, ("new",), (bring,), diff=f"sha256 {self.snapshot.sha256[:12]}")
        why = f"from the snapshot; what is there is kept in /var/lib/etcd/before-{self.restore}"
        aside = Op("aside", (self.restore,))
        return Change(self.key, (why,), (aside, bring), diff=f"sha256 {self.snapshot.sha256[:12]}", was=there)

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()
