"""`hardway upgrade` on a cluster in memory: the real command, only its gates stand open; what must hold meanwhile."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fakes.memory_session import MemorySession
from fakes.world import World

from hardway.commands import upgrade as command
from hardway.commands.upgrade.conduct import Options
from hardway.inventory import load
from hardway.settings import Versions
from hardway.upgrading.standing import SERVERS, components
from hardway.vocabulary import Op

from .skew import Played

INVENTORIES = Path(__file__).parents[2] / "inventory"


def built(name: str, versions: Versions, folder: Path) -> World:
    """A cluster of these versions that lives, and is bound."""
    cluster = load(INVENTORIES / f"{name}.yaml")
    world = World(replace(cluster, versions=versions), folder)
    world.run()
    world.bound()
    world.log.clear()
    return world


def wanting(world: World, versions: Versions) -> World:
    """Somebody has edited the versions of the inventory."""
    world.use(replace(world.cluster, versions=versions))
    return world


def upgrade(world: World, to: str = "", **options: Any) -> str:
    """`hardway upgrade INV [--to VERSION]`; what it said."""
    session = MemorySession.on(world)
    try:
        command.upgrade(session, command.aimed(session.cluster, to), Options(**options))
    finally:
        world.said = session.said.getvalue()
    return world.said


def played(world: World) -> Played:
    """What runs in the world, as the rules see it."""
    running = {
        host.name: {name: v for name in components(host) if (v := world.hosts[host.name].q_version(f"{name}.service"))}
        for host in world.cluster.hosts
    }
    return Played(world.cluster, running)


@dataclass
class Watch:
    """Sees every restart: that the skew policy holds after it, and that an API server begins only while all others are
    ready. A server that was restarted answers after some questions more."""

    world: World
    polls: int = 3
    order: list[tuple[str, str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    down: dict[str, int] = field(default_factory=dict)
    guard: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self):
        for name, machine in self.world.hosts.items():
            machine.w_restart = self._watched(name, machine.w_restart)
            machine.w_pause = self._pausing(name, machine.w_pause)

    def _watched(self, name: str, before):
        def restart(unit: str, how: str) -> None:
            with self.guard:
                component = unit.removesuffix(".service")
                if component == SERVERS[0] and (others := self.down.keys() - {name}):
                    self.broken.append(f"{component} on {name} was restarted while {others} did not answer")
                before(unit, how)
                self.order.append((name, component, self.world.hosts[name].q_version(unit)))
                self.broken += played(self.world).broken()
                if component == SERVERS[0]:
                    self.down[name] = self.polls

        return restart

    def _pausing(self, name: str, before):
        """A server that stops in order is down until it was started again, and some questions more."""

        def pause(unit: str) -> None:
            with self.guard:
                if others := self.down.keys() - {name}:
                    self.broken.append(f"{unit} on {name} was stopped while {others} did not answer")
                before(unit)
                self.down[name] = self.polls

        return pause

    def asked(self, live, host) -> str:
        """Instead of FakeLive's own look at an API server."""
        with self.guard:
            if left := self.down.get(host.name):
                self.down[host.name] = left - 1
                if left == 1:
                    del self.down[host.name]
                return "readyz 500 [-]starting"
        return ""

    def versions(self, component: str) -> list[str]:
        """Those that a component was restarted with, each host's in a row counted once."""
        return [version for _, name, version in self.order if name == component]


def acts(world: World, *verbs: str) -> list[tuple[str, Op]]:
    return [(target, op) for target, op in world.log if op.verb in verbs]


def state(world: World) -> dict[str, Any]:
    """All that must be the same however an upgrade came to its end: pods are wherever they are."""
    objects = {path: body for path, body in world.objects.by_path.items() if body.get("kind") not in ("Pod",)}
    plain = {path: (body.get("spec"), body["metadata"].get("annotations")) for path, body in objects.items()}
    return {name: host.digest() for name, host in world.hosts.items()} | {"kubernetes": plain}


def kept(world: World) -> list[str]:
    """Programs that lie beside others anywhere."""
    ends = (".before", ".next")
    return [f"{name}:{path}" for name, host in world.hosts.items() for path in host.disk.files if path.endswith(ends)]
