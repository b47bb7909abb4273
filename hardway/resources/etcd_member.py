"""Membership of an existing etcd cluster. Its probes and ops are understood by `hardway.targets.etcd_members.EtcdRemote`."""

from __future__ import annotations

from dataclasses import dataclass

from ..cluster import Host
from ..errors import QuorumError
from ..vocabulary import Answers, Op, Probe
from .base import Change, Situation


@dataclass(frozen=True)
class EtcdMember:
    """A host with an empty data folder that is to join a cluster which has members already."""

    member: Host

    @property
    def key(self) -> str:
        return f"etcd member {self.member.name}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("member", (self.member.name, f"https://{self.member.address}:2380")),)

    def compare(self, now: Situation) -> Change | None:
        state, *identity = now.answers[self.probes()[0]].split()
        if state == "announced":
            return None
        if state == "started":
            # Removing a member is the user's decision: if its disk comes back, so does the member.
            raise QuorumError(
                f"etcd member {self.member.name} belongs to the cluster, but /var/lib/etcd on its host is empty",
                host=self.member.name, phase="etcd-members",
                hint=f"if its data is lost for good: etcdctl member remove {identity[0]} on another member, then run this again",
            )  # fmt: skip
        return Change(self.key, ("to be added to the existing cluster",), (Op("add", self.probes()[0].args),))

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()
