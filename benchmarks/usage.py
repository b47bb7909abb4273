"""What a lab's machines use, seen from outside, and whether this computer has anything else to do."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from hardway.lab import LabMachines, disk, state


def processor_seconds(machines: LabMachines) -> float:
    """Processor time of all that ran on the machines since they were switched on, what has ended included."""
    return sum(_seconds(folders) for folders in _groups(machines).values())


def memory_mb(machines: LabMachines) -> Mapping[str, float]:
    """Memory of the processes on each machine: the sum of their proportional set sizes (PSS), in 10^6 bytes.

    A page that several processes share counts once, the programs' own pages in memory count, other cached files do not.
    """
    return {name: sum(map(_pss, _processes(folders[0]))) / 1e6 for name, folders in _groups(machines).items()}


def busy(seconds: float = 1.0) -> float:
    """How many of this computer's processors are at work, on an average of the next seconds."""
    before = _worked()
    time.sleep(seconds)
    return (_worked() - before) / os.sysconf("SC_CLK_TCK") / seconds


def _worked() -> int:
    """Ticks of all processors together: user, nice, system, irq and softirq."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return sum(ticks[:3]) + sum(ticks[5:7])


def _groups(machines: LabMachines) -> dict[str, list[Path]]:
    """The control groups of each machine that is on, one in every hierarchy."""
    found = {spec.name: state.read(spec) for spec in disk.made(machines.lab)}
    return {name: on.folders for name, on in found.items() if on and on.alive}


def _seconds(folders: list[Path]) -> float:
    """cgroup v1 counts nanoseconds in the hierarchy of cpuacct, v2 microseconds in its only one."""
    for folder in folders:
        with suppress(FileNotFoundError):
            return int((folder / "cpuacct.usage").read_text()) / 1e9
    for folder in folders:
        with suppress(FileNotFoundError):
            return int(re.search(r"^usage_usec (\d+)", (folder / "cpu.stat").read_text(), re.M)[1]) / 1e6
    return 0.0


def _processes(folder: Path) -> set[int]:
    return {int(pid) for procs in folder.rglob("cgroup.procs") for pid in procs.read_text().split()}


def _pss(pid: int) -> int:
    """Bytes; 0 for a process that has just ended, or that has no memory of its own."""
    with suppress(OSError):
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
        return int(found[1]) * 1024 if found else 0
    return 0
