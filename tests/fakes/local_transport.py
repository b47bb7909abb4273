"""This machine as a host: the real shell vocabulary, with hardway's own places moved below a folder."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from pathlib import Path

from hardway.cluster import Host
from hardway.transport import Result


class LocalTransport:
    """Runs scripts with `shell` (an argv); `path` is the whole PATH. What is below / elsewhere is the test's own business."""

    def __init__(self, folder: Path, shell: list[str], path: str):
        self.host = Host("here", IPv4Address("127.0.0.1"), frozenset())
        self.folder, self.shell, self.path = folder, shell, path
        self.scripts: list[str] = []
        (folder / "run").mkdir(parents=True, exist_ok=True)

    def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        script = self._moved(script)
        self.scripts.append(script)
        file = self.folder / "script"
        file.write_text(script)
        command, environment = [*self.shell, str(file)], {"PATH": self.path}
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, env=environment, check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    def stream(
        self, command: str, chunks: Iterable[bytes], *, timeout: float = 600.0, sent: Callable[[int], None] | None = None
    ) -> Result:
        data = list(chunks)
        for chunk in data if sent else ():
            sent(len(chunk))
        return self.run(command, stdin=b"".join(data), timeout=timeout)

    def _moved(self, script: str) -> str:
        moves = {"/var/lib/hardway": "state", "/run/hardway": "run/hardway", "/usr/local/.hardway": ".hardway"}
        for place, here in moves.items():
            script = script.replace(place, str(self.folder / here))
        return script
