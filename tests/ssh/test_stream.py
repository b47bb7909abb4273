"""Large data into a command."""

from __future__ import annotations

import hashlib
import os
import time

import pytest

from hardway.errors import NotReadyError

pytestmark = pytest.mark.sshd


def test_data_arrives_whole_and_progress_adds_up(server, connect, tmp_path):
    chunks = [os.urandom(n) for n in (1, 32767, 32768, 32769, 3_000_000, 0, 5)]
    counts: list[int] = []
    result = connect(server.host()).stream("sha256sum; echo done >&2", chunks, sent=counts.append)
    assert result.text.split()[0] == hashlib.sha256(b"".join(chunks)).hexdigest()
    assert result.err == b"done\n"
    assert sum(counts) == sum(map(len, chunks))


def test_memory_does_not_grow_with_the_data(server, connect):
    transport = connect(server.host())
    made = 0

    def chunks():
        nonlocal made
        for _ in range(200):
            made += 1
            yield bytes(1 << 20)

    ahead: list[int] = []
    sent = 0

    def count(n: int):
        nonlocal sent
        sent += n
        ahead.append(made * (1 << 20) - sent)

    assert transport.stream("wc -c", chunks(), sent=count).out == b"209715200\n"
    assert max(ahead) <= 1 << 20, "no chunk may be asked for before the last one is on its way"


def test_throughput_is_not_absurd(server, connect):
    """A floor far below what loopback gives (some 150 to 250 MB/s): it catches a packet-at-a-time or quadratic
    sender."""
    transport = connect(server.host())
    transport.run("true")
    chunk = bytes(1 << 20)
    begin = time.monotonic()
    assert transport.stream("cat >/dev/null", (chunk for _ in range(100))).code == 0
    assert 100 / (time.monotonic() - begin) > 10


def test_a_command_that_ends_early_is_answered_at_once(server, connect):
    transport = connect(server.host())
    begin = time.monotonic()
    result = transport.stream("head -c 3; echo full >&2; exit 28", (bytes(1 << 20) for _ in range(5000)))
    assert (result.code, len(result.out), result.err) == (28, 3, b"full\n")
    assert time.monotonic() - begin < 30


def test_a_command_that_reads_nothing_times_out_by_name(server, connect):
    transport = connect(server.host("stuck"))
    with pytest.raises(NotReadyError) as caught:
        transport.stream("exec sleep 4444", (bytes(1 << 20) for _ in range(100)), timeout=1)
    assert caught.value.host == "stuck"
    assert transport.run("pgrep -fx 'sleep 4444'").out == b""


def test_slow_data_is_progress(server, connect):
    def chunks():
        for _ in range(4):
            time.sleep(0.5)
            yield b"x"

    assert connect(server.host()).stream("cat", chunks(), timeout=1.5).out == b"xxxx"


def test_a_failing_source_is_the_callers_own_error(server, connect, tmp_path):
    transport = connect(server.host())

    def chunks():
        yield b"half"
        raise OSError("disk error here")

    with pytest.raises(OSError, match="disk error here"):
        transport.stream(f"cat >{tmp_path}/part && touch {tmp_path}/whole", chunks())
    assert transport.run("echo fine").out == b"fine\n"
    assert not (tmp_path / "whole").exists(), "half of the data must never pass for all of it"
