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
from .live import wait

VERBS = ("member", "add", "promote", "update", "alarms", "compact", "disarm")
IN_SYNC = 300.0  # seconds for a learner to get all data; etcd says no until it is nearly there
# etcd goes on: "… which is in sync with leader", or nothing when it votes already and this member's list lags behind.
UNREADY = "can only promote a learner member"


class EtcdRemote:
    """`member NAME PEER_URL` asks for the member that has this name, or else this URL.

    The answer is absent, announced (added, not started yet), `started ID PEER_URLS`, or `learner ID PEER_URLS` of one
    that does not vote yet. `alarms` asks for those that are raised, a line `KIND MEMBER` each. `unknown` where etcd
    `may_be_absent` and does not answer.
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
        if not member.started:
            return "announced"
        return f"{'learner' if member.learner else 'started'} {member.id:x} {','.join(member.peer_urls)}"

    def change(self, ops: Sequence[Op]) -> None:
        with self.client() as etcd:
            for op in ops:
                match op.verb, op.args:
                    case "update", (_, member, url):
                        etcd.update_member(int(member, 16), (url,))
                    case "promote", (name, url):
                        promote(etcd, name, url)
                    case "compact", (revision,):
                        etcd.compact(int(revision))
                    case "disarm", ():
                        etcd.disarm()
                    case _:
                        add(etcd, *op.args)


def _named(members: Sequence[Member], raised: Sequence[Alarm]) -> str:
    names = {member.id: member.name for member in members}
    return "\n".join(f"{alarm.kind} {names.get(alarm.member_id, f'{alarm.member_id:x}')}" for alarm in raised)


def add(etcd: EtcdClient, name: str, url: str) -> None:
    """Announce a new member as a learner; QuorumError when those that are healthy now would be no quorum with it, once
    it votes."""
    health, members = etcd.health(), voting(etcd.members())
    healthy = sum(entry.healthy for entry in health)
    if healthy + 1 < quorum(len(members) + 1):
        raise QuorumError(
            f"adding {name} now could lose quorum: {healthy} of {len(members)} members are healthy",
            evidence="\n".join(f"{entry.name}: {'healthy' if entry.healthy else entry.error}" for entry in health),
            hint="repair the unhealthy members first: systemctl status etcd on each",
        )
    etcd.add_member(name, (url,))


def promote(etcd: EtcdClient, name: str, url: str, seconds: float = IN_SYNC) -> None:
    """Let a learner vote as soon as it has caught up; NotReadyError when it does not in time."""

    def refused() -> str:
        try:
            own = next(one for one in etcd.members() if one.name == name or url in one.peer_urls)
            if not own.learner:
                return ""
            etcd.promote_member(own.id)
        except RemoteCommandError as error:
            if UNREADY not in error.message:
                raise
            return error.message
        return "its promotion is not in the list of members yet"

    wait(refused, seconds, lambda why: f"etcd member {name} to catch up with the leader ({why})", 0.5)


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
