"""A slow machine is not a silent one: only what acknowledges nothing at all is given up."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

import pytest

from hardway import patience
from hardway.cluster import Host
from hardway.errors import ConnectionLost
from hardway.ssh.life import pulse, silence

from .server import SSHD, Server, await_port, keygen

pytestmark = [pytest.mark.sshd, pytest.mark.slow]


@contextlib.contextmanager
def stopped(processes: list[int]) -> Iterator[None]:
    """A machine so slow that its sshd does nothing at all for a while; its kernel answers."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


def test_a_machine_that_takes_nothing_in_for_a_while_is_slow(far_away, connect, monkeypatch):
    """The receiver's window stays at zero for much longer than silence may last: it has little room."""
    ip("netns", "exec", far_away.name, "sysctl", "-qw", "net.ipv4.tcp_rmem=4096 16384 32768")
    monkeypatch.setattr(silence, "SILENCE", 1.0)
    monkeypatch.setattr(silence, "LOOK", 0.1)
    transport = connect(far_away.host)
    transport.run("true")
    sock, begun = transport._link.transport.sock, threading.Event()

    def chunks() -> Iterator[bytes]:
        for number in range(64):
            if number == 4:
                begun.set()
            yield bytes(1 << 20)

    def slow() -> None:
        begun.wait(30)
        with stopped(far_away.server.sessions()):
            time.sleep(5)

    thread = threading.Thread(target=slow)
    thread.start()
    result = transport.stream("wc -c", chunks())
    thread.join()
    assert result.out.strip() == str(64 << 20).encode()
    assert transport._link.transport.sock is sock and transport._link.alive, "it is still the same connection"


def test_an_answer_that_queues_behind_data_may_take_its_time(server, connect, monkeypatch):
    """The server answers no sign of life while it takes in a large file slowly."""
    monkeypatch.setattr(pulse, "EVERY", 0.1)
    monkeypatch.setattr(pulse, "PATIENCE", 3.0)
    transport = connect(server.host())
    limit = pulse.Limit(transport._connected().transport)
    chunks = (b"x" * (1 << 16) for _ in range(150))
    result = transport.stream("while head -c 65536 | grep -q x; do echo; sleep 0.05; done", chunks)
    assert len(result.out) == 150
    assert transport._link.alive
    limit.cancel()


def test_nothing_that_moves_and_no_answer_is_the_end(server, connect, monkeypatch):
    monkeypatch.setattr(pulse, "PATIENCE", 0.3)
    transport = connect(server.host())
    transport.run("true")
    connection = transport._link.transport
    pulse.Limit(connection)
    connection.join(5)
    assert not connection.is_active()


class FarAway(NamedTuple):
    """A server in a network of its own, how it is reached, and the name of that network and of the cable to it."""

    server: Server
    host: Host
    name: str


@pytest.fixture
def far_away(tools, tmp_path: Path) -> Iterator[FarAway]:
    name = f"hw{secrets.token_hex(3)}"
    near = IPv4Address("169.254.64.1") + 4 * secrets.randbelow(8192)
    far = near + 1
    folder = tmp_path / "far"
    folder.mkdir()
    host_key, key = keygen(folder / "host_ed25519"), keygen(folder / "user_key")
    (folder / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
    (folder / "sshd_config").write_text(
        f"Port 2222\nListenAddress {far}\nHostKey {host_key}\nAuthorizedKeysFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysCommand /bin/cat {folder}/authorized_keys\nAuthorizedKeysCommandUser root\nPidFile none\n"
    )
    with contextlib.ExitStack() as stack:
        ip("netns", "add", name)
        stack.callback(ip, "netns", "del", name)
        ip("link", "add", name, "type", "veth", "peer", "name", "far", "netns", name)
        stack.callback(ip, "link", "del", name)  # the kernel takes its time to end a network with open connections
        ip("addr", "add", f"{near}/30", "dev", name)
        ip("link", "set", name, "up")
        for words in (("addr", "add", f"{far}/30", "dev", "far"), ("link", "set", "far", "up")):
            ip("-n", name, *words)
        command = ["ip", "netns", "exec", name, SSHD, "-D", "-f", folder / "sshd_config", "-E", folder / "log"]
        process = stack.enter_context(subprocess.Popen(command))
        stack.callback(process.terminate)
        server = Server(folder, 2222, key, process)
        stack.callback(server.cut)
        kind, blob = host_key.with_suffix(".pub").read_text().split()[:2]
        server.known_hosts.write_text(f"[{far}]:2222 {kind} {blob}\n")
        await_port(2222, process, address=str(far))
        yield FarAway(server, dataclasses.replace(server.host(), address=far), name)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def test_a_machine_whose_cable_is_pulled_is_given_up_while_it_is_sent_something(far_away, connect, monkeypatch):
    monkeypatch.setattr(silence, "SILENCE", 1.0)
    monkeypatch.setattr(silence, "LOOK", 0.1)
    transport = connect(far_away.host)
    transport.run("true")

    def chunks() -> Iterator[bytes]:
        for number in range(1000):
            if number == 4:
                ip("-n", far_away.name, "link", "set", "far", "down")
                begun.append(time.monotonic())
            yield bytes(1 << 20)

    begun: list[float] = []
    with pytest.raises(ConnectionLost):
        transport.stream("cat >/dev/null", chunks())
    assert time.monotonic() - begun[0] < 15
    transport.close()


def test_patience_stretches_silence_too(monkeypatch):
    closed = []

    class Transport:
        def close(self) -> None:
            closed.append(True)

    monkeypatch.setattr(patience, "_factor", 3.0)
    monkeypatch.setattr(silence, "unanswered", lambda sock: (True, 100.0))
    watched = silence.Watched(Transport(), None)
    for now in (0.0, 20.0, 59.0):
        watched.look(1000.0 + now)
    assert not closed
    watched.look(1061.0)
    assert closed
