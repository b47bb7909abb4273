"""A program with a real terminal, typed at by a test."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path


class Terminal:
    """Runs `argv` on a pseudo-terminal of its own; `screen` is everything it has written so far."""

    def __init__(self, argv: Sequence[str], cwd: Path, **environment: str):
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            argv,
            cwd=cwd,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env=os.environ | environment,
        )
        os.close(theirs)
        self.screen, self.read_to = "", 0

    def until(self, text: str, seconds: float = 60.0) -> str:
        """What is written up to and with this text, from where the last call stopped."""
        end = time.monotonic() + seconds
        while text not in self.screen[self.read_to :]:
            if not self._more(end - time.monotonic()):
                raise AssertionError(f"waited in vain for {text!r} in:\n{self.screen[self.read_to :]}")
        start, self.read_to = self.read_to, self.screen.index(text, self.read_to) + len(text)
        return self.screen[start : self.read_to]

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def ended(self, seconds: float = 60.0) -> int:
        """Its exit code, everything it wrote being on the screen."""
        end = time.monotonic() + seconds
        while self._more(end - time.monotonic()):
            pass
        return self.process.wait(max(0.1, end - time.monotonic()))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.ours)

    def _more(self, seconds: float) -> bool:
        if not select.select([self.ours], [], [], max(0.0, seconds))[0]:
            return False
        try:
            data = os.read(self.ours, 65536)
        except OSError:  # the other end is closed: the program has ended
            return False
        self.screen += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)
