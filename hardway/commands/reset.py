"""`hardway reset`: taking away what bootstrap put on the hosts."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..cluster import Cluster, Host
from ..errors import HardwayError, HostErrors, PreflightError, QuorumError
from ..etcd.interface import quorum
from ..etcd.membership import called, host_of, voting
from ..facts import Facts, authority
from ..parallel import each
from ..phase import Inputs, Phase
from ..phases import PHASES
from ..pki.rotation import Rotation
from ..progress.events import HostReset
from ..resources import EtcdPeer, Resource
from ..run.comparing import read
from ..run.supposed import supposed
from ..session import Known, Session
from ..state.store import FOUNDED
from ..vocabulary import Op, Remote

LAB = "lab/"  # the lab's own key and host keys are not the cluster's


def reset(session: Session, hosts: frozenset[str], keep_pki: bool) -> int:
    """Take away from every host what the phases put there, last first; the number of things removed."""
    removed: list[int] = []
    session.report.run_started("reset", session.cluster)
    with session.locked():
        known = _survey_to_reset(session, hosts)
        _refuse_others(known, hosts)
        _keep_quorum(known, hosts)
        inputs = by_name(session.cluster, known.facts)

        def clear(host: Host) -> None:
            remote = session.live.remotes[host.name]
            count = sum(
                take_away(remote, phase, inputs, host)
                for phase in reversed(PHASES)
                if phase.works_on(session.cluster, host)
            )
            removed.append(count)
            session.report.emit(HostReset(host.name, count))

        each(clear, [host for host in session.cluster.hosts if host.name in hosts], session.parallel)
        if hosts >= {host.name for host in session.cluster.hosts}:  # nothing is left of what was founded
            session.store.discard(FOUNDED)
        if not keep_pki:
            session.store.remove(keep=LAB)
    return sum(removed)


def by_name(cluster: Cluster, facts: Mapping[str, Facts]) -> Inputs:
    """Names are enough to take things away: a CA that has expired or a damaged key must not keep anybody from it."""
    return replace(supposed(cluster), facts=facts)


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


def _refuse_others(known: Known, hosts: frozenset[str]) -> None:
    """Only hosts of this cluster are reset: a name may be taken twice, so where we have the keys the authority counts
    too."""
    session = known.session
    facts = {name: found for name, found in known.facts.items() if name in hosts and found.cluster}
    if foreign := [name for name, found in facts.items() if found.cluster != session.cluster.name]:
        raise PreflightError(
            f"{', '.join(foreign)} belongs to cluster {facts[foreign[0]].cluster}, not to {session.cluster.name}",
            hint="reset it with that cluster's inventory",
        )
    ours = {"", *map(authority, Rotation("ca", session.store).ever)}
    if len(ours) > 1 and (others := [name for name, found in facts.items() if found.authority not in ours]):
        raise PreflightError(
            f"{', '.join(others)} belongs to another cluster named {session.cluster.name}: "
            f"its CA is not the one in {session.store.where()}",
            hint=(
                "use the state directory of that cluster; to delete that cluster: hardway reset INV --state-dir EMPTY"
            ),
        )


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


def take_away(remote: Remote, phase: Phase, inputs: Inputs, host: Host) -> int:
    """Remove from a host what a phase put there; the number of ops."""
    wanted: Sequence[Resource] = phase.desired(inputs, host)
    # Where others reach a member is nothing that is on its host.
    resources = [resource for resource in reversed(wanted) if not isinstance(resource, EtcdPeer)]
    answers = read(remote, resources)
    ops = [op for resource in resources for op in resource.removal(answers)]
    if any(op.verb == "drop" and op.args[0].startswith("/etc/systemd/system/") for op in ops):
        ops.append(Op("reload"))
    if ops:
        remote.change(ops)
    return len(ops)
