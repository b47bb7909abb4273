"""Switching one machine on and off, and knowing when it answers."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

from ..errors import LabError, NotReadyError
from . import cgroups, disk, network, state
from .shell import PATH, run
from .spec import MachineSpec

SHUTDOWN = 45.0
BOOT = 60.0
INTERVAL = 0.1
SYSTEMD = Path("/run/systemd/system")
"""There when PID 1 of this host is systemd."""


def switch_on(machine: MachineSpec) -> None:
    """Start the machine's supervisor, detached from this process; nothing happens when the machine is on."""
    if state.is_on(machine):
        return
    _end_orphans(machine)
    machine.state.unlink(missing_ok=True)
    package_parent = Path(__file__).resolve().parents[2]
    environment = [f"PATH={PATH}", f"PYTHONPATH={package_parent}", "PYTHONDONTWRITEBYTECODE=1"]
    # Without site-packages: the supervisor needs the standard library and this package only. Each machine has one.
    python = ["env", "-i", *environment, sys.executable, "-S", "-m", "hardway.lab.supervisor", str(machine.home)]
    if SYSTEMD.is_dir():
        _start_unit(machine, python)
    else:
        run("sh", "-c", 'exec setsid --fork "$@" </dev/null >"$0" 2>&1', machine.console, *python)


def _start_unit(machine: MachineSpec, python: list[str]) -> None:
    """Under systemd the supervisor is a transient unit whose groups are delegated to it, outside the user's session."""
    log = f"file:{machine.console}"
    machine.console.write_text("", encoding="utf-8")
    properties = (
        "Delegate=yes",
        "KillMode=mixed",
        "TasksMax=infinity",
        "LimitNOFILE=infinity",
        f"StandardOutput={log}",
        f"StandardError={log}",
    )
    options = [f"--unit={machine.namespace}.service", "--collect", "--quiet", "--service-type=exec"]
    options += [f"--property={value}" for value in properties]
    run("systemd-run", *options, *python)


def shut_down(machine: MachineSpec) -> None:
    """Stop the machine in order; its power is cut when that takes longer than SHUTDOWN seconds."""
    if not _signal(machine, signal.SIGTERM, SHUTDOWN):
        cut_power(machine)


def cut_power(machine: MachineSpec) -> None:
    """Stop the machine at once, as when its plug is pulled; returns when nothing of it is left but its disk."""
    _signal(machine, signal.SIGUSR1, 15.0)
    clear(machine)


def clear(machine: MachineSpec) -> None:
    """Remove what a supervisor that was killed has left behind: processes, groups, interfaces, mounts."""
    _end_orphans(machine)
    network.machine_down(machine)
    disk.unmount(machine)


def _end_orphans(machine: MachineSpec) -> None:
    found = state.read(machine)
    if found and found.alive:
        os.kill(found.pid, signal.SIGKILL)
    if found and found.groups:
        cgroups.kill([folder for folder in found.folders if folder.exists()])
        cgroups.remove(found.folders)


def _signal(machine: MachineSpec, number: int, deadline: float) -> bool:
    """Tell the supervisor and wait for its end; True when it has ended (or there is none)."""
    found = state.read(machine)
    if not found or not found.alive:
        return True
    os.kill(found.pid, number)
    end = time.monotonic() + deadline
    while state.is_on(machine):
        if time.monotonic() > end:
            return False
        time.sleep(INTERVAL)
    return True


def await_answer(machine: MachineSpec, deadline: float = BOOT) -> None:
    """Return when the machine's sshd greets; NotReadyError at the deadline, LabError as soon as its supervisor is
    dead."""
    begin = time.monotonic()
    while not greets(machine.address, machine.port):
        waited = time.monotonic() - begin
        found = state.read(machine)
        if (found and not found.alive) or (not found and waited > 10):
            raise LabError(
                f"{machine.name} did not start: {(found and found.ended) or 'its supervisor has exited'}",
                host=machine.name,
                evidence=console_tail(machine),
                hint=f"less {machine.console}",
            )
        if waited > deadline:
            raise NotReadyError(
                f"{machine.name} does not answer",
                host=machine.name,
                waited_for=f"an SSH greeting on {machine.address}:{machine.port}",
                waited_seconds=waited,
                evidence=console_tail(machine),
                hint=f"less {machine.console}",
            )
        time.sleep(INTERVAL)


def greets(address: str, port: int, timeout: float = 0.5) -> bool:
    """Whether an SSH server says who it is within `timeout` seconds."""
    try:
        with socket.create_connection((address, port), timeout=timeout) as connection:
            return connection.recv(8).startswith(b"SSH-2.0")
    except OSError:
        return False


def console_tail(machine: MachineSpec) -> str:
    """The last 20 lines of the machine's console."""
    try:
        return "\n".join(machine.console.read_text(errors="replace", encoding="utf-8").splitlines()[-20:])
    except FileNotFoundError:
        return ""
