"""What sudo says when it does not make us root, and one password that several hosts share."""

from __future__ import annotations

import contextlib
import enum
import re
import threading
from collections.abc import Callable, Iterator

from .programs import program

# So much of a line is worth reading; a trace of the shell shows our whole program.
WIDTH = 200


class Refusal(enum.Enum):
    """Why sudo refuses, by what it says in English."""

    TERMINAL = r"must have a tty|no tty present"
    PASSWORD = r"incorrect (password|authentication) attempt"
    MISSING = r"sudo.{0,3}:? (No such file|not found|command not found)|can't execute '?sudo"
    NOT_A_SUDOER = r"is not in the sudoers|may not run sudo|I'm afraid I can't do that"
    OTHER_COMMANDS = r"is not allowed to execute|may not run "
    OTHER = r"\bsudo\b"


def refusal(noise: str) -> Refusal | None:
    """The first reason that fits; None when sudo has said nothing."""
    return next((why for why in Refusal if re.search(why.value, noise)), None)


def readable(noise: str, *secrets: str) -> str:
    """What a host has said without our own program, which a denial or a trace repeats, and without secrets."""
    for secret in filter(None, secrets):
        noise = noise.replace(secret, "***")
    for name in ("root_shell.sh", "tty_bridge.sh"):
        noise = noise.replace(program(name)[1:-1], "…")
    lines = (line.strip() for line in noise.splitlines())
    return "\n".join(line if len(line) <= WIDTH else f"{line[:WIDTH]}…" for line in lines if line)


class NotTried(Exception):
    """The password was refused before; `host` is where, and `password` what was given again, if anybody was asked."""

    def __init__(self, host: str, password: str = ""):
        super().__init__(host)
        self.host, self.password = host, password


class SharedPasswords:
    """Passwords that many hosts share. Safe for threads.

    Until one host has accepted a password no second one is given it: six wrong answers lock an account.
    """

    def __init__(self) -> None:
        self._accepted: set[tuple[str, str]] = set()
        self._refused: dict[tuple[str, str], list[str]] = {}
        self._last: dict[str, list[str]] = {}
        self._trials: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"SharedPasswords({len(self._accepted)} accepted)"

    @contextlib.contextmanager
    def trial(self, user: str, host: str, get: Callable[[], str]) -> Iterator[str]:
        """The password of `user`, which `get` knows; while nobody has accepted it, for one host at a time.

        NotTried when it was refused while we waited for our turn, or before.
        """
        with self._lock:
            turn, refusals = self._trials.setdefault(user, threading.Lock()), self._last.setdefault(user, [])
            before = len(refusals)
        with contextlib.ExitStack() as held:
            held.enter_context(turn)
            if len(refusals) > before:
                raise NotTried(refusals[-1])
            password = get()
            where, good = self._refused.get((user, password), []), (user, password) in self._accepted
            if where and (not good or host in where):
                raise NotTried(where[-1], "" if good else password)
            if good:
                held.close()
            yield password

    def accepted(self, user: str, password: str) -> None:
        """A host has taken it: now all may try."""
        self._accepted.add((user, password))

    def refused(self, user: str, password: str, host: str) -> bool:
        """A host has not; whether this says something of the password, which it does not when another host has taken
        it."""
        self._refused.setdefault((user, password), []).append(host)
        if (user, password) in self._accepted:
            return False
        self._last.setdefault(user, []).append(host)
        return True


passwords = SharedPasswords()
