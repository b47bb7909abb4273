"""Membership of an existing etcd cluster: a member that joins, one that gets its vote, one that is reached at another
address.

Their probes and ops are understood by `hardway.targets.etcd_members.EtcdRemote`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..cluster import Host
from ..errors import QuorumError
from ..vocabulary import Answers, Op, Probe
from .base import UNKNOWN, Change, Situation


@dataclass(frozen=True)
class EtcdMember:
    """A host with an empty data folder that is to join a cluster which has members already.

    `remove` is the command that removes a member, its ID left out.
    """

    member: Host
    remove: str

    @property
    def key(self) -> str:
        return f"etcd member {self.member.name}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("member", (self.member.name, self.member.peer_url)),)

    def compare(self, now: Situation) -> Change | None:
        state, *known = now.answers[self.probes()[0]].split()
        if state == "announced":
            return None
        if state == UNKNOWN:
            return Change(self.key, ("unknown until etcd answers",), (), unknown=True)
        if state in ("started", "learner"):
            # Removing a member is the user's decision: if its disk comes back, so does the member.
            raise QuorumError(
                f"etcd member {self.member.name} belongs to the cluster, but /var/lib/etcd on its host is empty",
                host=self.member.name,
                phase="etcd-members",
                hint=(
                    f"if its data is lost for good: on another member: {self.remove} {known[0]}; then run this again"
                ),
            )
        return Change(self.key, ("to be added as a learner",), (Op("add", self.probes()[0].args),))

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()


@dataclass(frozen=True)
class EtcdVoting:
    """A member that was added as a learner, and is to vote once it has all data."""

    member: Host

    @property
    def key(self) -> str:
        return f"etcd member {self.member.name} with a vote"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("member", (self.member.name, self.member.peer_url)),)

    def compare(self, now: Situation) -> Change | None:
        state = now.answers[self.probes()[0]].split()[0]
        if state == "started":
            return None
        promote = Op("promote", self.probes()[0].args)
        if state == "learner":
            return Change(self.key, ("a learner, to be promoted when it has caught up",), (promote,))
        return Change(self.key, ("unknown until it has started",), (promote,), unknown=True)

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()


@dataclass(frozen=True)
class EtcdPeer:
    """Where the other members reach a member that has data. `unit` is the file with the address at which it listens:
    when that changes too, both belong into one turn."""

    member: Host
    unit: str

    @property
    def key(self) -> str:
        return f"etcd member {self.member.name} at {self.member.peer_url}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("member", (self.member.name, self.member.peer_url)),)

    def compare(self, now: Situation) -> Change | None:
        state, *known = now.answers[self.probes()[0]].split()
        if state == UNKNOWN:
            return Change(self.key, ("unknown until etcd answers",), (), unknown=True)
        if state not in ("started", "learner") or known[1] == self.member.peer_url:
            return None
        why = f"the other members know it at {known[1]}"
        update = Op("update", (self.member.name, known[0], self.member.peer_url))
        return Change(self.key, (why,), (update,), restarts=self.unit in now.changed)

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()
