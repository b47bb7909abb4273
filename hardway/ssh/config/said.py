"""What the configuration says of one host, which it may know by its address or by its name."""

from __future__ import annotations

import itertools
import os
import pwd
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import IO

from ...errors import ConnectionFailed
from .asking import SYSTEM, USUAL, Answer, Question, ask, can_ask, lies_there
from .files import place, read

# A name that no file knows, with so many dots that no domain is looked up for it.
NOBODY, NO_USER = "no.host.has.this.name.invalid", "nobody-says-which"
# Options that mean something only together: who leads where.
WAY = ("hostname", "proxyjump", "proxycommand", "proxyusefdpass")
LISTS = ("identityfile", "certificatefile")
ALONE = (
    *("user", "port", "identitiesonly", "identityagent", "pubkeyauthentication", "pkcs11provider"),
    *("userknownhostsfile", "globalknownhostsfile", "hostkeyalias", "stricthostkeychecking", "revokedhostkeys"),
    *("knownhostscommand", "verifyhostkeydns", "nohostauthenticationforlocalhost", "checkhostip"),
    *("addressfamily", "bindaddress", "bindinterface", "connecttimeout", "hashknownhosts"),
    *("preferredauthentications", "hostbasedauthentication", "ciphers", "macs", "kexalgorithms"),
    *("hostkeyalgorithms", "pubkeyacceptedalgorithms", "casignaturealgorithms", "requiredrsasize"),
)


@dataclass(frozen=True)
class Said:
    """The options that count for a host; without any, nothing is said.

    `asked` is the name that ssh was given; `others` are the options that count and are said of the host's other name.
    """

    asked: str
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    others: frozenset[str] = frozenset()

    def first(self, option: str) -> str:
        """The option's value; "" when nothing is said, or `none`."""
        value = next(iter(self.values.get(option, ())), "")
        return "" if value.lower() == "none" else value

    def all(self, option: str) -> tuple[str, ...]:
        """The option's values without `none`."""
        return tuple(value for value in self.values.get(option, ()) if value.lower() != "none")

    def place(self, option: str) -> str:
        """The file and, where there is no doubt, the line that says it."""
        return place(self.files, option, self.first(option), self.asked)

    def sets(self, option: str) -> bool:
        """Whether some line of the files does, for whomever."""
        return read(self.files).set(option)


@dataclass(frozen=True)
class Asking:
    """Who wants to know: with the inventory's `user` and `port`, where it has them; `default` is the user when neither
    the inventory nor the configuration names one, None for ssh's own."""

    config: Path | None
    user: str | None = None
    port: int | None = None
    default: str | None = None

    def of(self, address: str, name: str = "") -> Said:
        """What is said of a host, by its address, or by its name.

        ConnectionFailed when ssh cannot be asked, does not understand its files, or says two different things.
        """
        if self.config is None or not self._askable():
            return Said(address)
        client = replace(self, config=None) if self.config.expanduser() == USUAL.expanduser() else self
        by_address, nobody = client._answer(address), client._nobody(client.user)
        if not name or not nobody or not _may_mean(nobody, name):
            return _said(address, by_address)
        by_name = client._answer(name, ("-o", "CanonicalizeHostname=no"))
        return _both((address, by_address), (name, by_name), (NOBODY, client._answer(NOBODY)))

    def _askable(self) -> bool:
        if can_ask():
            return True
        path = next((path for path in (self.config, SYSTEM) if path and lies_there(path)), None)
        if path is None or (path == SYSTEM and self.config != USUAL.expanduser()):
            return False
        raise ConnectionFailed(
            f"only OpenSSH can read {path}, and this computer has no program ssh",
            hint="install it (Debian: apt-get install openssh-client), or set ssh.config in INV to none",
        )

    def _answer(self, host: str, options: tuple[str, ...] = ()) -> Answer:
        """With the user that will log in: conditions and tokens may depend on it."""
        if self.user or self.default is None:
            return self._of(host, self.user, options)
        nobody = self._nobody(None)
        if nobody and not read(nobody.files).set("user"):
            return self._of(host, self.default, options)
        answer = self._of(host, None, options)
        if answer.first("user") != _me() or _me() == self.default or self._names_user(host, options):
            return answer
        return self._of(host, self.default, options)

    def _names_user(self, host: str, options: tuple[str, ...]) -> bool:
        """Whether the configuration names the user that ssh takes of its own accord, too."""
        last = replace(self, config=_with_last_line(self.config, f"User {NO_USER}"))
        return last._of(host, None, options).first("user") != NO_USER

    def _of(self, host: str, user: str | None, options: tuple[str, ...]) -> Answer:
        nobody = self._nobody(user)
        if nobody and not _may_mean(nobody, host):
            return Answer({**nobody.values, "host": (host,), "hostname": (host,)}, nobody.files)
        return ask(Question(self.config, host, user, self.port, options))

    def _nobody(self, user: str | None) -> Answer | None:
        """What is said of a host that the files do not know; None when not even that can be said."""
        try:
            return ask(Question(self.config, NOBODY, user, self.port))
        except ConnectionFailed:
            return None


def _me() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def _may_mean(nobody: Answer, host: str) -> bool:
    """Whether ssh may say something else of this host than of one that nobody knows."""
    plain = nobody.first("hostname") == NOBODY and nobody.first("canonicalizehostname") in ("false", "no")
    others = {**nobody.values, "hostname": ()}
    depends = any(NOBODY in value for option, values in others.items() for value in values if option != "host")
    return depends or not plain or read(nobody.files).may_mean(host, NOBODY)


@cache
def _kept(text: str) -> IO[str]:
    """A file with this text, as long as the process lives."""
    file = tempfile.NamedTemporaryFile("w", prefix="hardway-ssh-", encoding="utf-8", errors="surrogateescape")
    file.write(text)
    file.flush()
    return file


def _with_last_line(config: Path | None, line: str) -> Path:
    """A configuration that says the same, and one thing more where nothing is said."""
    files = [config.absolute()] if config else [USUAL, SYSTEM]
    return Path(_kept("".join(f'Include "{path}"\n' for path in files) + line + "\n").name)


def _said(asked: str, answer: Answer) -> Said:
    return Said(asked, answer.values, answer.files)


def _both(by_address: tuple[str, Answer], by_name: tuple[str, Answer], nobody: tuple[str, Answer]) -> Said:
    """One host, two names: what is said of either counts, as if a block that means one meant both."""
    own = {by_address[0]: by_address[1], by_name[0]: by_name[1]}
    if by_name[1].first("hostname") == by_address[0]:  # nothing that the inventory does not know
        by_name = (by_name[0], replace(by_name[1], values={**by_name[1].values, "hostname": (by_name[0],)}))
    values = dict(by_address[1].values)
    asked = by_address[0]
    for options in (WAY, *((option,) for option in (*LISTS, *ALONE))):
        if _same(options, by_name, nobody) or _same(options, by_name, by_address):
            continue
        ours = not _same(options, by_address, nobody)
        if ours and options[0] in LISTS:
            everything = (one[1].values.get(options[0], ()) for one in (by_name, by_address))
            values |= {options[0]: tuple(dict.fromkeys(itertools.chain(*everything)))}
            continue
        if ours:
            raise _two_things(options, by_address, by_name)
        values |= {option: by_name[1].values.get(option, ()) for option in options}
        asked = by_name[0] if options == WAY else asked
    if values.get("hostname") == (by_name[0],):  # it is only the name itself: the inventory knows the address
        values["hostname"] = (by_address[0],)
    others = (option for option in (*WAY, *LISTS, *ALONE) if values.get(option) != own[asked].values.get(option))
    return Said(asked, values, by_address[1].files, frozenset(others))


def _same(options: tuple[str, ...], *answers: tuple[str, Answer]) -> bool:
    """Whether the same is said of two: in the same words, or in words that differ by their names only."""
    (name, one), (other_name, other) = answers
    return all(
        one.values.get(option) == other.values.get(option)
        or _general(name, one, option) == _general(other_name, other, option)
        for option in options
    )


def _general(name: str, answer: Answer, option: str) -> tuple[str, ...]:
    """What is said with the name's token in its place."""
    return tuple(value.replace(name, "%h") for value in answer.values.get(option, ()))


def _two_things(options: tuple[str, ...], *answers: tuple[str, Answer]) -> ConnectionFailed:
    (address, one), (name, other) = answers
    different = next(option for option in options if not _same((option,), *answers))
    say = lambda host, answer: f"{different} {answer.first(different) or 'none'} for {host}"  # noqa: E731
    lines = (line for line in read(one.files).lines or () if line.keyword == different)
    return ConnectionFailed(
        f"the SSH configuration says {say(address, one)}, and {say(name, other)}, which is the same host",
        evidence="\n".join(f"{line.path} line {line.number}: {line.keyword} {line.rest}" for line in lines),
        hint=f"write one block for both there (Host {name} {address}), or set it in the ssh section of INV",
    )
