"""This machine as a host: the real shell vocabulary, with hardway's own places moved below a folder."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

from hardway.cluster import Host
from hardway.transport import Result


class LocalTransport:
    """Runs scripts with `shell` (an argv); `path` is the whole PATH.

    What is below / elsewhere is the test's own business.
    """

    def __init__(self, folder: Path, shell: list[str], path: str):
        self.host = Host("here", IPv4Address("127.0.0.1"), frozenset())
        self.folder, self.shell, self.path = folder, shell, path
        self.scripts: list[str] = []
        self.talking: list[subprocess.Popen] = []
        # Places of hardway's own, and where they are here; a test may add others.
        self.moves = {
            place: str(folder / here)
            for place, here in {
                "/var/lib/hardway": "state",
                "/run/hardway": "run/hardway",
                "/usr/local/.hardway": ".hardway",
            }.items()
        }
        (folder / "run").mkdir(parents=True, exist_ok=True)

    def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        with self._command(script) as command:
            done = subprocess.run(
                command, input=stdin, capture_output=True, timeout=timeout, env={"PATH": self.path}, check=False
            )
        return Result(done.returncode, done.stdout, done.stderr)

    def connect(self) -> None:
        """Nothing is nearer."""

    def talk(
        self, command: str, lines: Callable[[str], None], say: Callable[[], bytes | None], every: float = 1.0
    ) -> int:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with self._command(command) as argv, subprocess.Popen(argv, env={"PATH": self.path}, **pipes) as process:
            self.talking.append(process)
            heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
            reader = threading.Thread(target=lambda: [heard.put(line) for line in process.stdout], daemon=True)
            reader.start()
            while (words := say()) is not None and (process.poll() is None or not heard.empty()):
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.write(words)
                    process.stdin.flush()
                with contextlib.suppress(queue.Empty):
                    lines(heard.get(timeout=every).decode().rstrip("\n"))
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            return process.wait(10)

    @contextlib.contextmanager
    def _command(self, script: str) -> Iterator[list[str]]:
        """What runs a script, which must be a file of its own: several run at a time."""
        script = self._moved(script)
        self.scripts.append(script)
        with tempfile.NamedTemporaryFile("w", prefix="script-") as file:
            file.write(script)
            file.flush()
            yield [*self.shell, file.name]

    def stream(
        self,
        command: str,
        chunks: Iterable[bytes],
        *,
        timeout: float = 600.0,
        sent: Callable[[int], None] | None = None,
    ) -> Result:
        data = list(chunks)
        for chunk in data if sent else ():
            sent(len(chunk))
        return self.run(command, stdin=b"".join(data), timeout=timeout)

    def _moved(self, script: str) -> str:
        for place, here in self.moves.items():
            script = script.replace(place, here)
        return script
