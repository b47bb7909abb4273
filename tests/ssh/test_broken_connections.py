"""Hosts that are not there, do not answer, or vanish in the middle."""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from hardway.errors import ConnectionFailed, ConnectionLost, NotReadyError

from .server import free_port

pytestmark = pytest.mark.sshd


@contextlib.contextmanager
def silent_port():
    """Accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_connection_cut_between_calls_is_opened_again_unnoticed(server, connect):
    transport = connect(server.host())
    transport.run("true")
    server.cut()
    deadline = time.monotonic() + 10
    while transport._link.alive and time.monotonic() < deadline:
        time.sleep(0.1)
    assert transport.run("echo back").out == b"back\n"


def test_a_connection_cut_during_a_call_is_an_error_of_that_call_alone(server, connect, tmp_path):
    transport = connect(server.host("node-7"))
    transport.run("true")
    mark = tmp_path / "mark"

    def cut():
        while not mark.exists():
            time.sleep(0.1)
        server.cut()

    cutter = threading.Thread(target=cut)
    cutter.start()
    with pytest.raises(ConnectionLost) as caught:
        transport.run(f"echo ran >>{mark}; sleep 3")
    cutter.join()
    assert caught.value.message == "the connection to node-7 broke during a command"
    assert caught.value.host == "node-7"
    assert caught.value.command == f"echo ran >>{mark}; sleep 3"
    assert transport.run("echo back").out == b"back\n"
    assert mark.read_text() == "ran\n", "a script must never be run a second time by itself"


def test_a_shell_killed_on_the_host_is_replaced(server, connect):
    transport = connect(server.host())
    number, folder = transport.run("cut -d' ' -f4 /proc/$$/stat; echo ${0%/*}").text.split()
    os.kill(int(number), signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)  # what called the shell may be clearing it away already
    deadline = time.monotonic() + 10
    while any(shell.usable for shell in transport._idle) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert transport.run("echo back").out == b"back\n"
    with pytest.raises(ConnectionLost, match="the shell on node-1 exited"):
        transport.run("read -r _ _ _ parent _ </proc/$$/stat; kill -KILL $parent; rm -r ${0%/*}; sleep 1")


def test_a_stream_cut_half_way(server, connect):
    transport = connect(server.host())

    def chunks():
        for number in range(100):
            if number == 5:
                server.cut()
            yield bytes(1 << 20)

    with pytest.raises(ConnectionLost):
        transport.stream("cat >/dev/null", chunks())
    assert transport.run("echo back").out == b"back\n"


def test_nothing_listens(server, connect):
    port = free_port()
    with pytest.raises(ConnectionFailed) as caught:
        connect(server.host("node-3", port=port)).run("true")
    assert caught.value.message == f"nothing listens on 127.0.0.1:{port}: connection refused"
    assert (caught.value.host, caught.value.exit_code) == ("node-3", 4)
    assert caught.value.hint


def test_a_host_that_accepts_but_never_speaks(server, connect):
    with silent_port() as port:
        begin = time.monotonic()
        with pytest.raises(ConnectionFailed) as caught:
            connect(server.host("mute", port=port, connect_timeout=1)).run("true")
        assert time.monotonic() - begin < 5
    assert f"127.0.0.1:{port} accepts connections but does not speak SSH within 1." in caught.value.message
    assert caught.value.host == "mute"
    assert caught.value.waited_for == "the SSH greeting"


def test_an_address_that_does_not_answer(server, connect):
    """A full backlog drops our SYN just as a host that is powered off."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        with pytest.raises(ConnectionFailed) as caught:
            connect(server.host(port=port, connect_timeout=1)).run("true")
        for filler in fillers:
            filler.close()
    assert f"127.0.0.1:{port} does not answer within 1." in caught.value.message


def test_a_name_that_does_not_resolve(server, connect, tmp_path):
    config = tmp_path / "config"
    config.write_text("Host node-1\n  HostName no-such-host.invalid\n")
    with pytest.raises(ConnectionFailed, match="the name no-such-host.invalid cannot be resolved"):
        connect(server.host(config=config)).run("true")


def test_a_frozen_server_times_out_by_name(server, connect):
    transport = connect(server.host("frozen"))
    transport.run("true")
    children = server.sessions()
    for child in children:
        os.kill(child, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        with pytest.raises(NotReadyError) as caught:
            transport.run("true", timeout=1)
        assert caught.value.host == "frozen"
        assert time.monotonic() - begin < 20
    finally:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGCONT)


def test_a_server_that_hangs_up_at_once_is_tried_again_then_named(server, connect):
    tries = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up():
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    tries.append(1)
                    sock.close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        with pytest.raises(ConnectionFailed, match="closed the connection"):
            connect(server.host(port=listener.getsockname()[1])).run("true")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert 2 < len(tries) < 10


def test_nothing_is_printed_and_the_interpreter_ends_by_itself(server, tmp_path):
    """paramiko would complain on stderr when its connection breaks, and threads could keep the process alive."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, pickle, signal, sys\n"
        "from hardway import ssh\n"
        "assert 'paramiko' not in sys.modules and 'fabric' not in sys.modules\n"
        f"host = pickle.load(open({str(tmp_path / 'host')!r}, 'rb'))\n"
        "transport = ssh.connect(host)\n"
        "transport.dial(host.ssh.port)\n"
        "number = int(transport.run('cut -d\" \" -f4 /proc/$PPID/stat').text)\n"
        "other = ssh.connect(host)\n"
        "other.run('true')\n"
        "os.kill(number, signal.SIGKILL)\n"
        "try:\n"
        "    transport.run('sleep 5')\n"
        "except Exception as error:\n"
        "    print(type(error).__name__)\n"
    )
    (tmp_path / "host").write_bytes(pickle.dumps(server.host()))
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("ConnectionLost", "", 0)


def test_a_server_that_shows_no_sign_of_life_is_given_up(server, connect, monkeypatch):
    """The kernel takes what we send and acknowledges it, as a bastion does for a machine that is off."""
    monkeypatch.setattr("hardway.ssh.life.pulse.EVERY", 0.1)
    monkeypatch.setattr("hardway.ssh.life.pulse.PATIENCE", 1.0)
    transport = connect(server.host("frozen", connect_timeout=1))
    transport.run("true")
    begin = time.monotonic()
    children = server.sessions()
    for child in children:
        os.kill(child, signal.SIGSTOP)
    try:
        with pytest.raises(ConnectionLost) as caught:
            transport.run("sleep 60", timeout=50)
        assert time.monotonic() - begin < 20
        assert caught.value.host == "frozen" and caught.value.waited_seconds >= 0.9
    finally:
        for child in children:
            os.kill(child, signal.SIGCONT)
    assert transport.run("echo back").out == b"back\n"


def test_a_server_that_is_slow_to_answer_is_not(server, connect, monkeypatch):
    monkeypatch.setattr("hardway.ssh.life.pulse.EVERY", 0.05)
    transport = connect(server.host())
    assert transport.run("sleep 1; echo there").out == b"there\n"
    assert transport._link.alive


HANGS_UP = """
import random, socket, struct, threading

def serve(client):
    client.recv(random.choice((1, 100, 5000, 60000)))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()

listener = socket.create_server(("127.0.0.1", 0), backlog=100)
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()
"""


def test_a_service_that_hangs_up_breaks_nothing_else_on_the_connection(server, connect):
    """Without hardway.ssh.channels, sshd disconnected after fewer than a hundred of these."""
    transport = connect(server.host())
    transport.run("true")
    link = transport._link
    service = subprocess.Popen([sys.executable, "-c", HANGS_UP], stdout=subprocess.PIPE, text=True)
    port = int(service.stdout.readline())

    def client():
        for _ in range(300):
            with transport.dial(port) as sock, contextlib.suppress(OSError):
                for _ in range(200):
                    sock.sendall(bytes(1000))

    clients = [threading.Thread(target=client) for _ in range(4)]
    try:
        for one in clients:
            one.start()
        for one in clients:
            one.join()
    finally:
        service.kill()
        service.wait()
    assert "nonexistent channel" not in server.log()
    assert transport._link is link and link.alive
