"""Which labs are up on this host: one claim each under /run, so that two labs never share a name or a network
unnoticed."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

from ..errors import LabError
from .network import INTERFACES
from .paths import RUN
from .spec import LabSpec


@contextmanager
def working_on(name: str, report: Callable[[str], None], deadline: float = 300.0) -> Iterator[None]:
    """Hold the one lock of a lab; another run's work is waited for up to `deadline` seconds, then LabError."""
    RUN.mkdir(mode=0o755, exist_ok=True)
    with (RUN / f"{name}.lock").open("a+", encoding="utf-8") as lock:
        if not _try_lock(lock):
            report(f"another hardway is working on lab {name}; waiting for it")
            _await_lock(lock, name, deadline)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _await_lock(lock, name: str, deadline: float) -> None:
    end = time.monotonic() + deadline
    while not _try_lock(lock):
        if time.monotonic() > end:
            lock.seek(0)
            owner = lock.read().strip()
            raise LabError(
                f"another hardway (process {owner}) is still working on lab {name}",
                waited_seconds=deadline,
                hint=f"ps -fp {owner}",
            )
        time.sleep(0.1)


def _try_lock(lock) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def claim(lab: LabSpec) -> None:
    """Enter a lab among those that are up; LabError naming the other lab when its name or network is taken."""
    RUN.mkdir(mode=0o755, exist_ok=True)
    with (RUN / "claims.lock").open("a+", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for other in _claims():
            _refuse_conflict(lab, other)
        mine = {
            "name": lab.name,
            "network": str(lab.network),
            "directory": str(lab.directory),
            "uplink": lab.uplink,
            "source": lab.source,
            "pid": os.getpid(),
        }
        temporary = RUN / f"{lab.name}.new"
        temporary.write_text(json.dumps(mine), encoding="utf-8")
        temporary.replace(RUN / f"{lab.name}.json")


def release(lab: LabSpec) -> None:
    """Take a lab's claim back."""
    (RUN / f"{lab.name}.json").unlink(missing_ok=True)


def held_elsewhere(lab: LabSpec) -> bool:
    """Whether the lab that is up under this name is another one, with other disks: not ours to take down."""
    return any(
        other["name"] == lab.name and other["directory"] != str(lab.directory) and _alive(other) for other in _claims()
    )


def as_claimed(lab: LabSpec) -> LabSpec | None:
    """A lab as it is up: with the network that it claimed, whatever its inventory says by now. None when it is not up
    and another lab has that network, with all that is named after it."""
    claims = _claims()
    up = next((replace(lab, network=IPv4Network(one["network"])) for one in claims if one["name"] == lab.name), lab)
    others = (one for one in claims if one["name"] != lab.name and _alive(one))
    return None if any(IPv4Network(one["network"]).overlaps(up.network) for one in others) else up


def _claims() -> list[dict]:
    found = []
    for path in sorted(RUN.glob("*.json")):
        with contextlib.suppress(FileNotFoundError):  # another lab has just gone down
            found.append(json.loads(path.read_text(encoding="utf-8")))
    return found


def _alive(other: dict) -> bool:
    """A claim counts while its interface exists, or while the run that made it is still about to make one."""
    return (INTERFACES / other["uplink"]).exists() or Path(f"/proc/{other['pid']}").exists()


def _refuse_conflict(lab: LabSpec, other: dict) -> None:
    if not _alive(other):
        (RUN / f"{other['name']}.json").unlink(missing_ok=True)
        return
    down = f"hardway lab down {other['source'] or '<inventory of ' + other['name'] + '>'}"
    if other["name"] == lab.name and other["directory"] != str(lab.directory):
        raise LabError(
            f"another lab named {lab.name} is up, with its disks in {other['directory']}",
            hint=f"{down}, or give this cluster another name",
        )
    if other["name"] == lab.name and other["network"] != str(lab.network):
        raise LabError(
            f"lab {lab.name} is up with network {other['network']}, the inventory now says {lab.network}",
            hint=f"{down}, then up again",
        )
    if other["name"] != lab.name and IPv4Network(other["network"]).overlaps(lab.network):
        raise LabError(
            f"lab {lab.name} and lab {other['name']}, which is up, both use the network {other['network']}",
            hint=f"{down}, or give this lab other addresses",
        )
