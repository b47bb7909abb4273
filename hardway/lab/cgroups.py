"""Which control groups this host has, and how a machine gets its own in each of them.

On an ordinary host systemd is PID 1 and there is one unified hierarchy (v2). Other hosts have the v1
controllers beside it (hybrid), or nothing else (legacy). `detect` tells them apart; the rest follows from its value.
"""

from __future__ import annotations

import enum
import os
import re
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import LabError

TOP = Path("/sys/fs/cgroup")


class Kind(enum.StrEnum):
    UNIFIED = "unified"
    HYBRID = "hybrid"
    LEGACY = "legacy"


@dataclass(frozen=True)
class Hierarchy:
    """One mounted hierarchy; `controllers` is empty for v2, `own` is the folder of our own group in it."""

    controllers: frozenset[str]
    mount: Path
    own: Path

    @property
    def unified(self) -> bool:
        return not self.controllers


@dataclass(frozen=True)
class Cgroups:
    """What `detect` found; `systemd` says that PID 1 is systemd and owns the groups outside our own."""

    kind: Kind
    hierarchies: tuple[Hierarchy, ...]
    systemd: bool


def detect(proc: Path = Path("/proc"), run: Path = Path("/run")) -> Cgroups:
    """The host's layout as seen by this process; LabError when no hierarchy is mounted."""
    mounts = _mounts((proc / "self/mountinfo").read_text(encoding="utf-8"))
    found = [
        h for line in (proc / "self/cgroup").read_text(encoding="utf-8").splitlines() if (h := _hierarchy(line, mounts))
    ]
    systemd = (run / "systemd/system").is_dir()
    unified = [h for h in found if h.unified]
    if unified and unified[0].mount == TOP:
        return Cgroups(Kind.UNIFIED, tuple(unified), systemd)
    if not found:
        raise LabError("no cgroups are mounted on this host", hint="mount -t cgroup2 none /sys/fs/cgroup")
    return Cgroups(Kind.HYBRID if unified else Kind.LEGACY, tuple(found), systemd)


def _mounts(text: str) -> list[tuple[frozenset[str], Path, str]]:
    """(controllers, mount point, root within the hierarchy) of every cgroup mount; no controllers means v2."""
    out = []
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        root, point = left.split()[3:5]
        if kind == "cgroup2":
            out.append((frozenset[str](), Path(point), root))
        elif kind == "cgroup":
            out.append((frozenset(options.split(",")), Path(point), root))
    return out


def _hierarchy(line: str, mounts: list[tuple[frozenset[str], Path, str]]) -> Hierarchy | None:
    """The hierarchy one line of /proc/self/cgroup names, or None when it is mounted nowhere."""
    _, names, group = line.split(":", 2)
    controllers = frozenset(filter(None, names.split(",")))
    for options, point, root in mounts:
        if controllers <= options and bool(controllers) == bool(options):
            return Hierarchy(controllers, point, point / group.removeprefix(root.rstrip("/")).strip("/"))
    return None


def machine_groups(layout: Cgroups, lab: str, machine: str) -> list[tuple[Hierarchy, Path, Path]]:
    """(hierarchy, parent, folder of the machine's group) for each hierarchy; nothing is made yet."""
    parts = Path("hardway-lab") / lab / machine
    return [(h, parent, parent / parts) for h in layout.hierarchies for parent in [_parent(layout, h)]]


def _parent(layout: Cgroups, hierarchy: Hierarchy) -> Path:
    # v2 allows no processes beside subgroups except at the top. Under systemd our unit was delegated to us;
    # elsewhere nobody manages the top and our own group is full of our siblings.
    if layout.kind is Kind.UNIFIED and not layout.systemd:
        return hierarchy.mount
    return hierarchy.own


def leave_own_group(layout: Cgroups) -> None:
    """Under systemd on v2: step aside within our delegated unit, so that it may hold subgroups with controllers."""
    if layout.kind is Kind.UNIFIED and layout.systemd:
        keeper = layout.hierarchies[0].own / "keeper"
        keeper.mkdir(exist_ok=True)
        (keeper / "cgroup.procs").write_text(str(os.getpid()), encoding="utf-8")


def make(groups: list[tuple[Hierarchy, Path, Path]], memory: int) -> list[Path]:
    """Create a machine's groups and set its memory limit (bytes, 0 for none); the folders to enter."""
    for hierarchy, parent, folder in groups:
        _make_path(hierarchy, parent, folder)
        if memory and hierarchy.unified and (folder / "memory.max").exists():
            (folder / "memory.max").write_text(str(memory), encoding="utf-8")
        elif memory and "memory" in hierarchy.controllers:
            (folder / "memory.limit_in_bytes").write_text(str(memory), encoding="utf-8")
    return [folder for _, _, folder in groups]


def _make_path(hierarchy: Hierarchy, parent: Path, folder: Path) -> None:
    above = parent
    for part in folder.relative_to(parent).parts:
        if hierarchy.unified:
            _hand_down(above)
        below = above / part
        below.mkdir(exist_ok=True)
        if "cpuset" in hierarchy.controllers:
            for name in ("cpuset.cpus", "cpuset.mems"):
                (below / name).write_text((above / name).read_text(encoding="utf-8"), encoding="utf-8")
            (below / "cgroup.clone_children").write_text("1", encoding="utf-8")
        above = below


def _hand_down(folder: Path) -> None:
    """Give the children of a v2 group every controller it has."""
    controllers = (folder / "cgroup.controllers").read_text(encoding="utf-8").split()
    if controllers:
        (folder / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers), encoding="utf-8")


def enter(folders: list[Path]) -> None:
    """Move the calling process into each group."""
    for folder in folders:
        (folder / "cgroup.procs").write_text(str(os.getpid()), encoding="utf-8")


def kill(folders: list[Path]) -> None:
    """Kill every process in the groups and below, all at once where the kernel can."""
    for folder in folders:
        switch = folder / "cgroup.kill"
        if switch.exists():
            switch.write_text("1", encoding="utf-8")
            return
    for folder in folders[:1]:
        for pid in _members(folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _members(folder: Path) -> list[int]:
    return [int(pid) for procs in folder.rglob("cgroup.procs") for pid in procs.read_text(encoding="utf-8").split()]


def remove(folders: list[Path], deadline: float = 10.0) -> None:
    """Remove the groups once their processes are gone, and the lab's folders above when they were the last; LabError if
    they stay."""
    end = time.monotonic() + deadline
    while any(not _remove_tree(folder) for folder in folders):
        if time.monotonic() > end:
            left = [pid for folder in folders[:1] for pid in _members(folder)]
            raise LabError(
                f"processes of a stopped machine do not exit: {left}",
                hint=f"ps -o pid,stat,wchan:30,args {' '.join(map(str, left))}",
            )
        kill(folders)
        time.sleep(0.1)
    for folder in folders:
        for above in (folder.parent, folder.parent.parent):
            with suppress(OSError):
                above.rmdir()


def _remove_tree(folder: Path) -> bool:
    """True when the group and everything below is gone."""
    for directory, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            os.rmdir(directory)
    return not folder.exists()


def memory_used(folders: list[Path]) -> int:
    """Bytes of anonymous memory of the machine's processes; 0 when it is off."""
    for folder in folders:
        with suppress(OSError):
            text = (folder / "memory.stat").read_text(encoding="utf-8")
            if match := re.search(r"^(?:total_rss|anon) (\d+)", text, re.MULTILINE):
                return int(match.group(1))
    return 0
