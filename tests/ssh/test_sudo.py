"""Becoming root: without a password, with one, with a wrong one, and where sudo insists on a terminal."""

from __future__ import annotations

import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hardway.errors import AuthenticationError
from hardway.ssh import become_root

from .server import keygen

pytestmark = pytest.mark.sshd

NOPASSWD = "{user} ALL=(ALL) NOPASSWD: ALL"
PASSWORD = "Defaults:{user} timestamp_timeout=0\n{user} ALL=(ALL) ALL"
REQUIRETTY = "Defaults:{user} requiretty\n"


class Person:
    """Answers questions and counts them."""

    def __init__(self, answer: str):
        self.answer = answer
        self.questions: list[str] = []

    def __call__(self, question: str) -> str:
        self.questions.append(question)
        return self.answer


def test_sudo_without_a_password(server, connect, user, sudoers):
    sudoers(NOPASSWD)
    assert connect(server.host(user=user.name)).run("id -u").out == b"0\n"


def test_the_password_is_asked_once_for_all_hosts_and_threads(server, connect, user, sudoers):
    sudoers(PASSWORD)
    person = Person(user.password)
    transports = [connect(server.host(f"node-{n}", user=user.name), prompt=person) for n in range(3)]
    results: list[bytes] = []
    threads = [
        threading.Thread(target=lambda t=t: results.append(t.run("id -u; cat", stdin=b"data").out)) for t in transports
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [b"0\ndata"] * 3
    assert len(person.questions) == 1
    assert user.name in person.questions[0]


def test_a_wrong_password_fails_at_once_and_is_asked_for_again(server, connect, user, sudoers):
    sudoers(PASSWORD)
    person = Person("wrong-password")
    transport = connect(server.host(user=user.name), prompt=person)
    with pytest.raises(AuthenticationError) as caught:
        transport.run("true")
    text = "\n".join(caught.value.lines())
    assert "sudo does not accept the password" in text
    assert "next: ssh" in text
    assert "wrong-password" not in text
    person.answer = user.password
    assert transport.run("id -u").out == b"0\n"
    assert len(person.questions) == 2


def test_the_password_may_come_from_a_private_file(server, connect, user, sudoers, tmp_path, monkeypatch):
    sudoers(PASSWORD)
    file = tmp_path / "password"
    file.write_text(user.password + "\n")
    monkeypatch.setenv("HARDWAY_SUDO_PASSWORD_FILE", str(file))
    file.chmod(0o644)
    with pytest.raises(AuthenticationError, match="can be read by other users"):
        connect(server.host(user=user.name)).run("id -u")
    file.chmod(0o600)
    assert connect(server.host(user=user.name)).run("id -u").out == b"0\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"right\nid\n", "has more than one line"),
        (b"right\0", "holds a zero byte"),
        ("p\u00e4ss".encode("latin1"), "is not UTF-8"),
        (None, "Is a directory"),
    ],
)
def test_a_file_that_holds_no_password_is_named_before_anything_is_tried(
    server, connect, user, sudoers, monkeypatch, tmp_path, content, words
):
    sudoers(PASSWORD)
    file = tmp_path / "password"
    file.mkdir() if content is None else file.write_bytes(content)
    file.chmod(0o700 if content is None else 0o600)
    monkeypatch.setenv("HARDWAY_SUDO_PASSWORD_FILE", str(file))
    with pytest.raises(AuthenticationError, match=words) as caught:
        connect(server.host(user=user.name)).run("id -u")
    assert f"{file} (set in HARDWAY_SUDO_PASSWORD_FILE)" in caught.value.message
    assert "right" not in str(caught.value)


def test_without_anybody_to_ask_the_error_says_how_to_give_the_password(server, connect, user, sudoers):
    sudoers(PASSWORD)
    with pytest.raises(AuthenticationError) as caught:
        connect(server.host(user=user.name)).run("true")
    assert "needs a password" in caught.value.message
    assert "HARDWAY_SUDO_PASSWORD_FILE" in caught.value.hint


@pytest.mark.parametrize("mode", ["auto", "password"])
def test_a_password_is_never_left_over_as_data(server, connect, user, sudoers, mode):
    """With a remembered answer sudo asks nothing: what would have been the password must not turn up as stdin."""
    sudoers("Defaults:{user} timestamp_timeout=5, timestamp_type=global\n{user} ALL=(ALL) ALL")
    transport = connect(server.host(user=user.name, sudo=mode), prompt=Person(user.password))
    for _ in range(3):
        assert transport.run("cat", stdin=b"").out == b""
        assert transport.stream("cat", [b"data"]).out == b"data"


@pytest.mark.parametrize("rule", [NOPASSWD, PASSWORD], ids=["nopasswd", "password"])
def test_requiretty_changes_nothing_for_the_caller(server, connect, user, sudoers, rule):
    sudoers(REQUIRETTY + rule)
    transport = connect(server.host(user=user.name), prompt=Person(user.password))
    data = bytes(range(256)) * 1000 + b"\x03\x04\x1a\x11\x13\r\n"
    result = transport.run("id -u >&2; cat; exit 3", stdin=data)
    assert (result.code, result.err) == (3, b"0\n")
    assert result.out == data
    chunks = [os.urandom(100_000) for _ in range(30)]
    assert transport.stream("cat", chunks).out == b"".join(chunks)
    assert transport.stream("exit 6", (bytes(1 << 20) for _ in range(100))).code == 6
    lines: list[str] = []
    assert transport.follow("echo a; echo b; exit 2", lines.append) == 2
    assert lines == ["a", "b"]
    said, lines = [b"c\n"], []
    say = lambda: said.pop(0) if said else None if lines else b""  # noqa: E731
    assert transport.talk("while read -r x; do echo $x; done; exit 2", lines.append, say, 0.1) == 2
    assert lines == ["c"]
    assert transport.run("echo still fine").out == b"still fine\n"


def test_requiretty_with_a_wrong_password(server, connect, user, sudoers):
    sudoers(REQUIRETTY + PASSWORD)
    with pytest.raises(AuthenticationError) as caught:
        connect(server.host(user=user.name), prompt=Person("wrong-password")).run("true")
    assert "sudo does not accept the password" in caught.value.message
    assert "wrong-password" not in "\n".join(caught.value.lines())


def test_requiretty_leaves_nothing_behind(server, connect, user, sudoers):
    sudoers(REQUIRETTY + NOPASSWD)
    transport = connect(server.host(user=user.name))
    folder = transport.run("echo ${0%/*}").text.strip()
    transport.close()
    script = (
        f"i=0; while pgrep -u {user.name} || [ -e {folder} ] || find /dev/shm /tmp -maxdepth 1 -user {user.name} | grep"
        " .; do "
    )
    assert connect(server.host()).run(script + "i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done").code == 0


def test_a_user_who_is_no_sudoer_is_told_so(server, connect, user):
    with pytest.raises(AuthenticationError) as caught:
        connect(server.host(user=user.name), prompt=Person(user.password)).run("true")
    assert "sudo does not allow" in caught.value.message
    assert "sudoers" in caught.value.evidence
    assert user.password not in "\n".join(caught.value.lines())


def at_once(transports: list, script: str = "id -u") -> list:
    """What each run has ended with: its output, or the error."""

    def one(transport):
        try:
            return transport.run(script).out
        except AuthenticationError as error:
            return error

    with ThreadPoolExecutor(len(transports)) as pool:
        return list(pool.map(one, transports))


def logged(rules: str, log: Path) -> str:
    return f"Defaults:{{user}} logfile={log}, loglinelen=0\n{rules}"


def refusals(log: Path) -> int:
    """How often sudo has refused a password, once it has ended and said so."""
    deadline = time.monotonic() + 20
    while "incorrect password attempt" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    return log.read_text().count("incorrect password attempt")


def test_a_wrong_password_is_given_to_one_host_only(server, connect, user, sudoers, tmp_path):
    """Six wrong answers lock an account."""
    sudoers(logged(PASSWORD, tmp_path / "log"))
    person = Person("wrong-password")
    transports = [connect(server.host(f"node-{n}", user=user.name), prompt=person) for n in range(6)]
    ends = [end.message for end in at_once(transports)]
    refused = [message for message in ends if "does not accept the password" in message]
    assert len(refused) == 1
    assert len([message for message in ends if "was not tried" in message and "node-" in message]) == 5
    assert refusals(tmp_path / "log") == 1
    assert len(person.questions) == 1
    person.answer = user.password
    assert at_once(transports) == [b"0\n"] * 6
    assert refusals(tmp_path / "log") == 1


@pytest.mark.parametrize("kind", ["ppid", "tty", "global"])
@pytest.mark.parametrize("allowed", [True, False])
def test_one_sudo_does_not_wait_for_another_that_waits_for_us(
    server, connect, user, sudoers, monkeypatch, kind, allowed
):
    """sudo locks its record of passwords while it asks for one; we ask another sudo meanwhile."""
    answers = []
    monkeypatch.setattr(
        become_root, "_answered", lambda *args, ask=become_root._answered: answers.append(ask(*args)) or answers[-1]
    )
    sudoers(f"Defaults:{{user}} timestamp_type={kind}" + ("\n{user} ALL=(ALL) ALL" if allowed else ""))
    transport = connect(server.host(user=user.name), prompt=Person(user.password))
    if allowed:
        assert transport.run("id -u").out == b"0\n"
    else:
        with pytest.raises(AuthenticationError, match="sudo does not allow"):
            transport.run("true")
    assert [code for code, _ in answers] == [1]


def test_root_is_meant_even_where_sudo_makes_somebody_else_of_a_user(server, connect, user, sudoers):
    sudoers("Defaults:{user} runas_default=nobody\n{user} ALL=(ALL) NOPASSWD: ALL")
    assert connect(server.host(user=user.name)).run("id -u").out == b"0\n"


def test_a_wrong_password_where_sudo_asks_once(server, connect, user, sudoers):
    sudoers("Defaults:{user} passwd_tries=1\n" + PASSWORD)
    with pytest.raises(AuthenticationError, match="sudo does not accept the password"):
        connect(server.host(user=user.name), prompt=Person("wrong-password")).run("true")


BASHRC = {
    "a trace": "set -x",
    "a trace of another kind": "PS4='hardway sudo -p '; set -xv",
    "no newline": "printf 'sudo password: '",
    "noise": "echo 'hardway-password:'; echo sudo >&2",
}


@pytest.mark.parametrize("said", BASHRC.values(), ids=BASHRC)
@pytest.mark.parametrize("rule", [NOPASSWD, PASSWORD, REQUIRETTY + PASSWORD], ids=["free", "password", "tty"])
def test_what_a_shell_prints_is_no_question_of_sudos(server, connect, user, sudoers, said, rule, tmp_path):
    """A trace repeats our command line; only sudo itself asks for the password, and only it is given one."""
    sudoers(logged(rule, tmp_path / "log"))
    (user.home / ".bashrc").write_text(f"{said}\n")
    person = Person(user.password)
    transport = connect(server.host(user=user.name), prompt=person)
    assert transport.run("id -u; cat", stdin=b"data").out == b"0\ndata"
    assert len(person.questions) == (0 if rule == NOPASSWD else 1)
    assert "incorrect" not in (tmp_path / "log").read_text()


def nobody(question: str) -> str:
    raise AssertionError(f"asked in vain: {question}")


@pytest.mark.parametrize("trace", ["", "set -x"])
def test_sudo_for_other_commands_only(server, connect, user, sudoers, trace):
    sudoers("{user} ALL=(root) NOPASSWD: /usr/bin/id")
    (user.home / ".bashrc").write_text(f"{trace}\n")
    with pytest.raises(AuthenticationError, match=f"sudo allows {user.name} some commands") as caught:
        connect(server.host(user=user.name), prompt=nobody).run("true")
    assert len(caught.value.evidence) < 500 and caught.value.hint.endswith("sudo -l")


def test_sudo_for_other_commands_that_want_a_password(server, connect, user, sudoers):
    sudoers("Defaults:{user} timestamp_timeout=0\n{user} ALL=(root) /usr/bin/id")
    with pytest.raises(AuthenticationError, match=f"sudo allows {user.name} some commands") as caught:
        connect(server.host(user=user.name), prompt=Person(user.password)).run("true")
    assert "is not allowed to execute" in caught.value.evidence and len(caught.value.evidence) < 500
    assert "umask" not in caught.value.evidence and user.password not in caught.value.evidence


@pytest.mark.parametrize("others", [[], ["doas"]], ids=["nothing", "doas"])
def test_a_machine_without_sudo(start, connect, user, others):
    programs = user.home / "programs"
    programs.mkdir()
    for name in ("env", "sh"):
        (programs / name).symlink_to(shutil.which(name))
    for name in others:
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    server = start(extra=f"SetEnv PATH={programs}\n")
    with pytest.raises(AuthenticationError) as caught:
        connect(server.host(user=user.name), prompt=nobody).run("true")
    assert ("has doas but not sudo" if others else "has no program sudo") in caught.value.message
    assert len(caught.value.evidence) < 500 and "ssh.user: root" in caught.value.hint


SAID_BY_CLOUDS = [
    'Please login as the user \\"ubuntu\\" rather than the user \\"root\\".',
    "Please log in as ubuntu",
]


@pytest.mark.parametrize("words", SAID_BY_CLOUDS)
def test_root_who_is_sent_to_another_user(server, connect, tmp_path, words):
    key = keygen(tmp_path / "key")
    public = key.with_suffix(".pub").read_text()
    with (server.folder / "authorized_keys").open("a") as file:
        file.write(f"command=\"echo '{words}';echo;exit 142\" {public}")
    with pytest.raises(AuthenticationError, match="it wants a login as ubuntu") as caught:
        connect(server.host(key=key)).run("true")
    assert caught.value.hint == "set ssh: {user: ubuntu} for node-1 in INV"
    assert caught.value.exit_code == 4


def test_a_user_who_is_sent_to_another_user(server, connect, user, tmp_path):
    key = keygen(tmp_path / "key")
    with (server.folder / "authorized_keys").open("a") as file:
        file.write(f"command=\"echo '{SAID_BY_CLOUDS[0]}';echo;exit 142\" {key.with_suffix('.pub').read_text()}")
    with pytest.raises(AuthenticationError, match=f"does not let {user.name} in: it wants a login as ubuntu") as caught:
        connect(server.host(key=key, user=user.name)).run("true")
    assert caught.value.hint == "set ssh: {user: ubuntu} for node-1 in INV"


def test_sudo_never_says_that_root_is_needed(server, connect, user, sudoers):
    sudoers(NOPASSWD)
    with pytest.raises(AuthenticationError, match="is not root"):
        connect(server.host(user=user.name, sudo="never")).run("true")
    assert connect(server.host(sudo="never")).run("id -u").out == b"0\n"


def test_no_secret_is_ever_seen_in_a_process(server, connect, user, sudoers):
    """Every command line and environment on the machine is sampled while passwords, scripts and data pass."""
    sudoers(PASSWORD)
    transport = connect(server.host(user=user.name), prompt=Person(user.password))
    secrets = [user.password.encode(), b"script-secret-4711", b"stdin-secret-4712", b"chunk-secret-4713"]
    found, samples, done = set(), [0], threading.Event()

    def sample():
        while not done.is_set():
            samples[0] += 1
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        content = (process / name).read_bytes()
                    except OSError:
                        continue
                    found.update(secret for secret in secrets if secret in content)

    watcher = threading.Thread(target=sample)
    watcher.start()
    try:
        for _ in range(5):
            transport.run(": script-secret-4711; cat >/dev/null; sleep 0.2", stdin=b"stdin-secret-4712")
            transport.stream("cat >/dev/null; sleep 0.2 # script-secret-4711", [b"chunk-secret-4713"])
    finally:
        done.set()
        watcher.join()
    assert samples[0] > 3
    assert found == set()
