"""libvirt for a test: no systemd, and a network, process numbers and files of its own, which all end with it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stage import Ran, await_true, run

from hardway.lab.shell import PATH

PLACES = ("etc/libvirt", "var/lib/libvirt", "var/cache/libvirt", "var/log/libvirt")
LIBVIRTD = 'auth_unix_rw = "none"\nauth_unix_ro = "none"\n'
# What shields the machines of several users from each other wants the systemd or the kernel of a distribution.
QEMU = """
user = "root"
group = "root"
dynamic_ownership = 0
security_driver = "none"
namespaces = [ ]
stdio_handler = "file"
"""


@dataclass(frozen=True)
class Room:
    """Where libvirtd runs; programs are let in from outside, with the files of this computer but for libvirt's own."""

    folder: Path
    pid: int

    def run(self, *words: str | Path, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 300) -> Ran:
        parts = {"net": "net", "mount": "mnt", "pid": "pid_for_children"}
        doors = [f"--{part}=/proc/{self.pid}/ns/{name}" for part, name in parts.items()]
        return run("nsenter", *doors, f"--wdns={cwd}", "--", *words, cwd=cwd, env=env, timeout=timeout)

    def virsh(self, *words: str) -> Ran:
        return self.run("virsh", "--connect", "qemu:///system", *words, cwd=self.folder, timeout=60)

    def evidence(self) -> str:
        """The last words of libvirtd, of every QEMU and of every machine on its console."""
        patterns = ("libvirtd.log", "var/log/libvirt/qemu/*.log", "consoles/*.log")
        files = [path for pattern in patterns for path in sorted(self.folder.glob(pattern))]
        return "".join(f"--- {path.name}\n{path.read_text(errors='replace')[-4000:]}\n" for path in files)


@contextmanager
def libvirt_room(folder: Path, kvm: bool) -> Iterator[Room]:
    """A room whose libvirtd answers; afterwards nothing of it is left but its files in `folder`."""
    for place in (*PLACES, "consoles"):
        (folder / place).mkdir(parents=True)
    (folder / "etc/libvirt/libvirtd.conf").write_text(LIBVIRTD)
    (folder / "etc/libvirt/qemu.conf").write_text(QEMU)
    script = Path(__file__).with_name("libvirt.sh")
    # Whatever ends this process ends unshare, whose end is that of the room's first process, and so of all in it.
    argv = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]
    argv += ["--mount-proc", "--propagation", "slave", "sh", str(script), str(folder), "yes" if kvm else "no"]
    with (folder / "libvirtd.log").open("wb") as log:
        environment = {**os.environ, "PATH": PATH, "LC_ALL": "C"}
        streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(argv, env=environment, **streams)
    room = Room(folder, process.pid)

    def answers() -> bool:
        assert process.poll() is None, f"libvirtd has ended\n{room.evidence()}"
        # Before that the namespaces of this process are the computer's own.
        return (folder / "ready").exists() and room.virsh("list").code == 0

    try:
        await_true(answers, 120, "libvirtd to answer", evidence=room.evidence)
        yield room
    finally:
        process.kill()
        process.wait()
