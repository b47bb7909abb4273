"""`hardway etcd disarm`: clear an alarm whose cause is gone. etcd itself never does, and refuses writes until then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...errors import QuorumError
from ...etcd.interface import Status
from ...phase import ETCD, Phase
from ...plans import steps
from ...plans.plan import Planned
from ...resources import NoAlarm
from ...run.runner import Runner
from ...session import Session
from ...snapshots.asking import Said, ask, names

COMMAND = "etcd disarm"
FULL, CORRUPT = "NOSPACE", "CORRUPT"
# The largest write that etcd takes (max-request-bytes): it refuses one for which there is no room, and raises the
# alarm, before its file is full. Of a quota so small that this is most of it, a tenth.
LARGEST_WRITE, SHARE = 3 << 19, 10

PHASE = Phase(
    name="etcd-disarm",
    title="Clear etcd's alarms",
    targets=lambda cluster: (ETCD,),
    desired=lambda inputs, target: [NoAlarm()],
    marks=False,
)


def require_gone(said: Sequence[Said]) -> None:
    """QuorumError while a cause is there, or may be: with it, etcd would raise the alarm again at the next write."""
    silent = [one for one in said if one.status is None]
    raised = {alarm.kind for one in said if one.status for alarm in one.status.alarms}
    if silent:
        raise _refusal(
            f"{_names(silent)} does not answer, so nobody knows whether it has room",
            [f"{one.host.name}: {one.error or one.sick}" for one in silent],
            "hardway etcd status INV; hardway doctor INV",
        )
    if CORRUPT in raised:
        raise _refusal(*_corrupt(said))
    if FULL in raised and (full := [one for one in said if one.status and not _has_room(one.status)]):
        raise _refusal(f"{_names(full)} has no room", [_room(one.status) for one in said if one.status], _remedy(full))


def _has_room(status: Status) -> bool:
    """Whether etcd would take a write: it measures the file, not what the file holds."""
    return not status.db_quota or _fits(status.db_size, status.db_quota)


def _fits(size: int, quota: int) -> bool:
    return size + min(LARGEST_WRITE, quota // SHARE) < quota


def _remedy(full: Sequence[Said]) -> str:
    compact = any(one.status and not _fits(one.status.db_in_use, one.status.db_quota) for one in full)
    more = "; if the data is needed, raise extra_args.etcd.quota-backend-bytes in INV and run hardway bootstrap INV"
    return f"free space first: hardway etcd defrag INV{' --compact' if compact else ''}{more if compact else ''}"


def _corrupt(said: Sequence[Said]) -> tuple[str, list[str], str]:
    ids = {alarm.member_id for one in said if one.status for alarm in one.status.alarms if alarm.kind == CORRUPT}
    bad = [one.host.name for one in said if one.status and one.status.member_id in ids]
    names = ", ".join(bad) or "a member"
    return (
        f"{names} has raised the alarm {CORRUPT}: its data differs from that of the others",
        [f"{one.host.name}: revision {one.status.revision}" for one in said if one.status],
        "never clear it: replace that member, or restore a backup: hardway etcd restore INV FILE",
    )


def _refusal(message: str, evidence: Sequence[str], hint: str) -> QuorumError:
    return QuorumError(f"the alarm stays: {message}", evidence="\n".join(evidence), hint=hint)


def _names(said: Sequence[Said]) -> str:
    return ", ".join(one.host.name for one in said)


def _room(status: Status) -> str:
    used, quota = status.db_in_use / 1e6, status.db_quota / 1e6
    return (
        f"{status.name}: the file has {status.db_size / 1e6:.1f} MB, {used:.1f} MB of it in use, quota {quota:.1f} MB"
    )


def told(said: Sequence[Said]) -> Iterator[str]:
    """Each member with its alarms, if it has any."""
    for one in said:
        if one.status:
            own = [alarm.kind for alarm in one.status.alarms if alarm.member_id == one.status.member_id]
            yield f"{_room(one.status)}; {', '.join(own) if own else 'no alarm'}"


def foresee(session: Session) -> tuple[list[str], list[Planned]]:
    """The members, and the steps, by reading alone; QuorumError as in a run."""
    known = session.survey(names(session)).looking()
    said = ask(session)
    require_gone(said)
    return list(told(said)), steps.foresee(known, known.inputs, [PHASE], frozenset({ETCD.name}))


def disarm(session: Session) -> None:
    """Do it, if every cause is gone."""
    session.report.run_started(COMMAND, session.cluster)
    with session.report.watched(), session.locked(COMMAND):
        known = session.survey(names(session))
        said = ask(session)
        require_gone(said)
        for line in told(said):
            session.report.note(line)
        command = f"hardway {COMMAND} {session.cluster.source or 'INV'}"
        where = (known.inputs, session.live, known.remotes())
        Runner(*where, [PHASE], frozenset({ETCD.name}), session.report, session.parallel, command=command).run()
    session.report.summary()
