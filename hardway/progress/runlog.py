"""The log of one run: a private file in the state directory with every event, every round trip and every failure."""

from __future__ import annotations

import contextlib
import datetime
import os
import shlex
import sys
import threading
import traceback
from pathlib import Path

from .. import __version__
from ..foreign.visible import visible
from ..state.statedir import private
from .events import Moment
from .redact import Redactor

KEPT = 20
TEXT = "  | "  # before what goes on from a line


class RunLog:
    """Nothing is kept before it is opened.

    Each line is on its way to the disk at once; where that fails the run goes on without.
    """

    def __init__(self, redact: Redactor):
        self.redact = redact
        self.path: Path | None = None
        self._file: int | None = None
        self._lock = threading.Lock()

    def open(self, folder: Path, command: str) -> None:
        """Begin a new file there, and remove those of runs long past."""
        moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        with contextlib.suppress(OSError):
            for number in range(100):  # several runs may begin in a second
                path = folder / f"{moment}{f'.{number}' if number else ''}-{command}.log"
                with contextlib.suppress(FileExistsError):
                    self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
                    break
            self.path = path
            self.write(f"hardway {__version__}, Python {sys.version.split()[0]}: hardway {shlex.join(sys.argv[1:])}")
            for old in sorted(folder.glob("*.log"))[:-KEPT]:
                old.unlink()

    def learn(self, name: str, data: bytes) -> None:
        """A secret of the state directory is not to stand in the log."""
        if private(name, data):
            self.redact.learn(data)

    def write(self, text: str) -> None:
        """One entry with its time; further lines are set in."""
        if self._file is None:
            return
        when = datetime.datetime.now(datetime.UTC).strftime("%H:%M:%S.%f")[:-3]
        first, *more = visible(self.redact(text)).splitlines() or [""]
        entry = "\n".join([f"{when} {first}", *(f"{TEXT}{line}" for line in more)]) + "\n"
        with self._lock, contextlib.suppress(OSError):
            os.write(self._file, entry.encode("utf-8", "replace"))

    def event(self, moment: Moment) -> None:
        """An event as JSON has it."""
        self.write(f"event {moment.json()}")

    def bug(self, error: BaseException) -> Path | None:
        """A failure that is ours, with its traceback; where it can be read."""
        self.write(f"bug\n{''.join(traceback.format_exception(error))}")
        return self.path
