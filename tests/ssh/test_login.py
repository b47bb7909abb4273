"""Keys from files and from an agent, with passphrases, and what is said when none fits."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from hardway.errors import AuthenticationError, ConnectionFailed
from hardway.settings import Ssh

from .server import agent_at, keygen

pytestmark = pytest.mark.sshd


@pytest.fixture
def agent(tools, tmp_path, monkeypatch):
    """An ssh-agent of this test's own; keys are added by path."""
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent.sock"))

    def add(key: Path) -> None:
        key.chmod(0o600)
        subprocess.run(["ssh-add", "-q", key], check=True)

    with agent_at(tmp_path / "agent.sock"):
        yield add


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_every_kind_of_key(server, connect, tmp_path, kind):
    key = keygen(tmp_path / "key", kind)
    server.authorize(key)
    assert connect(server.host(key=key)).run("true").code == 0


def test_a_passphrase_is_asked_once(server, connect, tmp_path):
    key = keygen(tmp_path / "key", passphrase="open sesame")
    server.authorize(key)
    questions = []
    for name in ("node-1", "node-2"):
        transport = connect(
            server.host(name, key=key), prompt=lambda question: questions.append(question) or "open sesame"
        )
        assert transport.run("true").code == 0
    assert len(questions) == 1
    assert str(key) in questions[0]


def test_a_wrong_passphrase_is_named_without_being_shown(server, connect, tmp_path):
    key = keygen(tmp_path / "key", passphrase="open sesame")
    with pytest.raises(AuthenticationError) as caught:
        connect(server.host(key=key), prompt=lambda question: "close sesame").run("true")
    assert f"the passphrase for {key} is wrong" in caught.value.message
    assert "close sesame" not in "\n".join(caught.value.lines())


def test_a_passphrase_from_a_private_file(server, connect, tmp_path, monkeypatch):
    key = keygen(tmp_path / "key", passphrase="open sesame")
    server.authorize(key)
    file = tmp_path / "passphrase"
    file.write_text("open sesame\n")
    file.chmod(0o600)
    monkeypatch.setenv("HARDWAY_KEY_PASSPHRASE_FILE", str(file))
    assert connect(server.host(key=key)).run("true").code == 0


def test_without_anybody_to_ask_the_encrypted_key_is_named(server, connect, tmp_path):
    key = keygen(tmp_path / "key", passphrase="open sesame")
    with pytest.raises(AuthenticationError) as caught:
        connect(server.host(key=key)).run("true")
    assert f"key {key}: encrypted" in caught.value.evidence
    assert "HARDWAY_KEY_PASSPHRASE_FILE" in caught.value.evidence


def test_a_wrong_key_says_what_was_tried_and_what_to_try_next(server, connect, tmp_path):
    key = keygen(tmp_path / "stranger")
    with pytest.raises(AuthenticationError) as caught:
        connect(server.host(key=key)).run("true")
    assert caught.value.exit_code == 4
    assert f"key {key}: refused" in caught.value.evidence
    files = f"-F none -o UserKnownHostsFile={server.known_hosts}"
    assert caught.value.hint == f"ssh -v {files} -p {server.port} -i {key} root@127.0.0.1"


def test_a_missing_or_broken_key_file_is_named(server, connect, tmp_path):
    with pytest.raises(AuthenticationError) as caught:
        connect(server.host(key=tmp_path / "absent")).run("true")
    assert "absent: no such file" in caught.value.evidence
    (tmp_path / "broken").write_text("not a key\n")
    (tmp_path / "broken").chmod(0o600)
    with pytest.raises(AuthenticationError) as caught:
        connect(server.host(key=tmp_path / "broken")).run("true")
    assert "broken: not a usable private key" in caught.value.evidence


def test_the_agent_lets_us_in(server, connect, agent, tmp_path):
    key = keygen(tmp_path / "key")
    server.authorize(key)
    agent(key)
    key.unlink()
    key.with_suffix(".pub").unlink(missing_ok=True)
    host = server.host(key=None, agent=True)
    assert connect(host).run("true").code == 0
    with pytest.raises(AuthenticationError):
        connect(server.host(key=tmp_path / "key", agent=False)).run("true")


def test_an_encrypted_key_that_the_agent_holds_needs_no_passphrase(server, connect, agent, tmp_path):
    key = keygen(tmp_path / "key")
    server.authorize(key)
    agent(key)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-N", "open sesame", "-P", "", "-f", key], check=True, capture_output=True
    )

    def nobody(question: str) -> str:
        raise AssertionError(question)

    assert connect(server.host(key=key, agent=True), prompt=nobody).run("true").code == 0


def test_an_agent_full_of_strangers_hides_not_the_right_key(server, connect, agent, tmp_path):
    for number in range(8):
        agent(keygen(tmp_path / f"stranger{number}"))
    assert connect(server.host(agent=True)).run("true").code == 0
    with pytest.raises(AuthenticationError) as caught:
        connect(server.host(agent=True, key=keygen(tmp_path / "another"))).run("true")
    assert "too many keys" in caught.value.evidence


def test_a_server_without_public_key_login_is_told_apart(start, connect):
    server = start(extra="PubkeyAuthentication no\nPasswordAuthentication yes\n")
    with pytest.raises(AuthenticationError) as caught:
        connect(server.host()).run("true")
    assert "allows only password" in caught.value.evidence


def test_the_users_ssh_config_is_heeded(server, connect, tmp_path):
    config = tmp_path / "config"
    config.write_text(
        f"Include {tmp_path}/more\nHost node-9\n  Port {server.port}\n  IdentityFile {server.key}\n  UserKnownHostsFile"
        f" {server.known_hosts}\n"
    )
    (tmp_path / "more").write_text("Host node-9\n  HostName 127.0.0.1\nHost other\n  HostName 192.0.2.1\n")
    host = server.host("node-9", port=22, key=None, config=config, known_hosts=Ssh.known_hosts)
    assert connect(host).run("true").code == 0
    with pytest.raises(ConnectionFailed):
        connect(server.host("other", port=22, config=config, connect_timeout=1)).run("true")


def test_an_agent_that_never_answers_holds_nobody_up(server, connect, tmp_path, monkeypatch):
    """A forwarded one, in a terminal that outlived the connection it came by."""
    monkeypatch.setattr("hardway.ssh.login.agent.AGENT", 0.2)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent.sock"))
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "agent.sock"))
        silent.listen()
        assert connect(server.host(agent=True)).run("true").code == 0
        with pytest.raises(AuthenticationError) as caught:
            connect(server.host(key=tmp_path / "none", agent=True)).run("true")
    assert "agent.sock does not list its keys (timed out)" in caught.value.evidence
