"""systemd on a Disk: definitions are loaded before they count, and a unit goes on with the files it was started
with."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from .disk import Disk, Refused

FOLDERS = ("/etc/systemd/system", "/lib/systemd/system")
PATH = re.compile(r"/[\w.@-]+(?:/[\w.@-]+)+")
# Read by etcd only while its data folder is empty, and rewritten on purpose without a restart once there is a quorum.
ONCE = ("/etc/etcd/etcd.env",)
# Read again by the programs themselves: etcd's certificates at each handshake, the API server's and the kubelet's when
# they change.
AGAIN = re.compile(
    r"/etc/etcd/pki/(server|peer)\.(crt|key)|/etc/kubernetes/pki/(apiserver.*|front-proxy-client)\.(crt|key)"
    r"|/var/lib/kubelet/pki/kubelet\.(crt|key)"
)
# Read again by one program, while another reads it once.
AGAIN_BY = {("kube-apiserver.service", "/etc/kubernetes/pki/front-proxy-ca.crt")}

UPTIME = 86400


@dataclass
class Service:
    """One unit. `started` maps every file it was started with to its sha256, `loaded` to its content; `age` is for how
    many seconds it has run.

    Its start is in the queue while it is `behind` another job, told as read.sh does.
    """

    definition: bytes | None = None
    active: str = "inactive"
    enabled: bool = False
    starts: int = 0
    age: int = 3600
    behind: str = ""
    started: dict[str, str] = field(default_factory=dict)
    loaded: dict[str, bytes] = field(default_factory=dict)

    def __deepcopy__(self, memo: dict[int, Any]) -> Service:
        return replace(self, started=dict(self.started), loaded=dict(self.loaded))


class Systemd:
    """The units of one host; `on_change(name, active)` lets the host follow a start or stop."""

    def __init__(self, disk: Disk, on_change):
        self.disk, self.on_change = disk, on_change
        self.units: dict[str, Service] = defaultdict(Service)
        self.broken: set[str] = set()

    def unit(self, name: str) -> Service:
        return self.units[name]

    def file(self, name: str) -> str:
        return next((f"{folder}/{name}" for folder in FOLDERS if f"{folder}/{name}" in self.disk.files), "")

    def show(self, name: str) -> str:
        unit, path = self.units.get(name, Service()), self.file(name)
        stale = unit.definition is not None and unit.definition != self.disk.read(path)
        load = "loaded" if path or unit.definition is not None else "not-found"
        enabled = ("enabled" if unit.enabled else "disabled") if path else ""
        reload = "yes" if stale else "no"
        said = {
            "LoadState": load,
            "ActiveState": unit.active,
            "UnitFileState": enabled,
            "NeedDaemonReload": reload,
            "InvocationID": str(unit.starts or ""),
            "ExecMainStartTimestampMonotonic": str((UPTIME - unit.age) * 1_000_000),
            "Uptime": f"{UPTIME}.25",
        }
        queued = {"Job": "7", "Waits": unit.behind} if unit.behind else {}
        return "\n".join(f"{name}={value}" for name, value in (said | queued).items())

    def boots(self, behind: str) -> None:
        """The machine has just come up: what is enabled comes after this job."""
        for unit in [unit for unit in self.units.values() if unit.enabled]:
            unit.active, unit.behind = "inactive", behind

    def booted(self) -> None:
        """That job has ended."""
        for name in [name for name, unit in self.units.items() if unit.behind]:
            self.unit(name).behind = ""
            self.restart(name)

    def reload(self) -> None:
        for name, unit in self.units.items():
            path = self.file(name)
            unit.definition = self.disk.read(path) if path else None

    def load(self, name: str) -> Service:
        unit, path = self.unit(name), self.file(name)
        if unit.definition is None:
            if not path:
                raise Refused(f"Unit {name} not found.")
            unit.definition = self.disk.read(path)
        return unit

    def enable(self, name: str) -> None:
        self.load(name).enabled = True

    def start(self, name: str) -> None:
        if self.unit(name).active != "active":
            self.restart(name)

    def restart(self, name: str) -> None:
        unit = self.load(name)
        if unit.behind:
            raise Refused(f"7 {name} start waiting")  # what is said in the end to whoever waits for it
        for program in re.findall(r"^ExecStart=([^\s]+)", unit.definition.decode(), re.MULTILINE):
            if program.startswith("/usr/local/") and program not in self.disk.files:
                raise Refused(f"{name}: {program}: No such file or directory")
        unit.starts += 1
        unit.active = "failed" if name in self.broken else "active"
        self.read(name)
        self.on_change(name, unit.active == "active")

    def read(self, name: str) -> None:
        """A unit takes the files that are there now."""
        unit = self.load(name)
        unit.started = self.closure(unit.definition, self.file(name))
        unit.loaded = {path: self.disk.read(path) for path in unit.started}

    def reread(self, name: str) -> None:
        """Reload or restart, as systemctl does it."""
        if self.unit(name).active == "active":
            self.read(name)
        else:
            self.restart(name)

    def stop(self, name: str) -> None:
        unit = self.unit(name)
        unit.enabled, unit.behind, was = False, "", unit.active
        unit.active = "inactive"
        if was != "inactive":
            self.on_change(name, False)

    def closure(self, definition: bytes, path: str) -> dict[str, str]:
        """Every file on the disk that a definition names, and that those name in turn, with its sha256."""
        found, todo = {path: self.disk.files[path].sha256}, [definition]
        while todo:
            for name in named_in(todo.pop()):
                if name in self.disk.files and name not in found and not read_again(path, name):
                    found[name] = self.disk.files[name].sha256
                    todo.append(self.disk.files[name].content)
        return found

    def outdated(self) -> list[str]:
        """Units that run with other files than those that are there now: must be empty after every run."""
        active = {name: unit for name, unit in self.units.items() if unit.active == "active"}
        now = {
            name: self.closure(self.disk.read(self.file(name)), self.file(name)) for name in active if self.file(name)
        }
        out = []
        for name, unit in active.items():
            there = now.get(name, {})
            out += [
                f"{name}: {path}"
                for path in sorted(unit.started.keys() | there.keys())
                if unit.started.get(path) != there.get(path)
            ]
        return out


@functools.lru_cache(maxsize=4096)
def named_in(content: bytes) -> tuple[str, ...]:
    """The paths that a file names; the same few files are started with again and again."""
    return tuple(str(PurePosixPath(name)) for name in PATH.findall(content.decode("utf-8", "replace")))


def read_again(path: str, name: str) -> bool:
    """Whether the unit whose definition is at `path` follows a change of this file by itself, or need not."""
    return name in ONCE or bool(AGAIN.fullmatch(name)) or (PurePosixPath(path).name, name) in AGAIN_BY
