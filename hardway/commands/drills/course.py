"""Doing a drill: refuse what would be no exercise, break, wait for the effect; and repairing what any drill has
broken."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ...cluster import Cluster, Host
from ...errors import ConnectionFailed, DriftError, HardwayError, NotReadyError, PkiError, QuorumError, UsageError
from ...etcd.interface import quorum
from ...parallel import each
from ...phase import Pending
from ...phases import PHASES
from ...run.selection import meant
from ...run.waiting import missing
from ...session import Session
from ...targets.live import UNREACHABLE, Live, wait
from ...vocabulary import Op
from . import effects, power, state
from .drill import Drill, Practice
from .table import DRILLS, NAMES, drill
from .words import filled

Say = Callable[[str], None]
SETTLING = 20.0  # what is about to become healthy is given so long before a drill is refused
MENDING = 240.0


def require_practice(cluster: Cluster) -> None:
    """UsageError unless the machines are there to be broken."""
    if not cluster.for_practice:
        where = cluster.source or "the inventory"
        raise UsageError(
            f"{where} is not marked as a lab, and a drill breaks things on purpose",
            hint=f"if these machines are only for practice, write `drills: true` in {where}",
        )


def chosen(cluster: Cluster, name: str, on: str = "") -> tuple[Drill, tuple[Host, ...]]:
    """The drill of a name, and the hosts it is to break: the one named, else the last that fits.

    UsageError, QuorumError.
    """
    if name not in NAMES:
        raise UsageError(f"there is no drill {name}", hint=meant(name, NAMES))
    found = drill(name)
    fit = tuple(found.candidates(cluster))
    if not fit:
        raise UsageError(
            f"the drill {name} needs {found.needs}, and this cluster has none",
            hint=f"the drills are: {' '.join(NAMES)}",
        )
    names = [host.name for host in fit]
    if on and (found.every or on not in names):
        raise UsageError(
            f"the drill {name} cannot be done on {on} alone",
            hint=f"it breaks {'all of' if found.every else 'one of'}: {' '.join(names)}",
        )
    hosts = fit if found.every else (cluster.host(on) if on else fit[-1],)
    others = [host for host in cluster.etcd_members if host not in hosts or not found.spoils(host)]
    _keep_quorum(cluster, len(others))
    return found, hosts


def _keep_quorum(cluster: Cluster, staying: int) -> None:
    members = len(cluster.etcd_members)
    if staying < quorum(members):
        raise QuorumError(
            f"this drill would leave {staying} of {members} etcd members, and {quorum(members)} are a quorum",
            hint="hardway status INV shows the members; a drill that stops one needs three healthy ones",
        )


def begin(session: Session, found: Drill, hosts: Sequence[Host]) -> Practice:
    """Break it if nothing prevents that: no other drill, a quorum that stays, a healthy cluster.

    What is on is noted first.
    """
    looking = session.looking()
    if session.store.read("pki/ca.crt") is None:
        raise PkiError(
            f"{session.state_dir} contains no keys of a cluster",
            hint="a drill needs a running cluster: hardway bootstrap INV",
        )
    with session.locked("drill"):
        session.survey(frozenset())
        now = state.look(looking)
        if now.on:
            raise DriftError(
                f"a drill is on: {', '.join(map(str, now.on))}", hint="end that one first: hardway drill INV --restore"
            )
        for error in now.away.values():
            raise error
        if any(found.spoils(host) for host in hosts):
            healthy = [
                host
                for host in session.cluster.etcd_members
                if host not in hosts and not looking.live.etcd_health(host)
            ]
            _keep_quorum(session.cluster, len(healthy))
        _require_health(looking.live)
        practice = Practice(looking.live, tuple(hosts), effects.containers(looking.live))
        session.store.discard(state.POWERED_OFF)
        if not found.units:
            power.off(session, hosts[0], found.name)
        each(
            lambda host: session.live.remotes[host.name].change([Op("drill", (found.name, *found.units))]),
            hosts if found.units else (),
        )
    return practice


def _require_health(live: Live) -> None:
    try:
        wait(lambda: pending(live), SETTLING, lambda missing: missing.what, 0.5)
    except NotReadyError as error:
        error.message = f"the cluster is not healthy enough to start a drill: still waiting for {error.waited_for}"
        error.hint = "hardway status INV shows it; hardway bootstrap INV repairs it"
        raise


def pending(live: Live) -> Pending | None:
    """What the phases are still waiting for: nothing, when the cluster is healthy."""
    targets = ((phase, target) for phase in PHASES for target in phase.targets(live.cluster))
    return next((found for phase, target in targets if (found := missing(phase, live, target))), None)


def watch(practice: Practice, found: Drill, say: Say) -> None:
    """See every effect come about; NotReadyError with the first that does not."""
    began = time.monotonic()
    for effect in found.effects(practice.cluster):
        title = filled(effect.title, practice.cluster, practice.hosts)

        def missing(effect=effect) -> str:
            try:
                return effect.missing(practice)
            except UNREACHABLE as error:
                return f"an answer ({error})"

        try:
            wait(missing, effect.deadline, str, 0.5)
        except NotReadyError as error:
            error.message = f"the expected effect did not occur: {title}"
            error.hint = "end the drill: hardway drill INV --restore"
            raise
        say(f"{time.monotonic() - began:7.1f} s  ok  {title}")


def restore(session: Session, say: Say) -> None:
    """Repair what drills broke, no matter who started them or when, and wait until the cluster is healthy."""
    with session.locked("drill --restore"):
        session.survey(frozenset())
        off = state.switched_off(session)
        if off:
            power.on(session, session.cluster.host(off.host), say)
        now = state.look(session)
        for name in now.marked:
            session.live.remotes[name].change([Op("undrill")])
        session.store.discard(state.POWERED_OFF)
    ended = [*([off] if off else []), *now.on]
    say("\n".join(f"ended: {one.drill} on {one.host}" for one in ended) or "no drill is on")
    if now.away:
        raise _unmended(now.away)
    _await_health(session.looking().live)
    say("the cluster is healthy")


def _unmended(away: dict[str, HardwayError]) -> HardwayError:
    first = next(iter(away.values()))
    names = ", ".join(away)
    evidence = "\n".join(f"{name}: {error.message}" for name, error in away.items())
    hint = f"make {'them' if len(away) > 1 else 'it'} reachable ({first.hint}), then: hardway drill INV --restore"
    return ConnectionFailed(
        f"{names} {'do' if len(away) > 1 else 'does'} not answer: hardway cannot know whether a drill is on there",
        evidence=evidence,
        hint=hint,
    )


def _await_health(live: Live) -> None:
    last: list[Pending | None] = [None]

    def missing() -> Pending | None:
        last[0] = pending(live)
        return last[0]

    try:
        wait(missing, MENDING, lambda found: found.what, 0.5)
    except NotReadyError as error:
        if last[0] and last[0].host and last[0].unit:
            error.host, error.evidence = last[0].host, live.journal(last[0].host, last[0].unit)
        error.hint = "hardway bootstrap INV repairs what differs from the inventory"
        raise


def listing(session: Session) -> tuple[list[str], state.State]:
    """Every drill in a line, with where it is on; and what the hosts said."""
    now = state.look(session)
    width = max(map(len, NAMES))
    on = {one.name: [f"{on.host} since {on.since:%H:%M}" for on in now.on if on.drill == one.name] for one in DRILLS}
    return [
        f"{one.name:{width}}  {one.breaks}{'   ON: ' + ', '.join(on[one.name]) if on[one.name] else ''}"
        for one in DRILLS
    ], now
