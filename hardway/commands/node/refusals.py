"""What keeps hosts from leaving: found before anything is changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from ...cluster import Host, Role
from ...errors import ConnectionFailed, DrainRefused, HardwayError, HostErrors, PreflightError, UsageError
from ...inventory.excerpt import without
from ...living import roads
from ...living.lives import node
from ...removal import refuse_others
from ...targets.live import wait
from . import members, objects
from .scene import Scene

# So long, in seconds, the control plane takes to notice that a kubelet no longer reports, and some more.
NOTICED = 75.0


def require(scene: Scene) -> None:
    """The error of the first reason for which these hosts may not leave like this."""
    require_inventory(scene)
    require_unused(scene)
    refuse_others(scene.before.cluster, scene.before.store, {h.name: scene.known.facts[h.name] for h in scene.leave})
    members.require_quorum(scene)
    for host in scene.leave:
        require_gone(scene, host)
    require_drainable(scene)


def require_inventory(scene: Scene) -> None:
    """UsageError when the inventory without these hosts would be none, or the API's address goes with one of them."""
    names, cluster = [host.name for host in scene.leave], scene.before.cluster
    problems = [*_without_address(scene), *(without(cluster.source, names) if cluster.source else _roles(scene))]
    if problems:
        them = "it" if len(names) == 1 else "them"
        raise UsageError(
            f"{', '.join(names)} cannot be removed: the inventory without {them} is wrong",
            evidence="\n".join(problems),
            hint="; ".join(_ways(scene)),
        )


def _without_address(scene: Scene) -> Iterator[str]:
    api = scene.before.cluster.api
    for host in scene.leave:
        if str(host.address) == api.address and not api.vip:
            yield f"{api.address}, the API's address that all clients use, is that of {host.name}"


def _roles(scene: Scene) -> Iterator[str]:
    """Of a cluster that comes from no file."""
    for role in (Role.ETCD, Role.CONTROL_PLANE, Role.WORKER):
        if not scene.after.cluster.with_role(role):
            yield f"no host has the role {role.value}: at least one must"


def _ways(scene: Scene) -> Iterator[str]:
    names = " ".join(host.name for host in scene.leave)
    yield f"to put another host in its place: hardway node replace INV {names.split()[0]} NEW"
    if any(host.is_(Role.ETCD) for host in scene.leave):
        yield "or remove an even number of etcd hosts, in one command"
    if list(_without_address(scene)):
        yield "or give the API another address first: write api.address in INV, then hardway bootstrap INV"


def require_unused(scene: Scene) -> None:
    """PreflightError while clients come to the API by a host that leaves, as they do until a bootstrap has led them to
    another address of the inventory."""
    used = roads.former(scene.before.cluster, scene.known.facts)
    for host in scene.leave:
        names = {str(host.address), host.name}
        clients = [name for server, users in used.items() if urlsplit(server).hostname in names for name in users]
        if others := [name for name in clients if name not in {one.name for one in scene.leave}]:
            raise PreflightError(
                f"{', '.join(others)} still use the API at the address of {host.name}",
                host=host.name,
                hint="hardway bootstrap INV   leads them to the inventory's address; then run this command again",
            )


def require_gone(scene: Scene, host: Host) -> None:
    """PreflightError when a host that is said to be gone answers, or its kubelet still reports: its pods would run
    twice."""
    if host.name not in scene.gone:
        return
    if scene.known.facts[host.name].known:
        raise PreflightError(
            f"{host.name} answers, so it is not gone",
            host=host.name,
            hint=f"remove --gone: {scene.again.replace(' --gone', '')}",
        )
    try:
        wait(
            lambda: scene.api(lambda api: objects.ready(api, host.name)),
            NOTICED,
            lambda _: f"{host.name} to be NotReady",
        )
    except HardwayError as error:
        raise PreflightError(
            f"the kubelet of {host.name} still reports, so the machine is not gone",
            host=host.name,
            waited_for=error.waited_for,
            waited_seconds=error.waited_seconds,
            hint=f"make it reachable and run the command without --gone, or switch the machine off: {scene.again}",
        ) from None


def moved(name: str, other: str) -> ConnectionFailed:
    """What is said of a former host whose machine has become another one: it is not connected to."""
    return ConnectionFailed(
        f"the machine of {name} is {other} now, so only what the cluster keeps of {name} can be removed", name
    )


def with_way_out(error: HardwayError, names: Collection[str], again: str) -> HardwayError:
    """The same error; where a host that is to leave does not answer, with the way that needs no answer."""
    for one in error.errors if isinstance(error, HostErrors) else (error,):
        if one.host in names and isinstance(one, ConnectionFailed):
            one.hint = "; ".join(filter(None, [one.hint, f"if the machine is gone for good: {again} --gone"]))
    return error


def require_drainable(scene: Scene) -> None:
    """DrainRefused when a pod needs an option, a budget never lets one go, or no other node would take them."""
    evicted = False
    for host in scene.leave:
        if scene.api(lambda api, host=host: api.get(objects.node_path(host.name))) is None:
            continue
        drain = scene.drain(host)
        view = drain.look()
        evicted = evicted or bool(view.choice.evict)
        if host.name not in scene.gone:
            drain.require(view)
    if evicted and not scene.options.force and not _takers(scene):
        names = ", ".join(host.name for host in scene.leave)
        raise DrainRefused(
            f"no other node takes the pods of {names}: all others are cordoned or not Ready",
            host=scene.leave[0].name,
            hint=f"hardway node list INV; to have them wait until one does: {scene.again} --force",
        )


def _takers(scene: Scene) -> list[str]:
    """Other nodes for their pods, also those that are nodes only when their hosts have joined."""
    names = {host.name for host in scene.leave}
    found = scene.api(lambda api: api.get("/api/v1/nodes")) or {}
    nodes = [node(one) for one in found.get("items") or ()]
    there = [one.name for one in nodes if one.name not in names and one.ready and one.schedulable]
    coming = {host.name for host in scene.after.cluster.workers if host.name in scene.joining}
    return [*there, *(coming - {one.name for one in nodes})]
