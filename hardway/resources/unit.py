"""A systemd unit that is enabled, running, and running with the files as they are now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ..vocabulary import Answers, Op, Probe
from .base import Change, Situation
from .file import Binary, File, ours


@dataclass(frozen=True)
class Unit:
    """`uses` are the files whose change asks for a restart; their digests are stamped at each (re)start.

    The stamp is removed before such a file changes and written after the restart, so a run that
    dies in between leaves a unit that the next run restarts. `block` waits for the unit's own
    readiness; etcd must not (a lone first member waits for quorum).
    """

    name: str
    uses: tuple[File | Binary, ...] = ()
    block: bool = False

    @property
    def key(self) -> str:
        return f"unit {self.name}"

    @property
    def digest(self) -> str:
        lines = (f"{used.path} {used.blob.sha256}\n" for used in sorted(self.uses, key=lambda used: used.path))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("unit", (self.name,)), *(ours(used.path) for used in self.uses[:1]))

    def compare(self, now: Situation) -> Change | None:
        state = properties(now.answers[self.probes()[0]])
        changed = sorted(used.path for used in self.uses if used.path in now.changed)
        ops, why = [], []
        if state["UnitFileState"] != "enabled":
            ops.append(Op("enable", (self.name,)))
            why.append("masked" if state["UnitFileState"] == "masked" else "not enabled")
        if changed or ops or state["NeedDaemonReload"] == "yes":
            ops.append(Op("reload"))
        running = state["ActiveState"] in ("active", "activating", "reloading") or state["Job"] not in ("", "0")
        stale = bool(changed) or state["Stamp"] != self.digest
        if not running:
            why.append(f"is {state['ActiveState']}, to be started")
        elif stale:
            why.append(f"restart: {', '.join(changed) + ' changed' if changed else 'runs with older files'}")
        elif not why and not ops:
            return None
        elif not why:
            why.append("systemd must reload its definition")
        if not running or stale:
            ops += [
                Op("restart" if running else "start", (self.name, "wait" if self.block else "queue")),
                Op("stamp", (self.name, self.digest)),
            ]
        before = (Op("unstamp", (self.name,)),) if stale and state["Stamp"] else ()
        return Change(self.key, tuple(why), tuple(ops), before, restarts=running and stale)

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        """Only what we started is stopped: its stamp says so, or that the first file it uses is ours."""
        unit, *used = (answers[probe] for probe in self.probes())
        if not properties(unit)["Stamp"] and "yes" not in used:
            return ()
        return Op("stop", (self.name,)), Op("unstamp", (self.name,))


def properties(answer: str) -> dict[str, str]:
    """systemctl's NAME=VALUE lines; a host without the unit answers with systemd's own defaults."""
    defaults = {
        "LoadState": "not-found",
        "ActiveState": "inactive",
        "UnitFileState": "",
        "NeedDaemonReload": "no",
        "Stamp": "",
        "SubState": "",
        "Job": "",
    }
    return defaults | dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)
