"""What blows a half-built cluster has taken, and that it bears them: no key is lost, and in the end it is whole."""

from __future__ import annotations

from dataclasses import dataclass, field

from stage import Stage


@dataclass
class Toll:
    """The keys that were there at the last blow, and the place in its round of that blow; `missed` came too late."""

    missed: list[str] = field(default_factory=list)
    order: float = 1.0
    keys: dict[str, bytes] = field(default_factory=dict)

    def round_begins(self, stage: Stage, order: float) -> None:
        """When the next blow is the first of a round: complete what the last round left, and start from bare hosts
        without keys."""
        if order < self.order and self.keys:
            self.completed(stage)
            stage.hardway("reset", "INV", "--yes", "--remove-pki").ok()
            self.keys = {}
        self.order = order

    def unharmed(self, stage: Stage) -> None:
        """Keys only ever come; none that has been seen goes or changes."""
        now = stage.keys()
        assert {name for name in self.keys if now.get(name) != self.keys[name]} == set()
        self.keys = now

    def whole(self, stage: Stage) -> None:
        """A bootstrap completes what has been struck, with the keys of its first day, and leaves nothing to do."""
        stage.bootstrap()
        self.unharmed(stage)
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out

    def completed(self, stage: Stage) -> None:
        """It is a whole cluster, and it works."""
        self.whole(stage)
        stage.verified()
