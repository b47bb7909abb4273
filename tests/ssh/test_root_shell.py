"""The program that runs scripts on a host, spoken to directly: what it does with requests that do not arrive whole."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from hardway.ssh.programs import program

TOKEN = "0123456789abcdef"
SHELLS = ["dash", "bash", "busybox sh"]


def said(shell: str, request: bytes, limit: str = "") -> str:
    """What it answers to a request after which the channel ends; `limit` is for the shell it runs in."""
    command = f"{limit}exec {shell} -c {program('root_shell.sh')} hardway {TOKEN}"
    return subprocess.run(
        [*shlex.split(shell), "-c", command], input=request, capture_output=True, timeout=30
    ).stdout.decode()


def request(script: str, stdin: bytes = b"") -> bytes:
    return f"run {len(script)} {len(stdin)}\n{script}".encode() + stdin


@pytest.mark.parametrize("shell", SHELLS)
def test_a_whole_script_is_run(shell: str, tmp_path: Path):
    assert said(shell, request(f"cat >{tmp_path}/ran\n", b"input")).endswith(f"{TOKEN} 0 0 0\n")
    assert (tmp_path / "ran").read_text() == "input"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_that_a_broken_connection_cuts_short_is_not_run(shell: str, tmp_path: Path):
    """Cut at the right byte, `rm -r /a/b` is `rm -r /a`."""
    whole = request(f"mkdir {tmp_path}/ran {tmp_path}/run_too\n")
    assert "only a part" in said(shell, whole[: whole.rindex(b" ")])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_whose_input_is_cut_short_is_not_run(shell: str, tmp_path: Path):
    assert "only a part" in said(shell, request(f"cat >{tmp_path}/ran\n", b"half of it")[:-5])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_that_finds_no_room_is_not_run_nor_is_its_rest_taken_for_a_request(shell: str, tmp_path: Path):
    line = f"mkdir {tmp_path}/ran-$((n=n+1))\n"
    assert "only a part" in said(shell, request(line * 400) * 2, limit="ulimit -f 8; ")
    assert list(tmp_path.iterdir()) == []
