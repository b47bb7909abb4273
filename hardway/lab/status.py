"""What a machine is doing and what it takes."""

from __future__ import annotations

from dataclasses import dataclass

from . import cgroups, disk, state
from .spec import MachineSpec


@dataclass(frozen=True)
class MachineStatus:
    """`state` is absent (no disk yet), off, running or cut; sizes in bytes, memory without caches."""

    name: str
    address: str
    state: str
    memory_bytes: int
    disk_bytes: int


def status_of(spec: MachineSpec) -> MachineStatus:
    """The status of a machine that has a disk."""
    found = state.read(spec)
    on = found is not None and found.alive
    word = ("cut" if spec.cut.exists() else "running") if on else "off"
    memory = cgroups.memory_used(found.folders) if on else 0
    return MachineStatus(spec.name, spec.address, word, memory, disk.used(spec))
