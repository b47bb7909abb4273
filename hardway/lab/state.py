"""What a machine's supervisor tells the rest of the world: one small file, replaced as a whole."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from .spec import MachineSpec


@dataclass(frozen=True)
class State:
    """`pid` and `started` name the supervisor's process beyond doubt; `ended` says why it ended, empty while it
    runs."""

    pid: int
    started: str
    groups: tuple[str, ...] = ()
    ended: str = ""

    @property
    def alive(self) -> bool:
        return not self.ended and started(self.pid) == self.started

    @property
    def folders(self) -> list[Path]:
        return [Path(group) for group in self.groups]


def read(machine: MachineSpec) -> State | None:
    """The state file's content, or None when the machine was never on (or is about to come on)."""
    try:
        fields = json.loads(machine.state.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return State(fields["pid"], fields["started"], tuple(fields["groups"]), fields["ended"])


def is_on(machine: MachineSpec) -> bool:
    found = read(machine)
    return found is not None and found.alive


def write_running(machine: MachineSpec, groups: list[Path]) -> None:
    _write(machine, groups, "")


def write_end(machine: MachineSpec, reason: str) -> None:
    _write(machine, [], reason)


def started(pid: int) -> str:
    """When a process was started (clock ticks since boot): tells it from a later one with the same number.

    Empty when there is none.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _write(machine: MachineSpec, groups: list[Path], ended: str) -> None:
    fields = {
        "pid": os.getpid(),
        "started": started(os.getpid()),
        "groups": [str(group) for group in groups],
        "ended": ended,
    }
    temporary = machine.state.with_suffix(".new")
    temporary.write_text(json.dumps(fields), encoding="utf-8")
    temporary.replace(machine.state)
