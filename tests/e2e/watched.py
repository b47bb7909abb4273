"""A command that is watched while it works, to strike at a moment that is chosen by what it does rather than by the
clock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

from stage import Ran, Stage

Event = dict[str, Any]


class Watched:
    """Use as a context manager: what still runs at its end is killed."""

    def __init__(self, stage: Stage, *words: str, command: str = "bootstrap"):
        self.words = stage.argv(*command.split(), "INV", "--output", "json", *words)
        self.events: list[Event] = []
        self.began = time.monotonic()
        self._news = threading.Condition()
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            self.words, cwd=stage.folder, stdout=subprocess.PIPE, stderr=self._errors, text=True, start_new_session=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *exc) -> None:
        self.kill()
        self._errors.close()

    def _read(self) -> None:
        for line in self._process.stdout:
            with self._news:
                self.events.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def until(self, met: Callable[[list[Event]], bool], seconds: float) -> bool:
        """Wait until the events meet a condition; False when the run ends or the time passes before."""
        with self._news:
            self._news.wait_for(lambda: met(self.events) or not self._reader.is_alive(), seconds)
            return met(self.events)

    @property
    def at_work(self) -> set[str]:
        """The phases whose steps or waits had begun and not ended when the last event came."""
        steps = {(event["phase"], event["host"]) for event in self.events if event["event"] == "step-started"}
        steps -= {(event["phase"], event["host"]) for event in self.events if event["event"] == "step-finished"}
        waits = {event["phase"] for event in self.events if event["event"] == "waiting"} - self.phases("phase-ready")
        return {phase for phase, _ in steps} | waits

    def phases(self, kind: str) -> set[str]:
        """The phases with an event of this kind."""
        return {event["phase"] for event in self.events if event["event"] == kind}

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def sleep(self) -> None:
        """What closing a laptop's lid does to it."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def wake(self) -> None:
        os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self) -> bool:
        """Kill it with all its children; whether it was still alive."""
        alive = self.alive
        if alive:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        return alive

    def ended(self, seconds: float) -> Ran:
        """Its end; subprocess.TimeoutExpired when there is none in time."""
        code = self._process.wait(seconds)
        self._reader.join()
        self._errors.seek(0)
        said = "".join(f"{json.dumps(event)}\n" for event in self.events)
        return Ran(self.words, code, said, self._errors.read(), time.monotonic() - self.began)
