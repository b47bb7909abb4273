"""The etcd cluster as a target: who is a member, and adding one while the others keep their quorum."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import QuorumError
from ..etcd.interface import EtcdClient
from ..vocabulary import Answers, Op, Probe


class EtcdRemote:
    """`member NAME PEER_URL` answers absent, announced (added, not started yet) or `started ID`."""

    def __init__(self, client: Callable[[], EtcdClient]):
        self.client = client

    def probe(self, probes: Sequence[Probe]) -> Answers:
        if not probes:
            return {}
        with self.client() as etcd:
            members = etcd.members()
        return {probe: next((self._state(member) for member in members if probe.args[1] in member.peer_urls), "absent") for probe in probes}

    @staticmethod
    def _state(member) -> str:
        return f"started {member.id:x}" if member.started else "announced"

    def change(self, ops: Sequence[Op]) -> None:
        with self.client() as etcd:
            for op in ops:
                health, members = etcd.health(), etcd.members()
                healthy = sum(entry.healthy for entry in health)
                if healthy < (len(members) + 1) // 2 + 1:
                    evidence = "\n".join(f"{entry.name}: {'healthy' if entry.healthy else entry.error}" for entry in health)
                    raise QuorumError(
                        f"adding {op.args[0]} now could lose quorum: {healthy} of {len(members)} members are healthy",
                        evidence=evidence,
                        hint="bring the sick members back first: systemctl status etcd on each",
                    )
                etcd.add_member(op.args[0], (op.args[1],))
