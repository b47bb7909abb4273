"""The tokens of ssh_config(5), %h and the like, in the values that `ssh -G` prints as they were written."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_PROXY = frozenset("hknpr")
_LATER = frozenset("%HIKft")
_WRITTEN = r"\$\{([^}]*)\}|%(.?)"


class UnknownToken(ValueError):
    """A token that ssh does not know either, or an environment variable that is not set."""


@dataclass(frozen=True)
class Tokens:
    """What stands for a token: `asked` is the name that ssh was given, `host` where it connects to."""

    asked: str
    host: str
    port: int
    user: str
    alias: str = ""
    jumps: str = ""

    @cached_property
    def _values(self) -> Mapping[str, str]:
        me, name = pwd.getpwuid(os.getuid()), socket.gethostname()
        values = {"L": name.partition(".")[0], "l": name, "u": me.pw_name, "i": str(me.pw_uid), "d": me.pw_dir}
        values |= {"n": self.asked, "h": self.host, "p": str(self.port), "r": self.user, "j": self.jumps}
        whole = "".join(values[token] for token in "lhprj")
        return values | {"k": self.alias or self.asked, "C": hashlib.sha1(whole.encode()).hexdigest()}

    def path(self, text: str) -> Path:
        """A file as ssh finds it: ~, tokens and ${VARIABLES} replaced; UnknownToken."""
        return Path(self.text(home(text)))

    def text(self, text: str) -> str:
        """Tokens and ${VARIABLES} replaced; UnknownToken."""
        return re.sub(_WRITTEN, lambda match: self._replaced(match, frozenset(self._values)), text)

    def words(self, text: str) -> tuple[str, ...]:
        """A KnownHostsCommand in words, with the tokens that only whoever runs it knows, and %%, as they were.

        UnknownToken, also for quotes without end.
        """

        def replaced(match: re.Match[str]) -> str:
            if match[2] and match[2] in _LATER:
                return match[0]
            return self._replaced(match, frozenset(self._values)).replace("%", "%%")

        try:
            words = shlex.split(text)
        except ValueError as error:
            raise UnknownToken(f"{text} has no end ({error})") from None
        return (*words[:1], *(re.sub(_WRITTEN, replaced, word) for word in words[1:]))

    def command(self, text: str) -> str:
        """A ProxyCommand; its variables are the shell's. UnknownToken."""
        return re.sub(r"()%(.?)", lambda match: self._replaced(match, _PROXY), text)

    def _replaced(self, match: re.Match[str], known: frozenset[str]) -> str:
        variable, token = match.groups()
        if variable:
            return _environment(variable)
        if token == "%":
            return "%"
        if token not in known:
            raise UnknownToken(f"%{token} is not a token that ssh knows here")
        return self._values[token]


def _environment(variable: str) -> str:
    if variable not in os.environ:
        raise UnknownToken(f"the environment variable {variable} is not set")
    return os.environ[variable]


def home(text: str) -> str:
    """A path with ~ replaced as ssh does it: from the user database, whatever HOME says."""
    if not text.startswith("~"):
        return text
    user, slash, rest = text[1:].partition("/")
    try:
        return (pwd.getpwnam(user) if user else pwd.getpwuid(os.getuid())).pw_dir + slash + rest
    except KeyError:
        raise UnknownToken(f"there is no user {user}") from None
