"""`hardway reset`: taking away what bootstrap put on the hosts."""

from __future__ import annotations

import contextlib

from ..cluster import Host
from ..errors import HardwayError, HostErrors, QuorumError
from ..etcd.interface import quorum
from ..etcd.membership import called, host_of, voting
from ..parallel import each
from ..progress.events import HostReset
from ..removal import by_name, clear, refuse_others
from ..session import Known, Session
from ..state.store import FOUNDED, LAB


def reset(session: Session, hosts: frozenset[str], keep_pki: bool) -> int:
    """Take away from every host what the phases put there, last first; the number of things removed."""
    removed: list[int] = []
    session.report.run_started("reset", session.cluster)
    with session.locked():
        known = _survey_to_reset(session, hosts)
        facts = {name: found for name, found in known.facts.items() if name in hosts}
        refuse_others(session.cluster, session.store, facts)
        _keep_quorum(known, hosts)
        inputs = by_name(session.cluster, known.facts)

        def work(host: Host) -> None:
            count = clear(session.live.remotes[host.name], inputs, host)
            removed.append(count)
            session.report.emit(HostReset(host.name, count))

        each(work, [host for host in session.cluster.hosts if host.name in hosts], session.parallel)
        if hosts >= {host.name for host in session.cluster.hosts}:  # nothing is left of what was founded
            session.store.discard(FOUNDED)
        if not keep_pki:
            session.store.remove(keep=LAB)
    return sum(removed)


def _survey_to_reset(session: Session, hosts: frozenset[str]) -> Known:
    """A host that is lost for good must not keep the others: the error says how to go on without it."""
    try:
        return session.survey(hosts)
    except HardwayError as error:
        failed = error.errors if isinstance(error, HostErrors) else (error,)
        away = {one.host for one in failed}
        if rest := [host.name for host in session.cluster.hosts if host.name in hosts - away]:
            limits = " ".join(f"--limit {name}" for name in rest)
            instead = f"to leave out {', '.join(sorted(away))}: hardway reset INV {limits}"
            failed[-1].hint = "; ".join(filter(None, [failed[-1].hint, instead]))
        raise


def _keep_quorum(known: Known, hosts: frozenset[str]) -> None:
    """A reset of some hosts must not take the quorum from an etcd that has it, as long as a host stays that could miss
    it."""
    session = known.session
    members = session.cluster.etcd_members
    staying = {member.name for member in members} - hosts
    living = {host.name for host in session.cluster.hosts} - hosts - known.away.keys()
    if not staying or not living or len(staying) == len(members):
        return
    healthy = {member.name for member in members if not session.live.etcd_health(member)}
    counting = _counting(session, healthy)
    needed, left = quorum(len(counting)), len(healthy & set(counting) - hosts)
    if len(healthy & set(counting)) >= needed > left:
        raise QuorumError(
            f"this would leave {left} of {len(counting)} etcd members; a quorum needs {needed}",
            hint="reset one etcd host at a time, and replace it before the next; or reset the whole cluster",
        )


def _counting(session: Session, healthy: set[str]) -> list[str]:
    """Who counts for the quorum, by the names of hosts: as etcd says, or else the inventory."""
    cluster = session.cluster
    for name in sorted(healthy):
        with contextlib.suppress(HardwayError):
            members = voting(session.live.etcd(cluster.host(name)).members())
            return [host.name if (host := host_of(cluster, member)) else called(member) for member in members]
    return [member.name for member in cluster.etcd_members]
