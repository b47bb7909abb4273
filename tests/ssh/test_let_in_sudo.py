"""Kinds of sudo, each tried by a person (`ssh -tt` and `sudo`) and by hardway: who becomes root must be the same."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from hardway.errors import ConnectionFailed

from .server import Server

pytestmark = [pytest.mark.sshd, pytest.mark.slow]

QUESTION = "the-password-please:"
ALL, FREE = "{user} ALL=(ALL) ALL", "{user} ALL=(ALL) NOPASSWD: ALL"


@dataclass(frozen=True)
class Kind:
    """How a machine is arranged; `root` is whether a person becomes root there, `wrong` types another password."""

    rules: str
    root: bool = True
    wrong: bool = False
    bashrc: str = ""
    shell: str = "/bin/bash"


def defaults(text: str, rule: str = ALL) -> str:
    """A rule with a setting for the user, who is asked every time."""
    return f"Defaults:{{user}} timestamp_timeout=0, {text}\n{rule}"


KINDS = {
    "free": Kind(FREE),
    "with a password": Kind(defaults("!lecture")),
    "with a wrong password": Kind(defaults("!lecture"), root=False, wrong=True),
    "one try only": Kind(defaults("passwd_tries=1")),
    "one try only, wrong": Kind(defaults("passwd_tries=1"), root=False, wrong=True),
    "with a lecture": Kind(defaults("lecture=always")),
    "with insults": Kind(defaults("insults"), root=False, wrong=True),
    "with words of its own": Kind(defaults('badpass_message="Nay."'), root=False, wrong=True),
    "with a question of its own": Kind(defaults('passprompt="Who goes there? "')),
    "with stars": Kind(defaults("pwfeedback")),
    "without asking": Kind(defaults("!authenticate")),
    "asked for the list": Kind(defaults("listpw=always", FREE)),
    "on a terminal": Kind(defaults("requiretty")),
    "on a terminal, free": Kind(defaults("requiretty", FREE)),
    "on a terminal of its own": Kind(defaults("use_pty")),
    "on a terminal, and one of its own": Kind(defaults("use_pty, requiretty")),
    "recorded": Kind(defaults("log_output, log_input, iolog_dir=/tmp/{user}")),
    "somebody else by default": Kind(defaults("runas_default=nobody")),
    "with the password of root": Kind(defaults("rootpw"), root=False),
    "with the password of whom one becomes": Kind(defaults("targetpw"), root=False),
    "a shell only": Kind("{user} ALL=(root) NOPASSWD: /bin/sh, /usr/bin/sh"),
    "all but shells": Kind("{user} ALL=(ALL) NOPASSWD: ALL, !/bin/sh, !/usr/bin/sh, !/bin/bash", root=False),
    "another command": Kind("{user} ALL=(root) NOPASSWD: /usr/bin/id", root=False),
    "another command with a password": Kind(defaults("!lecture", "{user} ALL=(root) /usr/bin/id"), root=False),
    "two rules": Kind(f"{FREE}\n{defaults('!lecture')}"),
    "two rules, the last is free": Kind(f"{ALL}\n{FREE}"),
    "another user": Kind("{user} ALL=(nobody) NOPASSWD: ALL", root=False),
    "another machine": Kind("{user} another-machine=(ALL) NOPASSWD: ALL", root=False),
    "not a sudoer": Kind("", root=False),
    "a command that may start no other": Kind("{user} ALL=(ALL) NOPASSWD: NOEXEC: ALL", root=False),
    "a trace": Kind(defaults("!lecture"), bashrc="set -x"),
    "a trace where nothing is asked": Kind(FREE, bashrc="set -xv"),
    "words that look like the question": Kind(defaults("!lecture"), bashrc="printf 'password: '; echo hardway- >&2"),
    "a shell that ends": Kind(FREE, root=False, bashrc="exit 7"),
    "a shell without end": Kind(FREE, bashrc="trap 'echo bye' EXIT"),
    "another folder": Kind(FREE, bashrc="cd /; unset PATH; PATH=/usr/bin:/bin"),
    "sudo is a function": Kind(FREE, bashrc='sudo() { command sudo "$@"; }; export -f sudo'),
    "a plain shell": Kind(defaults("!lecture"), shell="/bin/sh"),
    "no shell": Kind(FREE, root=False, shell="/usr/sbin/nologin"),
    "a login that ends at once": Kind(FREE, root=False, shell="/bin/false"),
}


def by_hand(server: Server, name: str, password: str) -> tuple[bool, str]:
    """Whether a person becomes root who types this password whenever asked, and what was seen."""
    command = f"env LC_ALL=C sudo -u root -p '{QUESTION}' sh -c 'echo I am $(id -u)'"
    way = ["-p", str(server.port), "-i", server.key, "-o", f"UserKnownHostsFile={server.known_hosts}"]
    argv = ["ssh", "-F", "none", "-tt", "-o", "BatchMode=yes", *way, f"{name}@127.0.0.1", command]
    seen, answered, until = b"", 0, time.monotonic() + 60
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as ssh:
        assert ssh.stdin and ssh.stdout
        while data := os.read(ssh.stdout.fileno(), 65536):
            seen += data
            assert time.monotonic() < until, seen
            if seen.count(QUESTION.encode()) - seen.count(f"'{QUESTION}'".encode()) > answered:
                answered += 1
                ssh.stdin.write(f"{password}\n".encode())
                ssh.stdin.flush()
    return b"I am 0" in seen, seen.decode("utf-8", "replace")


@pytest.fixture
def another(user) -> Iterator[str]:
    """Another user, with the same password and `x` behind it."""
    name = f"{user.name}x"
    subprocess.run(["useradd", "-M", "-s", "/bin/false", name], check=True, capture_output=True)
    try:
        subprocess.run(["chpasswd"], input=f"{name}:{user.password}x".encode(), check=True)
        yield name
    finally:
        subprocess.run(["userdel", "-f", name], check=True, capture_output=True)


@pytest.mark.parametrize("more", ["", ", requiretty"], ids=["", "tty"])
def test_the_password_of_another_user(server, connect, user, sudoers, another: str, more: str):
    """As with rootpw and targetpw: whose password sudo wants is said to whoever is asked for it."""
    sudoers(f"Defaults:{{user}} runaspw, runas_default={another}, timestamp_timeout=0{more}\n{ALL}")
    assert by_hand(server, user.name, f"{user.password}x")[0] and not by_hand(server, user.name, user.password)[0]
    asked = []
    transport = connect(server.host(user=user.name), prompt=lambda text: asked.append(text) or f"{user.password}x")
    assert transport.run("id -u").out == b"0\n"
    assert asked == [f"sudo password of {another} on node-1 and the other hosts"]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_who_becomes_root(server, connect: Callable, user, sudoers, kind: Kind):
    sudoers(kind.rules)
    (user.home / ".bashrc").write_text(f"{kind.bashrc}\n")
    subprocess.run(["usermod", "-s", kind.shell, user.name], check=True, capture_output=True)
    password = "another" if kind.wrong else user.password
    root, seen = by_hand(server, user.name, password)
    assert root == kind.root, f"the oracle has another opinion:\n{seen}"
    transport = connect(server.host(user=user.name), prompt=lambda question: password)
    try:
        result = transport.run("id -u; cat", stdin=b"data")
    except ConnectionFailed as error:
        assert not kind.root, "\n".join(error.lines())
        assert error.exit_code == 4 and error.hint and password not in "\n".join(error.lines())
        assert len(error.evidence) < 600, error.evidence
    else:
        assert kind.root, "hardway must not become root where sudo does not make a person root"
        assert (result.code, result.out) == (0, b"0\ndata")
