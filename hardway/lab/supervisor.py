"""Keeps one machine on: boots it, boots it again when it reboots, and removes everything when it stops.

Run as `python -m hardway.lab.supervisor MACHINE_DIRECTORY`, detached from who started it. SIGTERM shuts the
machine down in order, SIGUSR1 cuts its power. What it says goes to the machine's console log.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

from ..errors import LabError
from . import cgroups, disk, network, state
from .shell import PATH
from .spec import MachineSpec

REBOOT = 133
"""How systemd-nspawn, told to keep its unit, says that the machine wants to boot again."""


class Supervisor:
    def __init__(self, machine: MachineSpec):
        self.machine = machine
        self.layout = cgroups.detect()
        self.groups: list[Path] = []
        self.child: subprocess.Popen[bytes] | None = None
        self.ending = False

    def run(self) -> None:
        """Boot until the machine is to stay off; the state file tells why it ended."""
        signal.signal(signal.SIGTERM, self._shut_down)
        signal.signal(signal.SIGUSR1, self._cut_power)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        reason = "stopped before it booted"
        try:
            cgroups.leave_own_group(self.layout)
            while not self.ending:
                code = self._boot()
                reason = f"systemd-nspawn exited with code {code}"
                print(reason, flush=True)
                if code != REBOOT:
                    break
        except LabError as error:
            reason = "; ".join(error.lines())
            print(reason, flush=True)
        finally:
            self._clear()
            state.write_end(self.machine, reason)

    def _boot(self) -> int:
        """One life of the machine, from power on to power off or reboot; nspawn's exit code."""
        network.machine_up(self.machine)
        disk.mount(self.machine)
        groups = cgroups.machine_groups(self.layout, self.machine.lab, self.machine.name)
        self.groups = cgroups.make(groups, self.machine.memory)
        state.write_running(self.machine, self.groups)
        environment = {"PATH": PATH, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network", "SYSTEMD_SECCOMP": "0"}
        self.child = subprocess.Popen(
            command(self.machine), stdin=subprocess.DEVNULL, env=environment, preexec_fn=self._enter_groups
        )
        if self.ending:
            cgroups.kill(self.groups)
        code = self.child.wait()
        self.child = None
        network.machine_down(self.machine)
        cgroups.remove(self.groups)
        return code

    def _enter_groups(self) -> None:
        cgroups.enter(self.groups)

    def _shut_down(self, *_) -> None:
        self.ending = True
        if self.child:
            self.child.send_signal(signal.SIGTERM)

    def _cut_power(self, *_) -> None:
        """The cable first, so that no dying process says good-bye to its peers; then everything at once."""
        self.ending = True
        if self.child:
            subprocess.run(
                ["ip", "-n", self.machine.switch, "link", "set", self.machine.plug, "down"],
                env={"PATH": PATH},
                check=False,
            )
            cgroups.kill(self.groups)

    def _clear(self) -> None:
        for step in (
            lambda: cgroups.remove(self.groups),
            lambda: network.machine_down(self.machine),
            lambda: disk.unmount(self.machine),
        ):
            try:
                step()
            except LabError as error:
                print("; ".join(error.lines()), flush=True)


def command(machine: MachineSpec, kernel_modules: Path = Path("/lib/modules")) -> list[str]:
    """The systemd-nspawn command line that boots a machine."""
    identity = (machine.root / "etc/machine-id").read_text(encoding="utf-8").strip()
    own_modules = kernel_modules / platform.release()
    # A host with modules lends them; on one without, the machine itself says which are built in.
    modules = [f"--bind-ro={own_modules}"] if (own_modules / "modules.dep").exists() else []
    return [
        "systemd-nspawn",
        "--quiet",
        f"--directory={machine.root}",
        "--register=no",
        "--keep-unit",
        f"--machine={machine.namespace[:64].rstrip('-.')}",
        f"--hostname={machine.name}",
        f"--network-namespace-path=/run/netns/{machine.namespace}",
        "--capability=all",
        "--private-users=no",
        "--kill-signal=SIGRTMIN+3",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=pipe",
        f"--uuid={identity}",
        "--bind=/dev/kmsg",
        f"--bind={machine.home}/containerd:/var/lib/containerd",
        *modules,
        "/sbin/lab-init",
    ]


def main() -> None:
    os.chdir("/")
    machine = MachineSpec.load(Path(sys.argv[1]))
    state.write_running(machine, [])
    Supervisor(machine).run()


if __name__ == "__main__":
    main()
