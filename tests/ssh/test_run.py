"""Scripts, bytes, exit codes, threads: what every phase relies on."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hardway.errors import ConnectionLost, NotReadyError
from hardway.ssh import remote_shell
from hardway.transport import STOPPED

pytestmark = pytest.mark.sshd


def test_both_streams_and_the_exit_code_come_back(server, connect):
    result = connect(server.host()).run("echo out; echo err >&2; exit 7")
    assert (result.code, result.out, result.err) == (7, b"out\n", b"err\n")


def test_every_byte_survives_both_ways(server, connect):
    data = bytes(range(256)) * 40 + b"\n\n\x00\r\n" + os.urandom(100_000)
    result = connect(server.host()).run("cat; cat >&2 </dev/null; printf '\\377\\000' >&2", stdin=data)
    assert result.out == data
    assert result.err == b"\xff\x00"


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 32767, 32768, 32769, 262_144])
def test_sizes_at_the_edges_of_buffers(server, connect, size):
    data = os.urandom(size)
    assert connect(server.host()).run("cat", stdin=data).out == data


def test_a_script_that_leaves_its_stdin_unread_disturbs_no_later_one(server, connect):
    transport = connect(server.host())
    assert transport.run("true", stdin=b"echo stray\n" * 5000).code == 0
    assert transport.run("cat", stdin=b"next").out == b"next"


def test_script_text_is_taken_literally(server, connect):
    script = """cat <<'END'\n$HOME `id` 'single' "double" \\n !! * ~ é\nEND\nprintf %s "$0"\n"""
    out = connect(server.host()).run(script).text
    assert out.startswith("$HOME `id` 'single' \"double\" \\n !! * ~ é\n")


def test_twenty_megabytes_of_output_cost_no_more_than_their_size(server, connect):
    transport = connect(server.host())
    transport.run("true")
    begin = time.monotonic()
    one = transport.run("head -c 1000000 /dev/zero").out
    middle = time.monotonic()
    twenty = transport.run("head -c 20000000 /dev/zero").out
    end = time.monotonic()
    assert (len(one), len(twenty)) == (1_000_000, 20_000_000)
    # A quadratic reader needs 400 times as long for 20 times the output; the floor keeps a busy machine from deciding.
    assert end - middle < 60 * max(middle - begin, 0.05)


def test_scripts_start_in_the_same_plain_surroundings(server, connect):
    lines = (
        connect(server.host())
        .run("pwd; umask; echo $LC_ALL; command -v ip sysctl >/dev/null && echo found")
        .text.split()
    )
    assert lines == ["/", "0022", "C", "found"]


def test_nothing_of_one_script_leaks_into_the_next(server, connect):
    transport = connect(server.host())
    transport.run("cd /tmp; leak=1; export leak; umask 0; set -e; false")
    assert transport.run("pwd; umask; echo [$leak]").text.split() == ["/", "0022", "[]"]


def test_several_threads_run_at_once_on_few_sessions(server, connect):
    transport = connect(server.host())
    gate = "i=0; until [ -e {0}/b ] && [ -e {0}/a ]; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done"
    with ThreadPoolExecutor(12) as pool:
        folder = transport.run("mktemp -d").text.strip()
        pair = [pool.submit(transport.run, f"touch {folder}/{name}; {gate.format(folder)}") for name in "ab"]
        assert [future.result().code for future in pair] == [
            0,
            0,
        ], "two scripts that wait for each other must run side by side"
        many = [pool.submit(transport.run, f"echo {n}") for n in range(40)]
        assert [int(future.result().text) for future in many] == list(range(40))
        transport.run(f"rm -r {folder}")


def test_a_daemon_left_behind_neither_hangs_nor_pollutes(server, connect, tmp_path):
    transport = connect(server.host())
    begin = time.monotonic()
    number = tmp_path / "number"
    assert transport.run(f"(while :; do echo noise; echo noise >&2; sleep 0.01; done) & echo $! >{number}").code == 0
    assert time.monotonic() - begin < 10
    results = [transport.run("echo clean").out for _ in range(20)]
    assert set(results) == {b"clean\n"}
    assert transport.run(f"kill {number.read_text()}").code == 0, "the daemon must still have been there"


def test_a_hung_command_times_out_by_name_and_is_ended_with_its_children(server, connect):
    transport = connect(server.host("slow-host"))
    with pytest.raises(NotReadyError) as caught:
        transport.run("# a comment\nsleep 4242 | cat\n", timeout=1)
    assert caught.value.host == "slow-host"
    assert caught.value.command == "sleep 4242 | cat"
    assert 0.9 < caught.value.waited_seconds < 5
    assert transport.run("echo alive").out == b"alive\n"
    assert transport.run("pgrep -fx 'sleep 4242'").out == b"", "the script's children must be gone"


def test_temporary_files_are_private_and_gone_afterwards(server, connect):
    transport = connect(server.host())
    seen = transport.run("stat -c '%a %n' ${0%/*} && cat", stdin=b"secret").text
    folder = Path(seen.splitlines()[0].split()[1])
    assert seen.startswith("700 ")
    assert folder.is_dir()
    transport.close()
    deadline = time.monotonic() + 10
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not folder.exists()


def test_follow_hands_on_lines_as_they_come_and_the_exit_code(server, connect):
    stamps: list[tuple[str, float]] = []
    code = connect(server.host()).follow(
        "echo first; sleep 1; echo; echo last; printf tail; exit 5",
        lambda line: stamps.append((line, time.monotonic())),
    )
    assert code == 5
    assert [line for line, _ in stamps] == ["first", "", "last", "tail"]
    assert stamps[-1][1] - stamps[0][1] > 0.8, "the first line must not wait for the last"


def test_interrupting_follow_ends_the_command(server, connect):
    transport = connect(server.host())

    def stop(line: str):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transport.follow("echo begun; exec sleep 4343", stop)
    assert transport.run("pgrep -fx 'sleep 4343'").out == b""


def test_following_ends_when_it_is_told_to_even_in_silence(server, connect):
    transport, heard = connect(server.host()), []
    assert (
        transport.follow("echo begun; sleep 4344 & exec sleep 4344", heard.append, stop=lambda: bool(heard)) == STOPPED
    )
    assert heard == ["begun"]
    assert transport.run("pgrep -fx 'sleep 4344'").out == b"", "neither the command nor its child may be left"


def test_talking_gives_and_takes_lines_as_they_come(server, connect):
    said, heard = ["one", "two", "three"], []

    def say() -> bytes | None:
        """The next only when the last has come back."""
        if len(heard) < 3 - len(said):
            return b""
        return f"{said.pop(0)}\n".encode() if said else None

    script = "while read -r x; do echo got $x; done; echo end; exit 4"
    assert connect(server.host()).talk(script, heard.append, say, 0.1) == 4
    assert heard == ["got one", "got two", "got three", "end"]


def test_a_command_that_ends_while_it_is_spoken_to_is_answered_with_its_code(server, connect):
    transport = connect(server.host())
    assert [transport.talk(f"exit {code}", print, lambda: b"line\n", 0.01) for code in (0, 7)] == [0, 7]
    assert transport.run("echo still fine").out == b"still fine\n"


def test_what_is_spoken_to_ends_with_the_connection(server, connect, tmp_path):
    transport, heard = connect(server.host()), []

    def say() -> bytes:
        if heard:
            server.cut()
        return b"x\n"

    with pytest.raises(ConnectionLost):
        # An echo after the cut would end the shell before it reads its end of file.
        script = f"trap '' PIPE; while read -r x; do echo $x; done; touch {tmp_path}/ended"
        transport.talk(script, heard.append, say, 0.1)
    deadline = time.monotonic() + 10
    while not (tmp_path / "ended").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (tmp_path / "ended").exists()


def test_what_is_only_listened_to_ends_with_the_connection(server, connect):
    """It is silent, so that no broken pipe ends it."""
    heard = []

    def cut() -> bool:
        if heard:
            server.cut()
        return False

    with pytest.raises(ConnectionLost):
        connect(server.host()).follow("echo begun; sleep 4346 & exec sleep 4346", heard.append, cut)
    left = ["pgrep", "-fx", "sleep 4346"]
    deadline = time.monotonic() + 10
    while subprocess.run(left, check=False, stdout=subprocess.DEVNULL).returncode == 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert subprocess.run(left, check=False, capture_output=True).stdout == b""


def test_what_does_not_end_by_itself_is_ended(server, connect, monkeypatch):
    monkeypatch.setattr(remote_shell, "PARTING", 1.0)
    transport, heard = connect(server.host()), []
    code = transport.talk("echo begun; exec sleep 4345", heard.append, lambda: None if heard else b"", 0.1)
    assert code == STOPPED
    assert transport.run("pgrep -fx 'sleep 4345'").out == b""


def test_closing_leaves_no_thread_behind(server, connect):
    before = set(threading.enumerate())
    transport = connect(server.host())
    transport.run("true")
    transport.close()
    deadline = time.monotonic() + 10
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert set(threading.enumerate()) - before == set()


def test_a_closed_transport_opens_again(server, connect):
    transport = connect(server.host())
    assert transport.run("echo a").out == b"a\n"
    transport.close()
    assert transport.run("echo b").out == b"b\n"


def test_an_idle_connection_sleeps_until_something_comes(server, connect):
    """Its thread used to look ten times a second whether it was to end: with hundreds of hosts that was most of the
    work."""
    transport = connect(server.host())
    transport.run("true")
    reader = transport._link.transport
    assert reader.sock.gettimeout() >= 5
    before = time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID)
    time.sleep(2)
    assert time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID) - before < 0.1
    transport.close()
    reader.join(2)
    assert not reader.is_alive(), "closing has to wake it"


def test_the_kernel_asks_an_idle_host_for_signs_of_life(server, connect):
    transport = connect(server.host())
    transport.run("true")
    sock = transport._link.transport.sock
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    asked = [sock.getsockopt(socket.IPPROTO_TCP, name) for name in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL)]
    patience = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
    assert (asked, patience) == ([5, 5], 4)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0, "it counts a slow machine as a silent one"
