"""A machine's disk: an overlay on the base image, plus one plain folder for containerd, whose snapshots cannot lie on
an overlay."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from pathlib import Path

from ..errors import LabError
from . import shell
from .shell import is_mounted, run
from .spec import LabSpec, MachineSpec

PARTS = ("upper", "work", "root", "containerd")


def made(lab: LabSpec) -> list[MachineSpec]:
    """The machines that have a disk, by name; also those the inventory no longer has."""
    return [MachineSpec.load(path.parent) for path in sorted(lab.machines.glob("*/machine.json"))]


def make(machine: MachineSpec, lab: LabSpec, public_key: str) -> None:
    """Create the machine's disk where there is none, and (re)write who it is and who may enter; its other files are
    kept."""
    for part in PARTS:
        if not (machine.home / part).exists():
            (machine.home / part).mkdir(parents=True)
            # The upper part's mode is that of the machine's "/", whatever the operator's umask; from now on it is the
            # machine's own matter.
            os.chmod(machine.home / part, 0o755)
    machine.save()
    mount(machine)
    _write(machine.root / "etc/hostname", f"{machine.name}\n")
    if not (machine.root / "etc/machine-id").read_text(encoding="utf-8").strip():
        _write(machine.root / "etc/machine-id", f"{uuid.uuid4().hex}\n")
    _write_hosts(machine.root / "etc/hosts", lab)
    _write(machine.root / "etc/ssh/sshd_config.d/port.conf", f"Port {machine.port}\n")
    _admit(machine.root / "root/.ssh/authorized_keys", public_key)
    host_key = machine.root / "etc/ssh/ssh_host_ed25519_key"
    if not host_key.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", machine.name, "-f", host_key)
    _write(
        machine.home / "hostkey.pub",
        " ".join(host_key.with_suffix(".pub").read_text(encoding="utf-8").split()[:2]) + "\n",
    )


def host_keys(lab: LabSpec, name: str) -> str:
    """The public host keys a machine has on its disk now, on or off; LabError when it was never made."""
    homes = {machine.name: machine.home for machine in made(lab)}
    if name not in homes:
        raise LabError(f"{name} has not been created yet", host=name, hint=f"hardway lab up {lab.source or 'INV'}")
    return "".join(
        path.read_text(encoding="utf-8") for path in sorted((homes[name] / "upper/etc/ssh").glob("ssh_host_*_key.pub"))
    )


def _write_hosts(path: Path, lab: LabSpec) -> None:
    """Every machine knows the others by name.

    Lines somebody else added stay, and a file that has them all is left alone.
    """
    own = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in lab.hosts)]
    old = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if set(own) <= set(old):
        return
    names = {line.split()[1] for line in own}
    kept = [line for line in old if line not in own and not (len(line.split()) == 2 and line.split()[1] in names)]
    _write(path, "\n".join([*own, *kept]) + "\n")


def _admit(path: Path, public_key: str) -> None:
    keys = path.read_text(encoding="utf-8") if path.exists() else ""
    if public_key not in keys:
        _write(path, f"{keys}{public_key}\n", 0o600)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.write_text(text, encoding="utf-8")
    os.chmod(path, mode)


def mount(machine: MachineSpec) -> None:
    """Mount the machine's root, unless it is; LabError when the base image it stands on is gone."""
    if is_mounted(machine.root):
        return
    if not Path(machine.base).is_dir():
        raise LabError(
            f"the base image of {machine.name}'s disk is missing: {machine.base}",
            host=machine.name,
            hint="hardway lab wipe INV && hardway lab up INV",
        )
    options = f"lowerdir={machine.base},upperdir={machine.home}/upper,workdir={machine.home}/work"
    run("mount", "-t", "overlay", f"hardway-{machine.name}", "-o", options, machine.root)


def unmount(machine: MachineSpec, deadline: float = 10.0) -> None:
    """Unmount the machine's root; processes that still end are waited for, up to `deadline` seconds, then LabError."""
    end = time.monotonic() + deadline
    while is_mounted(machine.root):
        try:
            shell.unmount(machine.root)
        except LabError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def remove(machine: MachineSpec) -> None:
    """Delete the machine with all its files; LabError when something is still mounted there."""
    # The list of mounts misses lines while others mount, so the root, which is always mounted there, is asked itself.
    listed = str(machine.home) + "/" in Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    if listed or is_mounted(machine.root):
        raise LabError(
            f"something is still mounted below {machine.home}", host=machine.name, hint=f"findmnt | grep {machine.home}"
        )
    shutil.rmtree(machine.home)


def used(machine: MachineSpec) -> int:
    """Bytes the machine's own files take on the host's disk."""
    total = 0
    for part in ("upper", "containerd"):
        for directory, _, names in os.walk(machine.home / part):
            for name in names:
                try:
                    total += os.lstat(os.path.join(directory, name)).st_blocks * 512
                except FileNotFoundError:
                    continue
    return total
