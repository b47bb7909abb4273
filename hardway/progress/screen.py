"""The live display: phases, what is awaited, and what every host is at, below the lines that scroll."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO

from rich.console import Group
from rich.live import Live
from rich.text import Text

from .board import Board
from .compose import composed
from .console import Seen, console

EVERY = 0.25  # seconds between two drawings: a drawing costs processor time that the run wants
SHOW_CURSOR = "\x1b[?25h"
LEAST = 8  # rows; a terminal of less has no room


def possible(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is a terminal that can carry a display, and nobody asked for plain lines."""
    plain = environment.get("NO_COLOR") or environment.get("TERM", "dumb") in ("dumb", "unknown", "")
    return (
        not plain and stream.isatty() and not 0 < os.get_terminal_size(stream.fileno()).lines < LEAST
    )  # 0: it does not know


class Screen:
    """A live display while entered. All drawing is done under `lock`, which whoever prints holds too."""

    def __init__(self, board: Board, clock: Callable[[], float], stream: TextIO, lock: threading.RLock):
        self.board, self.clock, self.lock = board, clock, lock
        self.console = console(stream, soft_wrap=True)
        self.live = self._live()
        self.before: Any = None
        self.over = threading.Event()
        self.ticking = threading.Thread(target=self._tick, name="display", daemon=True)

    def _live(self) -> Live:
        return Live(console=self.console, auto_refresh=False, transient=True, get_renderable=self._drawn)

    def _drawn(self) -> Seen:
        size, unicode = self.console.size, self.console.encoding.startswith("utf")
        return Seen(Group(*composed(self.board, self.clock(), size.width, size.height - 1, unicode)))

    def __enter__(self) -> Screen:
        # Whoever ends us politely finds the cursor again; other threads may not touch signals. A signal that
        # comes before our caller has begun its `with`, or while it ends, leaves nobody to call `__exit__`.
        atexit.register(self._show_cursor)
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        try:
            with self.lock:
                self.live.start(refresh=True)
            self.ticking.start()
        except BaseException:  # a signal may come at any time
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        # Whoever is being asked a question holds the lock, and the display is away then already.
        if self.lock.acquire(timeout=1.0):
            try:
                self.live.transient = not self.board.failed  # after a failure it stays: it shows where everybody was
                with contextlib.suppress(
                    IndexError
                ):  # one that a signal kept from beginning is not ended as one that began
                    self.live.stop()
            finally:
                self._show_cursor()
                self.lock.release()
        if self.before is not None:
            signal.signal(signal.SIGTERM, self.before)
        atexit.unregister(self._show_cursor)

    def _show_cursor(self) -> None:
        """Not through the console: one that a signal kept from ending a line holds back all that follows."""
        self.console.file.write(SHOW_CURSOR)
        self.console.file.flush()

    def print(self, line: str) -> None:
        """A line above the display."""
        self.console.print(styled(line), soft_wrap=True)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """The terminal is somebody else's while this lasts; only for the holder of the lock."""
        self.live.stop()
        try:
            yield
        finally:
            if not self.over.is_set():
                self.live = self._live()
                self.live.start(refresh=True)

    def _tick(self) -> None:
        while not self.over.wait(EVERY):
            with self.lock:
                if not self.over.is_set() and self.live.is_started:
                    self.live.refresh()


def styled(line: str) -> Text:
    """A line as it scrolls by: its time is less important than what it tells."""
    text = Text(line)
    if line[8:11] == " s ":
        text.stylize("dim", 0, 9)
    return text
