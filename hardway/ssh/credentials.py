"""Passphrases and sudo passwords: asked for once per process, shared between hosts, shown nowhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from shlex import quote

from ..errors import AuthenticationError

PASSPHRASE_FILE = "HARDWAY_KEY_PASSPHRASE_FILE"
SUDO_PASSWORD_FILE = "HARDWAY_SUDO_PASSWORD_FILE"

Prompt = Callable[[str], str]


class Answers:
    """Secrets by what they are for.

    Safe for threads: the second host waits for the first one's answer instead of asking again.
    """

    def __init__(self):
        self._known: dict[str, str] = {}
        self._lock = threading.Lock()

    def __repr__(self):
        return f"Answers({len(self._known)} known)"

    def get(self, purpose: str, question: str, variable: str, prompt: Prompt | None) -> str | None:
        """The secret for `purpose`: known already, else from the file named by `variable`, else asked; None when nobody
        can tell."""
        with self._lock:
            if purpose not in self._known:
                answer = _from_file(variable)
                if answer is None and prompt is not None:
                    answer = prompt(question)
                if answer is None:
                    return None
                self._known[purpose] = answer
            return self._known[purpose]

    def known(self) -> list[str]:
        """Every secret given so far, for whoever keeps them out of texts.

        Does not wait for one that is being asked for.
        """
        return list(self._known.values())

    def forget(self, purpose: str, wrong: str) -> None:
        """Drop an answer that was refused, unless another thread has replaced it meanwhile."""
        with self._lock:
            if self._known.get(purpose) == wrong:
                del self._known[purpose]


def _from_file(variable: str) -> str | None:
    name = os.environ.get(variable)
    if not name:
        return None
    path = Path(name).expanduser()
    try:
        if path.stat().st_mode & 0o077:
            raise AuthenticationError(
                f"{path} (set in {variable}) can be read by other users", hint=f"chmod 600 {quote(str(path))}"
            )
        return path.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise AuthenticationError(
            f"cannot read {path} (set in {variable}): {error.strerror}", hint=f"ls -l {quote(str(path))}"
        ) from error


answers = Answers()
