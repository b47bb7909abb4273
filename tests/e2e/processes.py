"""What anybody can read of every process of this computer while something runs; the lab's machines are processes of it
too."""

from __future__ import annotations

import threading
from pathlib import Path

PACE = 0.03  # seconds between two looks: a look costs some milliseconds of processor time


class Processes:
    """Inside the context, the arguments and environments of all processes are gathered, each distinct one once."""

    def __init__(self):
        self.seen: dict[bytes, str] = {}
        self.looks = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Processes:
        self._thread.start()
        return self

    def __exit__(self, *exc) -> None:
        self._done.set()
        self._thread.join()

    @property
    def text(self) -> bytes:
        """All that was seen, decoded as a process list decodes it: words with spaces between them."""
        return b"\n".join(words.replace(b"\0", b" ") for words in list(self.seen))

    def _watch(self) -> None:
        while not self._done.wait(PACE):
            self.looks += 1
            for process in Path("/proc").glob("[0-9]*"):
                self._look(process)

    def _look(self, process: Path) -> None:
        try:
            words = (process / "cmdline").read_bytes()
            if words and words not in self.seen:
                self.seen[words] = process.name
                self.seen[(process / "environ").read_bytes()] = process.name
        except OSError:  # it has ended
            pass
