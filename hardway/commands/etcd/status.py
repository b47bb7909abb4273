"""What `hardway etcd status` finds: each member by its own words, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...phases.etcd import BEHIND
from ...session import Session
from ...snapshots.asking import Said, ask, behind

SCHEMA = 1
# From so much of its quota on a member is told of: at the quota etcd refuses every write.
NEARLY = 0.8


@dataclass(frozen=True)
class MemberStatus:
    """One etcd host. `problems` is empty for a healthy member; where it does not answer, they say why and all else is
    empty. `ID` are in hexadecimal digits; `behind` is in entries of the log, `free` the share of the file that
    `hardway etcd defrag` would give back, from 0 to 1."""

    host: str
    id: str = ""
    version: str = ""
    storage: str = ""
    leader: bool = False
    learner: bool = False
    db_bytes: int = 0
    db_in_use: int = 0
    db_quota: int = 0
    free: float = 0.0
    term: int = 0
    index: int = 0
    behind: int = 0
    revision: int = 0
    alarms: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class EtcdStatus:
    """All of them; `problems` are those of no single member. `away` says that no etcd host answers at all."""

    cluster: str
    id: str = ""
    members: tuple[MemberStatus, ...] = ()
    problems: tuple[str, ...] = ()
    away: bool = False
    schema: int = field(default=SCHEMA)

    @property
    def healthy(self) -> bool:
        return not self.problems and not any(member.problems for member in self.members)


def collect(session: Session) -> EtcdStatus:
    """Every member asked for itself; one that does not answer says why."""
    return judge(session.cluster.name, ask(session))


def judge(cluster: str, said: tuple[Said, ...]) -> EtcdStatus:
    """The picture of these answers. Pure."""
    lags = behind(said)
    ids = sorted({f"{one.status.cluster_id:x}" for one in said if one.status})
    return EtcdStatus(
        cluster,
        " ".join(ids),
        tuple(_member(one, lags.get(one.host.name, 0)) for one in said),
        tuple(_together(said, ids)),
        all(one.away for one in said),
    )


def _member(said: Said, lag: int) -> MemberStatus:
    own = said.status
    if own is None:
        return MemberStatus(said.host.name, problems=(_silence(said),))
    raised = tuple(alarm.kind for alarm in own.alarms if alarm.member_id == own.member_id)
    return MemberStatus(
        said.host.name,
        f"{own.member_id:x}",
        own.version,
        own.storage,
        own.is_leader,
        own.is_learner,
        own.db_size,
        own.db_in_use,
        own.db_quota,
        round(free(own.db_size, own.db_in_use), 3),
        own.raft_term,
        own.raft_applied_index,
        lag,
        own.revision,
        raised,
        tuple(_problems(said, lag, raised)),
    )


def free(size: int, in_use: int) -> float:
    """The share of the file that holds nothing any more."""
    return max(size - in_use, 0) / size if size else 0.0


def _silence(said: Said) -> str:
    if said.away:
        return f"the host does not answer: {said.error}"
    return said.sick or (str(said.error) if said.error else "does not answer")


def _problems(said: Said, lag: int, raised: tuple[str, ...]) -> Iterator[str]:
    own = said.status
    assert own is not None
    if said.sick:
        yield said.sick
    if not own.leader:
        yield "has no leader"
    if own.is_learner:
        yield "is still a learner"
    if lag > BEHIND:
        yield f"is {lag} entries behind"
    yield from (f"has raised the alarm {kind}" for kind in raised)
    if own.db_quota and own.db_size >= NEARLY * own.db_quota:
        yield f"uses {own.db_size / own.db_quota:.0%} of its quota"


def _together(said: tuple[Said, ...], ids: list[str]) -> Iterator[str]:
    known = [one.status for one in said if one.status]
    leaders = {status.leader for status in known} - {0}
    if len(ids) > 1:
        yield f"the members belong to {len(ids)} clusters: {', '.join(ids)}"
    elif len(leaders) > 1:
        yield f"the members follow {len(leaders)} leaders"
    elif leaders and not leaders & {status.member_id for status in known}:
        yield f"the leader {leaders.pop():x} is no host of the inventory that answers"
