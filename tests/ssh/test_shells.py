"""Hosts as they are: heavy and talkative start-up files, banners, small shells."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from hardway.errors import ConnectionFailed

pytestmark = pytest.mark.sshd

ROOT = "{user} ALL=(ALL) NOPASSWD: ALL"
NOISY = """\
echo "welcome to $(hostname)"
echo "a warning" >&2
printf 'no newline at the end'
"""


def test_a_bashrc_that_prints_disturbs_nothing(server, connect, user, sudoers):
    sudoers(ROOT)
    (user.home / ".bashrc").write_text(NOISY)
    transport = connect(server.host(user=user.name))
    result = transport.run("echo answer")
    assert (result.out, result.err) == (b"answer\n", b"")
    assert transport.stream("cat", [b"data"]).out == b"data"


def test_a_bashrc_that_prints_megabytes_disturbs_nothing(server, connect, user, sudoers):
    sudoers(ROOT)
    (user.home / ".bashrc").write_text("head -c 8000000 /dev/zero; head -c 4000000 /dev/zero >&2\n")
    assert connect(server.host(user=user.name)).run("echo answer").out == b"answer\n"


def test_a_slow_bashrc_is_paid_once(server, connect, user, sudoers):
    sudoers(ROOT)
    count = user.home / "count"
    (user.home / ".bashrc").write_text(f"echo x >>{count}; sleep 1\n")
    transport = connect(server.host(user=user.name))
    begin = time.monotonic()
    for _ in range(20):
        assert transport.run("true").code == 0
    assert count.read_text() == "x\n"
    assert time.monotonic() - begin < 10


def test_a_bashrc_that_exits_is_reported_with_what_it_said(server, connect, user, sudoers):
    sudoers(ROOT)
    (user.home / ".bashrc").write_text("echo please use the other machine; exit 1\n")
    with pytest.raises(ConnectionFailed) as caught:
        connect(server.host(user=user.name)).run("true")
    assert "starts no shell" in caught.value.message
    assert "please use the other machine" in caught.value.evidence


def test_a_chatty_banner_disturbs_nothing(start, connect, tmp_path):
    banner = tmp_path / "banner"
    banner.write_text("=== authorised use only ===\n" * 200)
    assert connect(start(extra=f"Banner {banner}\n").host()).run("echo answer").out == b"answer\n"


@pytest.fixture
def shell_server(request, start, tmp_path):
    """A server where sh, and with busybox every tool, is the one named."""
    tools = tmp_path / "tools"
    tools.mkdir()
    if request.param == "busybox":
        subprocess.run(["busybox", "--install", "-s", tools], check=True)
    else:
        (tools / "sh").symlink_to(f"/bin/{request.param}")
    return start(extra=f"SetEnv PATH={tools}:/usr/bin:/bin\n")


@pytest.mark.parametrize("shell_server", ["busybox", "dash", "bash"], indirect=True)
def test_every_common_sh_will_do(shell_server, connect):
    transport = connect(shell_server.host())
    data = os.urandom(300_000)
    result = transport.run("readlink /proc/$$/exe; readlink $(command -v head) >&2; exit 4")
    assert result.code == 4
    for size in (0, 1, 5000, 300_000):
        assert transport.run("cat", stdin=data[:size]).out == data[:size]
    chunks = [data] * 10
    assert transport.stream("cat", chunks).out == data * 10
    lines: list[str] = []
    assert transport.follow("echo a; exit 1", lines.append) == 1
    assert lines == ["a"]
    said, lines = [b"b\n", b""], []
    say = lambda: said.pop(0) if said else None if lines else b""  # noqa: E731
    assert transport.talk("while read -r x; do echo $x; done; exit 2", lines.append, say, 0.1) == 2
    assert lines == ["b"]


@pytest.mark.parametrize("shell_server", ["busybox"], indirect=True)
def test_the_busybox_case_really_is_busybox(shell_server, connect):
    result = connect(shell_server.host()).run("readlink /proc/$$/exe; head --help")
    assert result.text.strip().endswith("/busybox")
    assert "BusyBox" in result.error_text


def test_a_head_that_reads_too_far_is_found_out(start, connect, tmp_path):
    """Not every head -c stops at its count on a pipe; one that does not must not be used for reading requests."""
    tools = tmp_path / "tools"
    tools.mkdir()
    greedy = tools / "head"
    greedy.write_text(
        '#!/bin/sh\n[ $# = 3 ] && exec /usr/bin/head "$@"\ndd bs=65536 count=1 2>/dev/null | /usr/bin/head "$@"\n'
    )
    greedy.chmod(0o755)
    transport = connect(start(extra=f"SetEnv PATH={tools}:/usr/bin:/bin\n").host())
    data = os.urandom(50_000)
    assert transport.run("cat", stdin=data).out == data
    assert transport.run("cat", stdin=data).out == data


def test_no_dd_that_counts_and_no_head_that_stops_still_gives_exact_bytes(start, connect, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in {
        "head": '[ $# = 3 ] && exec /usr/bin/head "$@"\n/bin/dd bs=65536 count=1 2>/dev/null | /usr/bin/head "$@"',
        "dd": 'case "$*" in *iflag*) exit 1 ;; esac\nexec /bin/dd "$@"',
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    transport = connect(start(extra=f"SetEnv PATH={tools}:/usr/bin:/bin\n").host())
    data = os.urandom(20_000)
    assert transport.run("cat", stdin=data).out == data
    assert transport.run("cat", stdin=data).out == data
