"""Commands of `hardway node` on a cluster in memory."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from hardway.cluster import Cluster, Host, Role
from hardway.commands.node import adding, removing, replacing
from hardway.commands.node.plan import Plan
from hardway.drain import Options
from hardway.phase import API

from .memory_host import MemoryHost
from .memory_session import MemorySession
from .world import World


def leaving(*names: str, gone: bool = False, **options: Any) -> removing.Leaving:
    """As it is typed."""
    again = " ".join(["hardway node remove INV", *names, *(["--gone"] if gone else [])])
    return removing.Leaving(names, gone, Options(**options), again=again)


def remove(world: World, *names: str, **asked: Any) -> str:
    """`hardway node remove`; what it said."""
    session = MemorySession.on(world)
    removing.remove(session, leaving(*names, **asked))
    return session.said.getvalue()


def planned(world: World, *names: str, **asked: Any) -> Plan:
    """`hardway node remove --plan`."""
    return removing.plan(MemorySession.on(world), leaving(*names, **asked))


def steps(plan: Plan, host: str) -> dict[str, tuple[str, ...]]:
    """What is left to do on a host, by step."""
    return {name: does for one in plan.hosts if one.host == host for name, does, _ in one.left}


def power_off(world: World, *names: str) -> None:
    """Nothing runs there, and nobody answers."""
    for name in names:
        for unit in world.hosts[name].systemd.units.values():
            unit.active = "inactive"
    world.away = world.away | set(names)


def moments(world: World) -> list[int]:
    """The places in the log at which an act began."""
    return [at for at, (target, op) in enumerate(world.log) if target == API.name or "/" not in op.verb]


def dies_at(world: World, moment: int) -> World:
    """The world again, in which a run dies before that write."""
    left = [moment]
    world.death = lambda target, op: left.append(left.pop() - 1) or left[0] < 0
    return world


def written(world: World, *verbs: str) -> list[tuple[str, str]]:
    """(target, act) of what was done, in order; inside of an op only its beginning."""
    whole = [world.log[at] for at in moments(world)]
    return [(target, str(op)) for target, op in whole if not verbs or op.verb in verbs]


def without(cluster: Cluster, *names: str) -> Cluster:
    return replace(cluster, hosts=tuple(host for host in cluster.hosts if host.name not in names))


def traces(host: MemoryHost) -> bool:
    """Whether anything of hardway's is on a host."""
    return any(host.left.values()) or bool(host.disk.below("/var/lib/hardway"))


def add(world: World, *names: str) -> str:
    """`hardway node add`; what it said."""
    session = MemorySession.on(world)
    adding.add(session, adding.Joining(names, again=" ".join(["hardway node add INV", *names])))
    return session.said.getvalue()


def replace_by(world: World, old: str, new: str, gone: bool = False, **options: Any) -> str:
    """`hardway node replace`; what it said."""
    session = MemorySession.on(world)
    again = f"hardway node replace INV {old} {new}{' --gone' if gone else ''}"
    replacing.replace(session, replacing.Replacing.of(old, new, gone, Options(**options), (), again))
    return session.said.getvalue()


def more(world: World, name: str, address: str, *roles: Role, block: str = "") -> Host:
    """A new host in the inventory, on a bare machine."""
    new = Host(name, IPv4Address(address), frozenset(roles), pod_cidr=IPv4Network(block) if block else None)
    world.use(replace(world.cluster, hosts=(*world.cluster.hosts, new)))
    return new
