"""The steps by which a host leaves, in their order: what each would still do, by what lives, and how it is done.

Nothing is recorded: a removal that was interrupted finds the steps that are done with nothing left to do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...cluster import Host, Role
from ...drain.cordon import cordon_of
from ...errors import NotReadyError
from ...etcd.membership import called
from ...removal import by_name, clear, course
from ...removal import left as left_on_host
from ...removal.course import Leg
from ...report import plural
from ...resources.unit_state import UnitState
from ...run.step import Done
from ...settings import LoadBalancer
from ...targets.live import wait
from ...vocabulary import Op, Probe
from . import members, objects
from .elsewhere import of_phases
from .scene import Scene

BALANCERS = ("keepalived", "haproxy")
# In this order: the two that act on the API's word before the API itself.
SERVERS = ("kube-scheduler", "kube-controller-manager", "kube-apiserver")
Lines = list[str]
COLLECTED = 60.0  # seconds: the cluster collects pods of machines that are out of service every 20 s


@dataclass(frozen=True)
class Step:
    """`left` is what it would do to a host now, a line each, nothing where it is done; `do` does it, and returns what
    a person is told."""

    leg: Leg
    left: Callable[[Scene, Host], Lines]
    do: Callable[[Scene, Host], str]


def _cordon_left(scene: Scene, host: Host) -> Lines:
    node = scene.api(lambda api: api.get(objects.node_path(host.name)))
    there = cordon_of(node) if node else None
    if node is None or (there and there.command in ("", scene.command)):
        return []
    return ["keep new pods off it"]


def _cordon(scene: Scene, host: Host) -> str:
    return str(scene.drain(host).cordon(take_over=True))


def _drain_left(scene: Scene, host: Host) -> Lines:
    if host.name in scene.gone or not _is_node(scene, host):
        return []
    return [f"evict {pod} ({pod.owner})" for pod in scene.drain(host).look().choice.evict]


def _drain(scene: Scene, host: Host) -> str:
    drain = scene.drain(host)
    drain.empty()
    return f"drained: {plural(drain.evicted, 'pod')} evicted"


def _release_left(scene: Scene, host: Host) -> Lines:
    if host.name not in scene.gone or not _is_node(scene, host):
        return []
    pods = scene.api(lambda api: objects.bound(api, host.name))
    return [f"give {pod} ({pod.owner}) up: the cluster deletes it without an answer from the machine" for pod in pods]


def _release(scene: Scene, host: Host) -> str:
    """Pods that tolerate the taint are deleted only when their Node is, so nothing waits for them for long."""
    scene.api(lambda api: objects.give_up(api, host.name))
    bound = lambda: scene.api(lambda api: objects.bound(api, host.name))  # noqa: E731
    count = len(bound())
    with contextlib.suppress(NotReadyError):
        wait(bound, COLLECTED, lambda pods: f"the cluster to delete {', '.join(map(str, pods))}", 0.5)
    left = len(bound())
    return f"out of service: the cluster has deleted {count - left} of {plural(count, 'pod')} there"


def _balance_left(scene: Scene, host: Host) -> Lines:
    rest, lines = scene.rest(host), []
    if not host.roles & {Role.CONTROL_PLANE, Role.LB}:
        return []
    if rest.cluster.api.load_balancer is LoadBalancer.EXTERNAL and _running(scene, host, SERVERS):
        lines.append(f"your own load balancer must send nothing to {host.address} any more: hardway cannot change it")
    lines += [f"stop {unit} on it" for unit in _running(scene, host, BALANCERS)]
    return [*lines, *changed(scene.would_follow(rest, of_phases(scene.known.facts, "load-balancer")))]


def _balance(scene: Scene, host: Host) -> str:
    _stop(scene, host, BALANCERS)
    done = scene.follow(scene.rest(host), of_phases(scene.known.facts, "load-balancer"))
    names = ", ".join(step.target for step in done if step.changes)
    return f"no load balancer sends to it any more{names and f' ({names} reloaded)'}"


def _servers_left(scene: Scene, host: Host) -> Lines:
    return [f"stop {unit} on it" for unit in _running(scene, host, SERVERS)]


def _servers(scene: Scene, host: Host) -> str:
    return f"stopped {', '.join(_stop(scene, host, SERVERS))}"


def _member_left(scene: Scene, host: Host) -> Lines:
    own, lines = members.mine(scene, host), []
    if own:
        lines += changed(scene.would_follow(scene.rest(host), _pointing(scene, host)))
        lines.append(f"remove {called(own)} ({own.id:x}) from etcd's members")
    return lines + [f"stop {unit} on it" for unit in _running(scene, host, ("etcd",))]


def _member(scene: Scene, host: Host) -> str:
    if own := members.mine(scene, host):
        if members.pointing(scene.rest(host).cluster):
            scene.follow(scene.rest(host), _pointing(scene, host))
        members.leave(scene, host, own)
    _stop(scene, host, ("etcd",))
    return "its etcd member is removed"


def _pointing(scene: Scene, host: Host):
    names = {one.name for one in members.pointing(scene.rest(host).cluster)}
    return lambda phase, target: phase.name == "control-plane" and target.name in names


def _objects_left(scene: Scene, host: Host) -> Lines:
    stop = [f"stop {unit} on it" for unit in _running(scene, host, ("kubelet",))]
    return stop + [f"delete its {what}" for what, _, _ in scene.api(lambda api: objects.kept(api, host.name))]


def _objects(scene: Scene, host: Host) -> str:
    """A kubelet that runs would create the Lease again, and then nobody owns it."""
    _stop(scene, host, ("kubelet",))
    found = scene.api(lambda api: objects.kept(api, host.name))
    for _, path, uid in found:
        scene.api(lambda api, path=path, uid=uid: api.delete(path, uid))
    return f"deleted its {', '.join(what for what, _, _ in found)}" if found else "its kubelet is stopped"


def _reset_left(scene: Scene, host: Host) -> Lines:
    if host.name in scene.gone or not scene.known.facts[host.name].cluster:
        return []
    live, inputs = scene.before.live, by_name(scene.before.cluster, scene.known.facts)
    count = left_on_host(live.remotes[host.name], inputs, host)
    return [f"remove what hardway installed on it: {plural(count, 'thing')}"] if count else []


def _reset(scene: Scene, host: Host) -> str:
    inputs = by_name(scene.before.cluster, scene.known.facts)
    return f"reset: {clear(scene.before.live.remotes[host.name], inputs, host)} removed"


def _is_node(scene: Scene, host: Host) -> bool:
    return scene.api(lambda api: api.get(objects.node_path(host.name))) is not None


def _running(scene: Scene, host: Host, names: Sequence[str]) -> Lines:
    """Those of hardway's units that run, or would, on a host which leaves; the error of one that does not answer any
    more."""
    if host.name in scene.gone:
        return []
    ours = [name for name in names if name in scene.known.facts[host.name].components]
    probes = {name: Probe("unit", (f"{name}.service",)) for name in ours}
    answers = scene.before.live.remotes[host.name].probe(list(probes.values())) if ours else {}
    return [name for name, probe in probes.items() if not UnitState.parse(answers[probe]).at_rest]


def _stop(scene: Scene, host: Host, names: Sequence[str]) -> Lines:
    running = _running(scene, host, names)
    if running:
        scene.before.live.remotes[host.name].change([Op("stop", (f"{name}.service",)) for name in running])
    return running


def changed(done: Sequence[Done]) -> Lines:
    """A line for each thing that would be changed elsewhere, the hosts where it is the same told together."""
    hosts: dict[str, Lines] = {}
    for step in done:
        for change in step.changes:
            hosts.setdefault(f"{change.key}{' (restart)' if change.restarts else ''}", []).append(step.target)
    return [f"change {key} on {', '.join(names)}" for key, names in hosts.items()]


CORDON = Step(course.CORDON, _cordon_left, _cordon)
STEPS = (
    Step(course.DRAIN, _drain_left, _drain),
    Step(course.RELEASE, _release_left, _release),
    Step(course.BALANCE, _balance_left, _balance),
    Step(course.SERVERS, _servers_left, _servers),
    Step(course.MEMBER, _member_left, _member),
    Step(course.RESET, _reset_left, _reset),
    Step(course.NODE, _objects_left, _objects),
)
