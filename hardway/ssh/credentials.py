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
    """The one line of the file that a variable names; None without a variable. AuthenticationError for what is no
    password: a second line would be taken for a command."""
    name = os.environ.get(variable)
    if not name:
        return None
    path = Path(name).expanduser()
    where, file = f"{path} (set in {variable})", quote(str(path))
    try:
        data = path.read_bytes()
        if path.stat().st_mode & 0o077:
            raise AuthenticationError(f"{where} can be read by other users", hint=f"chmod 600 {file}")
        text = data.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise AuthenticationError(f"cannot read {where}: {error.strerror}", hint=f"ls -l {file}") from error
    except UnicodeDecodeError:
        raise AuthenticationError(f"{where} is not UTF-8", hint="write it again, in UTF-8") from None
    if not text or {"\n", "\0"} & set(text):
        what = "has more than one line" if "\n" in text else "holds a zero byte" if text else "is empty"
        raise AuthenticationError(f"{where} {what}", hint="write the password, and nothing else, as its only line")
    return text


answers = Answers()
