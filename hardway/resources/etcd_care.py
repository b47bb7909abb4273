"""What etcd's data needs now and then: a file without unused space, and no alarm that outlives its cause."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..errors import NotReadyError
from ..foreign.understanding import OTHERWISE, mapping, whole
from ..vocabulary import Answers, Op, Probe
from .base import UNKNOWN, Change, Situation

# Less than this is not worth the time in which the member answers nobody.
LEAST_BYTES, LEAST_SHARE = 1 << 20, 0.05
# What a host remembers of its last defragmentation.
NOTE = "defragmented"


def to_gain(size: int, in_use: int) -> int:
    """The bytes that a defragmentation would give back; 0 when they are not worth it."""
    free = max(size - in_use, 0)
    return free if free >= max(LEAST_BYTES, LEAST_SHARE * size) else 0


@dataclass(frozen=True)
class Defragmented:
    """A member whose file has hardly any space that holds nothing, or that was defragmented since `event`.

    With `always` the first does not count: after a compaction etcd knows what is free only when it writes again, and at
    its quota it does not.
    """

    host: str
    event: str
    always: bool = False

    @property
    def key(self) -> str:
        return "etcd's file"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("etcd"), Probe("note", (NOTE,)))

    def compare(self, now: Situation) -> Change | None:
        said, note = (now.answers[probe] for probe in self.probes())
        size, in_use = self._sizes(said)
        gain = to_gain(size, in_use)
        if note == self.event or not (gain or self.always):
            return None
        free = f"{gain / 1e6:.1f} MB of {size / 1e6:.1f} MB hold nothing" if gain else f"{size / 1e6:.1f} MB"
        return Change(self.key, (free,), (Op("defrag"), Op("note", (NOTE, self.event))), restarts=True)

    def _sizes(self, said: str) -> tuple[int, int]:
        try:
            status = mapping(json.loads(said)[0]["Status"])
            return whole(status.get("dbSize", 0)), whole(status.get("dbSizeInUse", 0))
        except OTHERWISE:
            raise NotReadyError(
                f"the etcd member on {self.host} does not answer",
                host=self.host,
                hint="hardway etcd status INV; hardway doctor INV",
            ) from None

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()


@dataclass(frozen=True)
class NoAlarm:
    """No alarm raised by any member; the caller sees to the causes."""

    @property
    def key(self) -> str:
        return "etcd's alarms"

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("alarms"),)

    def compare(self, now: Situation) -> Change | None:
        said = now.answers[self.probes()[0]]
        if said == UNKNOWN:
            return Change(self.key, ("unknown until etcd answers",), (), unknown=True)
        return Change(self.key, tuple(said.splitlines()), (Op("disarm"),)) if said else None

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()
