"""What drains are tested on: a clock that only their own pauses move, and the node that is drained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fakes.world import World

from hardway.drain import Drain, Options

NODE = "worker-1"
LAB = Path(__file__).parents[2] / "inventory/lab.yaml"


class Clock:
    """`at` are what happens at a second, for once."""

    def __init__(self) -> None:
        self.now = 0.0
        self.at: dict[float, Callable[[], object]] = {}

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds
        for moment in [moment for moment in self.at if moment <= self.now]:
            self.at.pop(moment)()


class Told(Drain):
    """What it says is in `said`."""

    def __init__(self, world: World, clock: Clock, node: str = NODE, command: str = "node drain", **options) -> None:
        self.said: list = []
        more = {"say": self.said.append, "clock": clock, "pause": clock.pause}
        super().__init__(world.live.kube, node, Options(**options), command, **more)
