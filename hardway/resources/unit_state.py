"""What systemd says of a unit at one moment, and of the machine as a whole.

One that does not run may be stopped for good, ending again and again, or waiting in systemd's queue until something
else on its host has come about: at a boot that hangs nobody has stopped it, and nothing of ours can repair it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

RUNS = ("activating", "active", "reloading")
QUEUE = "systemctl list-jobs"
# As systemd says it of a host with no such unit.
DEFAULTS = {
    "LoadState": "not-found",
    "ActiveState": "inactive",
    "UnitFileState": "",
    "NeedDaemonReload": "no",
    "Stamp": "",
    "SubState": "",
    "Job": "",
    "InvocationID": "",
    "Flags": "",
    "Waits": "",
}


def properties(answer: str) -> dict[str, str]:
    """systemctl's NAME=VALUE lines; a host without the unit answers with systemd's own defaults."""
    return DEFAULTS | dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)


@dataclass(frozen=True)
class Job:
    """A job of systemd's that others wait for: "start" or another `kind` of change to a unit, "running" or itself
    "waiting", for so many seconds, where that is known."""

    unit: str
    kind: str
    state: str
    seconds: int | None = None

    @classmethod
    def parse(cls, words: str) -> Job | None:
        """From "UNIT KIND STATE SECONDS"; the last may be missing."""
        unit, kind, state, seconds, *_ = [*words.split(), "", "", "", ""]
        return cls(unit, kind, state, int(seconds) if seconds.isdecimal() else None) if state else None

    def __str__(self):
        return f"{self.unit} ({self.what})"

    @property
    def what(self) -> str:
        return f"{self.kind} {self.state}{'' if self.seconds is None else f' for {self.seconds} s'}"

    @property
    def look(self) -> str:
        """The commands that show it."""
        return f"{QUEUE}; systemctl status {self.unit}"


@dataclass(frozen=True)
class UnitState:
    """`said` are systemd's properties of it, by their names."""

    said: Mapping[str, str]

    @classmethod
    def parse(cls, answer: str) -> UnitState:
        return cls(properties(answer))

    @property
    def active(self) -> str:
        return self.said.get("ActiveState", "inactive")

    @property
    def has_job(self) -> bool:
        return self.said.get("Job", "") not in ("", "0")

    @property
    def at_rest(self) -> bool:
        """Whether it neither runs nor is about to."""
        return self.active in ("inactive", "failed") and not self.has_job

    @property
    def queued(self) -> bool:
        """Whether systemd is to start it, and has not begun to."""
        return self.active in ("inactive", "failed") and self.has_job

    @property
    def behind(self) -> Job | None:
        """What has to come about first; None when it does not wait, or nobody can tell for what."""
        return Job.parse(self.said.get("Waits", "")) if self.queued else None

    @property
    def exited(self) -> bool:
        """Whether its program ended by itself, and systemd starts it again in a moment."""
        return self.said.get("SubState", "").startswith("auto-restart") and not self.queued

    @property
    def age(self) -> float | None:
        """For how many seconds its process has run; None where that is not known, or none runs."""
        began, now = self.said.get("ExecMainStartTimestampMonotonic", ""), self.said.get("Uptime", "")
        if self.active not in RUNS or not began.isdecimal() or not re.fullmatch(r"\d+(\.\d+)?", now):
            return None
        return float(now) - int(began) / 1e6

    def has_just_started(self, within: float) -> bool:
        """Whether somebody started it so many seconds ago, at most; not systemd, because it ended by itself."""
        return self.age is not None and self.age < within and self.said.get("NRestarts", "0") == "0"

    @property
    def word(self) -> str:
        """ "waiting", "auto-restart", or systemd's own for what it does."""
        return "waiting" if self.queued else "auto-restart" if self.exited else self.active

    @property
    def told(self) -> str:
        """What it does, as the end of a sentence that its name begins."""
        if self.queued:
            return f"waits in systemd's queue{f' for {self.behind}' if self.behind else ''}"
        return "exited, and systemd starts it again" if self.exited else f"is {self.active}"

    @property
    def look(self) -> str:
        """The commands that show what it waits for."""
        return self.behind.look if self.behind else QUEUE


@dataclass(frozen=True)
class Boot:
    """A machine that is not up yet, or going down: systemd's word for it, the number of jobs in its queue, and what our
    units would wait for there."""

    word: str
    jobs: int = 0
    behind: Job | None = None

    @classmethod
    def parse(cls, words: str) -> Boot | None:
        """From "WORD JOBS UNIT KIND STATE SECONDS"; None for a machine that is up."""
        word, jobs, *rest = [*words.split(), "", ""]
        return cls(word, int(jobs) if jobs.isdecimal() else 0, Job.parse(" ".join(rest))) if word else None
