"""The etcd cluster as a target: who is a member, adding one while the others keep their quorum, moving one; its alarms,
and forgetting old revisions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from ..errors import NotReadyError, QuorumError, RemoteCommandError
from ..etcd.interface import Alarm, EtcdClient, Member, quorum
from ..etcd.membership import voting
from ..resources.base import UNKNOWN
from ..vocabulary import Answers, Op, Probe, Remote

VERBS = ("member", "add", "update", "alarms", "compact", "disarm")


class EtcdRemote:
    """`member NAME PEER_URL` asks for the member that has this name, or else this URL.

    The answer is absent, announced (added, not started yet), or `started ID PEER_URLS`. `alarms` asks for those that
    are raised, a line `KIND MEMBER` each. `unknown` where etcd `may_be_absent` and does not answer.
    """

    def __init__(self, client: Callable[[], EtcdClient], may_be_absent: bool = False):
        self.client, self.may_be_absent = client, may_be_absent

    def probe(self, probes: Sequence[Probe]) -> Answers:
        if not probes:
            return {}
        try:
            with self.client() as etcd:
                members = etcd.members()
                raised = etcd.alarms() if any(probe.verb == "alarms" for probe in probes) else ()
        except (NotReadyError, RemoteCommandError):
            if not self.may_be_absent:
                raise
            return dict.fromkeys(probes, UNKNOWN)
        alarms = _named(members, raised)
        return {probe: alarms if probe.verb == "alarms" else self._state(members, *probe.args) for probe in probes}

    @staticmethod
    def _state(members: Sequence[Member], name: str, url: str) -> str:
        """By its name first: a machine that came in place of a lost one may have another address."""
        found = [member for member in members if member.name == name]
        found += [member for member in members if url in member.peer_urls]
        if not found:
            return "absent"
        member = found[0]
        return f"started {member.id:x} {','.join(member.peer_urls)}" if member.started else "announced"

    def change(self, ops: Sequence[Op]) -> None:
        with self.client() as etcd:
            for op in ops:
                if op.verb == "update":
                    _, member, url = op.args
                    etcd.update_member(int(member, 16), (url,))
                elif op.verb == "compact":
                    etcd.compact(int(op.args[0]))
                elif op.verb == "disarm":
                    etcd.disarm()
                else:
                    add(etcd, *op.args)


def _named(members: Sequence[Member], raised: Sequence[Alarm]) -> str:
    names = {member.id: member.name for member in members}
    return "\n".join(f"{alarm.kind} {names.get(alarm.member_id, f'{alarm.member_id:x}')}" for alarm in raised)


def add(etcd: EtcdClient, name: str, url: str) -> None:
    """Announce a new member; QuorumError when those that are healthy now would be no quorum with it."""
    health, members = etcd.health(), voting(etcd.members())
    healthy = sum(entry.healthy for entry in health)
    if healthy < quorum(len(members) + 1):
        raise QuorumError(
            f"adding {name} now could lose quorum: {healthy} of {len(members)} members are healthy",
            evidence="\n".join(f"{entry.name}: {'healthy' if entry.healthy else entry.error}" for entry in health),
            hint="repair the unhealthy members first: systemctl status etcd on each",
        )
    etcd.add_member(name, (url,))


class MemberRemote:
    """A host with a member of etcd: what concerns the membership goes to etcd, all else to the host, in one order."""

    def __init__(self, host: Remote, etcd: EtcdRemote):
        self.host, self.etcd = host, etcd

    def probe(self, probes: Sequence[Probe]) -> Answers:
        membership = [probe for probe in probes if probe.verb in VERBS]
        rest = [probe for probe in probes if probe.verb not in VERBS]
        return {**self.host.probe(rest), **self.etcd.probe(membership)}

    def change(self, ops: Sequence[Op]) -> None:
        for membership, some in itertools.groupby(ops, key=lambda op: op.verb in VERBS):
            (self.etcd if membership else self.host).change(list(some))
