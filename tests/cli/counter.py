"""What every command can be typed at: a cluster whose hosts answer nobody, with keys and a mirror beside it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from dataclasses import asdict
from pathlib import Path

from assets_world import VERSIONS, everything, own_sums, write_folder
from failures.desk import ADDRESS, Desk, keys_of
from fakes import bolt_file

from hardway import archive
from hardway.archive import Backup, Lock, Manifest
from hardway.commands.whole.backup import kept
from hardway.etcd import snapshot as snapshots
from hardway.etcd.sidecar import Sidecar
from hardway.pki.secret import Secret
from hardway.state.statedir import StateDir

PHRASE = "correct horse battery staple"


class Counter(Desk):
    """A desk with a mirror of small files beside it, and a cluster whose hosts answer nobody."""

    def __init__(self, folder: Path, port: int):
        cache = str(folder / "cache")
        super().__init__(folder, {"HOME": str(folder), "HARDWAY_CACHE": cache, "KUBECONFIG": ""})
        (folder / "mirror").mkdir()
        self.world = everything()
        config = folder / "ssh_config"
        config.write_text(f"Host {ADDRESS}\n  HostName 127.0.0.1\n  Port {port}\n")
        kept = {name: value for name, value in asdict(VERSIONS).items() if name not in ("kubernetes", "busybox")}
        self.cluster = self.inventory(
            kubernetes=VERSIONS.kubernetes,
            versions=kept,
            assets={
                "source": "mirror",
                "mirror": str(folder / "mirror"),
                "checksums": own_sums(self.world, folder / "sums.yaml"),
            },
            ssh={"config": str(config), "connect_timeout": 1, "agent": False},
            drills=True,
        )

    def keys(self) -> None:
        keys_of(self.cluster, self.folder / ".hardway/refused")

    def assets(self) -> None:
        write_folder(self.folder / "mirror", self.world)

    def saved_whole(self, name: str, cluster: str) -> None:
        """A backup of that name, with keys of its own, of a cluster as the desk's inventory describes it."""
        found = snapshots.read(bolt_file.write(self.folder / "etcd.db", b"uid-1"))
        about = Sidecar(cluster, "2026-11-28T12:00:00+00:00", "node-1", 1, found.size, found.sha256, "3.7.3", "3.7.0",
                        VERSIONS.kubernetes, "c1", "uid-1", "ca", "tokens")  # fmt: skip
        said = Manifest(cluster, about.taken, "0", VERSIONS.kubernetes, "3.7.3", "https://10.0.0.1:6443")
        if not (self.folder / "elsewhere").exists():
            keys_of(self.cluster, self.folder / "elsewhere")
        state = kept(StateDir(self.folder / "elsewhere"))
        with (self.folder / name).open("wb") as file:
            whole = Backup(self.folder / name, said, b"cluster: refused\n", found, about, state)
            archive.write(Lock(passphrase=Secret(PHRASE.encode())), file, whole)

    def on_terminal(self, columns: int, *words: str, answer: bytes = b"") -> tuple[int, str]:
        """Typed on a terminal of so many columns, and then the answer: the exit code, and all that was written to
        it."""
        outer, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        env |= {**self.environment, "TERM": "xterm-256color"}
        command = [sys.executable, "-m", "hardway.cli.app", *words]
        streams = {"stdin": inner, "stdout": inner, "stderr": inner, "start_new_session": True}
        with subprocess.Popen(command, cwd=self.folder, env=env, **streams) as process:
            os.close(inner)
            os.write(outer, answer)
            said = b""
            with contextlib.suppress(OSError), os.fdopen(outer, "rb", buffering=0) as terminal:
                while piece := terminal.read(1 << 16):
                    said += piece
        return process.returncode, said.decode()

    def into(self, output: int, *words: str) -> subprocess.CompletedProcess[str]:
        """Typed with its output into a descriptor, which is closed then."""
        env = {**os.environ, **self.environment}
        with open(output, "w", encoding="utf-8") as stream:
            return subprocess.run(
                [sys.executable, "-m", "hardway.cli.app", *words],
                cwd=self.folder,
                env=env,
                stdout=stream,
                stderr=subprocess.PIPE,
                text=True,
                timeout=300,
                check=False,
            )
