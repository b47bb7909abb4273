"""A unit that does not run, and would not at the next boot; and what a run leaves written on a host for the next."""

from __future__ import annotations

from dataclasses import dataclass

from ..vocabulary import Answers, Op, Probe
from .base import Change, Situation
from .unit_state import UnitState, properties


@dataclass(frozen=True)
class Stopped:
    """A unit at rest, also after a reboot: what is worked on meanwhile must not be started."""

    name: str

    @property
    def key(self) -> str:
        return f"unit {self.name}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("unit", (self.name,)),)

    def compare(self, now: Situation) -> Change | None:
        state = UnitState.parse(now.answers[self.probes()[0]])
        why = []
        if not state.at_rest:
            why.append(f"{state.told}, to be stopped")
        if state.said["UnitFileState"] == "enabled":
            why.append("not to start at the next boot")
        return Change(self.key, tuple(why), (Op("stop", (self.name,)),)) if why else None

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()


@dataclass(frozen=True)
class Noted:
    """A line that hardway keeps on a host about its own doings."""

    name: str
    text: str

    @property
    def key(self) -> str:
        return f"note of the {self.name}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("note", (self.name,)),)

    def compare(self, now: Situation) -> Change | None:
        if now.answers[self.probes()[0]] == self.text:
            return None
        return Change(self.key, (self.text,), (Op("note", (self.name, self.text)),))

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()


@dataclass(frozen=True)
class Restarted:
    """A unit that was restarted once since `event`, which its host remembers; one that is not installed is let be."""

    name: str
    event: str

    @property
    def key(self) -> str:
        return f"unit {self.name}"

    @property
    def note(self) -> str:
        return f"restarted-{self.name}"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("unit", (self.name,)), Probe("note", (self.note,)))

    def compare(self, now: Situation) -> Change | None:
        unit, note = (now.answers[probe] for probe in self.probes())
        state = properties(unit)
        if note == self.event or state["LoadState"] == "not-found":
            return None
        ops = (Op("restart", (self.name, "queue")), Op("note", (self.note, self.event)))
        running = state["ActiveState"] == "active"
        why = "restart: it must read everything again"
        return Change(self.key, (why,), ops, restarts=running, process=state["InvocationID"])

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()
