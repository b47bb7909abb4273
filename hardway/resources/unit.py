"""A systemd unit that is enabled, running, and running with the files as they are now."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from ..vocabulary import Answers, Op, Probe
from .base import Change, Situation
from .file import Binary, File, file_digest, ours
from .unit_state import UnitState, properties

WORDS = {"restart": "restart", "load": "reload"}
RUNS_OTHER = "its process has other flags than its unit"


@dataclass(frozen=True)
class Unit:
    """`uses` are the files whose change asks for a restart; their digests are stamped at each (re)start.

    The stamp is removed before such a file changes and written after the restart, so a run that
    dies in between leaves a unit that the next run restarts. `block` waits for the unit's own
    readiness; etcd must not (a lone first member waits for quorum). `reloads` are paths of those files that it can load
    while it goes on serving: when no other changed, it is reloaded instead of restarted. `pauses` are units that are
    stopped in their own order for as long as a restart of this one lasts. `watches` are paths that are taken away for
    it to start over.
    """

    name: str
    uses: tuple[File | Binary, ...] = ()
    block: bool = False
    rereads: tuple[File, ...] = ()
    reloads: frozenset[str] = frozenset()
    pauses: tuple[str, ...] = ()
    watches: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        return f"unit {self.name}"

    @property
    def digest(self) -> str:
        return _digest({used.path: used.blob.sha256 for used in self.uses})

    def _former(self, answers: Answers) -> str:
        """The stamp that earlier versions of hardway wrote, for which a program read all its files only once.

        Without it an upgrade of hardway would restart every etcd and API server. It is right as long as the files that
        are read again are as they were then.
        """
        now = {used.path: file_digest(answers[used.probes()[0]]) for used in self.rereads}
        return _digest(now | {used.path: used.blob.sha256 for used in self.uses})

    def probes(self) -> tuple[Probe, ...]:
        return (*self._own_probes(), *(used.probes()[0] for used in self.rereads))

    def _own_probes(self) -> tuple[Probe, ...]:
        return (Probe("unit", (self.name,)), *(ours(used.path) for used in self.uses[:1]))

    def compare(self, now: Situation) -> Change | None:
        unit = UnitState.parse(now.answers[self.probes()[0]])
        state = unit.said
        uses = self.watches.union(used.path for used in self.uses)
        changed = sorted(uses & now.changed)
        ops, why = [], []
        if state["UnitFileState"] != "enabled":
            ops.append(Op("enable", (self.name,)))
            why.append("masked" if state["UnitFileState"] == "masked" else "not enabled")
        if changed or ops or state["NeedDaemonReload"] == "yes":
            ops.append(Op("reload"))
        running = unit.active in ("active", "activating", "reloading") or unit.has_job
        # While it ends, or a start of it is still to come, it is not yet the process that counts.
        other = state["Flags"] == "other" and unit.active == "active" and not unit.has_job
        former = bool(self.rereads) and state["Stamp"] == self._former(now.answers)
        # Of a program that is not on this computer nobody can tell whether the unit runs it.
        known = former or state["Stamp"] == self.digest or any(used.blob.unknown for used in self.uses)
        stale = bool(changed) or other or not known
        restamp = () if stale else self.restamp(now)
        # Where it is not known which of its files are older, any of them may be.
        loads = self.reloads.issuperset(changed or [used.path for used in self.uses]) and not other
        verb = "load" if loads else "restart"
        # What comes after it in its step needs it: a start that is in systemd's queue is waited for.
        start = not running or (self.block and unit.queued and not stale)
        if start:
            why.append(f"{unit.told}, to be started")
        elif stale:
            what = f"{', '.join(changed)} changed" if changed else RUNS_OTHER if other else "runs with older files"
            why.append(f"{WORDS[verb]}: {what}")
        elif restamp:
            why.append("reads its changed certificates by itself")
        elif not why and not ops:
            return None
        elif not why:
            why.append("systemd must reload its definition")
        if start or stale:
            act = "start" if start else verb
            paused = self.pauses if act == "restart" else ()
            ops += [
                *(Op("pause", (one,)) for one in paused),
                Op(act, (self.name, "wait" if self.block else "queue")),
                *(Op("start", (one, "queue")) for one in paused),
                Op("stamp", (self.name, self.digest)),
            ]
        before: tuple[Op, ...] = (Op("unstamp", (self.name,)),) if stale and state["Stamp"] else ()
        before = restamp or before
        restarts, process = running and stale and verb == "restart", state["InvocationID"]
        return Change(self.key, tuple(why), tuple(ops), before, restarts=restarts, uses=uses, process=process)

    def restamp(self, now: Situation) -> tuple[Op, ...]:
        """Today's stamp in place of an earlier version's, when a file changes that the unit reads again by itself."""
        changes = any(used.path in now.changed for used in self.rereads)
        former = changes and properties(now.answers[self.probes()[0]])["Stamp"] == self._former(now.answers)
        return (Op("stamp", (self.name, self.digest)),) if former else ()

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        """Only what we started is stopped: its stamp says so, or that the first file it uses is ours."""
        unit, *used = (answers[probe] for probe in self._own_probes())
        if not properties(unit)["Stamp"] and "yes" not in used:
            return ()
        return Op("stop", (self.name,)), Op("unstamp", (self.name,))


@dataclass(frozen=True)
class Restamp:
    """Follows files that a unit reads again by itself, where they change in a phase before the unit's own: from the
    stamp of an earlier version of hardway nobody could tell afterwards that the unit needs no restart."""

    unit: Unit

    @property
    def key(self) -> str:
        return f"stamp of {self.unit.name}"

    def probes(self) -> tuple[Probe, ...]:
        return self.unit.probes()

    def compare(self, now: Situation) -> Change | None:
        stamp = self.unit.restamp(now)
        return Change(self.key, ("reads its changed certificates by itself",), (), stamp) if stamp else None

    def removal(self, answers: Answers) -> tuple[Op, ...]:
        return ()


def _digest(files: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(f"{path} {files[path]}\n" for path in sorted(files)).encode()).hexdigest()
