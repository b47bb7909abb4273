"""`hardway node remove`: hosts leave a cluster that lives, each in steps; see hardway.commands.node.steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...cluster import Host, Role
from ...drain import Options
from ...errors import HardwayError
from ...inventory.excerpt import lines_of
from ...phase import API, Inputs
from ...preflight import findings, judge, reach, restoring
from ...removal.course import ELSEWHERE
from ...report import plural
from ...run.failures import of_left_out
from ...session import Known, Session
from .elsewhere import of_leavers
from .former import twin, with_former
from .plan import HostPlan, Plan
from .refusals import moved, require, with_way_out
from .scene import Scene
from .steps import CORDON, STEPS, Step, changed


@dataclass(frozen=True)
class Leaving:
    """What a person asked for: the names of hosts, whether they are `gone`, how to drain, and the command as typed.
    `joining` are hosts that join before the others leave."""

    names: tuple[str, ...]
    gone: bool = False
    options: Options = Options()
    command: str = "node remove"
    again: str = ""
    joining: tuple[str, ...] = ()


def plan(session: Session, asked: Leaving) -> Plan:
    """What a removal would do now; nothing is changed. Everything that refuses it is raised."""
    scene = look(session, asked)
    require(scene)
    hosts = tuple(
        HostPlan(
            host.name, tuple((one.leg.name, tuple(one.left(scene, host)), one.leg.why) for one in (CORDON, *STEPS))
        )
        for host in scene.leave
    )
    rest = tuple(changed(scene.would_follow(scene.after, of_leavers(scene.known.facts, scene.leave))))
    return Plan(asked.command, hosts, rest, _lines(scene))


def remove(session: Session, asked: Leaving) -> None:
    """Have them leave, or go on with it where an earlier run was interrupted."""
    session.report.run_started(asked.command, session.cluster, options=" ".join(asked.names))
    with session.report.watched(), session.locked(asked.command):
        scene = leave(session, asked)
    session.report.summary()
    part(scene)


def leave(session: Session, asked: Leaving) -> Scene:
    """The same within a run; the scene of it."""
    scene = look(session, asked)
    require(scene)
    for warning in judge(_of_the_others(scene)):
        if warning.host not in asked.names:
            session.report.note(str(warning))
    _carry_out(scene)
    return scene


def _of_the_others(scene: Scene) -> Inputs:
    """What preflight judges: whatever is wrong with a host that leaves does not keep it here, nor does a firewall on
    one that was never built. A restore of etcd that is not finished is no matter of the host that tells it."""
    inputs = replace(scene.known.inputs, concerned=frozenset({API.name}))
    names = {host.name for host in scene.leave}
    others = {one.key for one in findings(inputs) if one.host in names and one.name != restoring.NAME}
    return replace(inputs, ignored=frozenset(others | {reach.NAME}))


def look(session: Session, asked: Leaving) -> Scene:
    """The scene of a removal: the hosts that stay, and the leaving ones that are not gone, must answer; other workers
    may be away."""
    names = {host.name for host in session.cluster.hosts}
    lives = None if names.issuperset(asked.names) else session.lives()
    before = session.about(with_former(session.cluster, lives, asked.names)) if lives else session
    leave = tuple(before.cluster.host(name) for name in dict.fromkeys(asked.names))
    gone = frozenset(host.name for host in leave) if asked.gone else frozenset()
    for host in leave:
        if other := twin(before.cluster, host):
            before.live.give_up(host.name, moved(host.name, other))
    known = _surveyed(before, asked, gone)
    former = frozenset(asked.names) - names
    return Scene(known, leave, gone, former, asked.options, asked.command, asked.again, asked.joining)


def _surveyed(session: Session, asked: Leaving, gone: frozenset[str]) -> Known:
    hosts = session.cluster.hosts
    needed = {host.name for host in hosts if host.roles != {Role.WORKER}} | set(asked.names)
    try:
        known = session.survey(frozenset(needed - gone), living=True)
    except HardwayError as error:
        raise with_way_out(error, asked.names, asked.again) from None
    for name, error in known.away.items():
        session.live.give_up(name, error)
        session.report.note(f"{'gone' if name in gone else 'left out'}: {name}: {error.message}")
    return known


def _carry_out(scene: Scene) -> None:
    """Every step that is not done yet: first no new pods on any of them, at the end what changes elsewhere."""
    for host in scene.leave:
        _step(scene, host, CORDON)
    for host in scene.leave:
        for step in STEPS:
            _step(scene, host, step)
    done = scene.follow(scene.after, of_leavers(scene.known.facts, scene.leave))
    count = sum(len(step.changes) for step in done)
    for host in scene.leave:
        scene.say(host, ELSEWHERE.name, f"removed from the other hosts: {plural(count, 'change')}")


def _step(scene: Scene, host: Host, step: Step) -> None:
    if step.left(scene, host):
        scene.say(host, step.leg.name, step.do(scene, host))


def _lines(scene: Scene) -> tuple[tuple[str, int, int], ...]:
    source = scene.before.cluster.source
    names = [host.name for host in scene.leave if host.name not in scene.former]
    found = lines_of(source, names) if source else {}
    return tuple((name, first, last) for name, (first, last) in found.items())


def part(scene: Scene) -> None:
    """Say what is left for a person to do: the inventory is theirs, and no certificate can be called back. The errors
    of workers that were left out are raised."""
    source, note = scene.before.cluster.source, scene.before.report.note
    for name, first, last in _lines(scene):
        note(f"delete lines {first} to {last} of {source} ({name})")
    for name in sorted(scene.gone):
        note(f"{name} may hold a certificate that is still valid: never start that machine again with its old disk")
    if away := [error for name, error in scene.known.away.items() if name not in scene.gone]:
        raise of_left_out(away, scene.again)
