"""Asking OpenSSH: `ssh -G` prints all that counts for a host, and names the files it has read."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ...errors import ConnectionFailed
from .files import state

# Conditions of `Match exec` are programs, and names may be looked up.
PATIENCE = 60.0
USUAL = Path("~/.ssh/config")
SYSTEM = Path("/etc/ssh/ssh_config")
_READING = re.compile(r"^debug1: Reading configuration data (.*)$", re.MULTILINE)
_NOISE = re.compile(r"debug\d: |OpenSSH_|Pseudo-terminal will not be allocated")

T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """What is asked: about which host, with which command line. `config` is None for the files that ssh reads by
    itself."""

    config: Path | None
    host: str
    user: str | None = None
    port: int | None = None
    options: tuple[str, ...] = ()

    @property
    def argv(self) -> list[str]:
        words = ["ssh", "-T", "-v", "-G"]
        words += ["-F", str(self.config)] if self.config else []
        words += ["-l", self.user] if self.user else []
        words += ["-p", str(self.port)] if self.port else []
        return [*words, *self.options, "--", self.host]

    @property
    def typed(self) -> str:
        """How a person asks the same."""
        return shlex.join(["ssh", "-G", *(["-F", str(self.config)] if self.config else []), self.host])


@dataclass(frozen=True)
class Answer:
    """Every option by its name in small letters, with all its lines; and the files that were read."""

    values: Mapping[str, tuple[str, ...]]
    files: tuple[Path, ...]

    def first(self, option: str) -> str:
        """The option's value, "" when ssh prints none."""
        return next(iter(self.values.get(option, ())), "")


class Once(Generic[T]):
    """Does each thing once, however many threads want it at the same time; what fails is tried again."""

    def __init__(self) -> None:
        self._done: dict[object, Future[T]] = {}
        self._lock = threading.Lock()

    def get(self, key: object, work: Callable[[], T]) -> T:
        with self._lock:
            ours = key not in self._done
            future = self._done.setdefault(key, Future())
        if ours:
            try:
                future.set_result(work())
            except BaseException as error:
                with self._lock:
                    del self._done[key]
                future.set_exception(error)
        return future.result()


_answers: Once[Answer] = Once()


def ask(question: Question) -> Answer:
    """What ssh says; ConnectionFailed when it cannot understand its configuration, or does not answer.

    The same question is asked once while the file lies there unchanged.
    """
    return _answers.get(
        (question, state(question.config or USUAL.expanduser()), state(SYSTEM)), lambda: _asked(question)
    )


def _asked(question: Question) -> Answer:
    try:
        done = subprocess.run(
            question.argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, errors="surrogateescape"
        )
    except subprocess.TimeoutExpired as error:
        hint = f"a program that Match exec names may hang: {question.typed}"
        message = f"ssh does not say how it reaches {question.host} within {PATIENCE:.0f} s"
        raise ConnectionFailed(message, waited_for="ssh -G", waited_seconds=PATIENCE, hint=hint) from error
    if done.returncode:
        raise _unusable(question, [line for line in done.stderr.splitlines() if not _NOISE.match(line)])
    return Answer(_values(done.stdout), tuple(Path(name) for name in _READING.findall(done.stderr)))


def _values(text: str) -> dict[str, tuple[str, ...]]:
    values: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        option, _, value = line.partition(" ")
        values[option.lower()] = (*values.get(option.lower(), ()), value)
    return values


def _unusable(question: Question, said: list[str]) -> ConnectionFailed:
    """ssh names file and line in its own words."""
    why = said[0].strip() if said else "ssh does not say why"
    return ConnectionFailed(
        f"OpenSSH cannot use its configuration: {why}",
        evidence="\n".join(said[1:]),
        hint=f"correct that; this shows whether ssh understands it: {question.typed}",
    )


def can_ask() -> bool:
    """Whether this computer has an OpenSSH client."""
    return shutil.which("ssh") is not None


def lies_there(path: Path) -> bool:
    """Whether there is a configuration that somebody must read."""
    with contextlib.suppress(OSError):
        return os.path.getsize(path.expanduser()) > 0
    return False
