"""The program that runs scripts on a host, spoken to directly: what it does with requests that do not arrive whole."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from hardway.ssh.programs import program

TOKEN = "0123456789abcdef"
SHELLS = ["dash", "bash", "busybox sh"]


def said(shell: str, request: bytes, limit: str = "", inside: tuple[str, ...] = ()) -> str:
    """What it answers to a request after which the channel ends; `limit` is for the shell it runs in, `inside` runs
    it."""
    command = f"{limit}exec {shell} -c {program('root_shell.sh')} hardway {TOKEN}"
    return subprocess.run(
        [*inside, *shlex.split(shell), "-c", command], input=request, capture_output=True, timeout=30
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


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_that_finds_no_room_in_between_is_not_run(shell: str, tmp_path: Path):
    """The last of it would fit again: what counts is all of it."""
    script = f"mkdir {tmp_path}/ran\n".ljust(5000) + "\n"
    assert said(shell, request(script), limit="ulimit -f 4; ").count("only a part") == 1
    assert list(tmp_path.iterdir()) == []


DD = """case "$*" in *fullblock*) echo "dd: invalid input flag: fullblock" >&2; exit 1 ;; esac"""
HEAD = "exec cat"


@pytest.mark.parametrize("shell", SHELLS[:2])  # busybox takes its own programs
@pytest.mark.parametrize("lame", [{"dd": DD}, {"dd": DD, "head": HEAD}])
def test_however_a_host_can_read_exactly_so_many_bytes_it_takes_no_more(
    shell: str, lame: dict[str, str], tmp_path: Path
):
    """Where dd cannot wait for a whole block, and head takes all there is."""
    for name, words in lame.items():
        used = f"echo >>{tmp_path}/{name}-was-tried"
        (tmp_path / name).write_text(f'#!/bin/sh\n{used}\n{words}\nexec {shutil.which(name)} "$@"\n')
        (tmp_path / name).chmod(0o755)
    asked = b"".join(request(f"cat >{tmp_path}/{n}; exit {n}\n", bytes(range(256)) * n) for n in range(3))
    answer = said(shell, asked, inside=("env", f"PATH={tmp_path}:{os.environ['PATH']}"))
    assert [line for line in answer.splitlines() if line.endswith(" 0 0")] == [f"{TOKEN} {n} 0 0" for n in range(3)]
    assert [(tmp_path / str(n)).read_bytes() for n in range(3)] == [bytes(range(256)) * n for n in range(3)]
    assert all((tmp_path / f"{name}-was-tried").exists() for name in lame)


@pytest.mark.parametrize("shell", SHELLS)
def test_of_a_request_nothing_but_its_name_is_left_for_the_next_one_to_find(shell: str, tmp_path: Path):
    """Also of the hundred before, and nothing at all once the channel has ended."""
    look = f'cd "${{0%/*}}"; pwd >{tmp_path}/there; ls >{tmp_path}/names; find . -type f -size +0 >{tmp_path}/content\n'
    answer = said(shell, request("cat\n", b"a key") * 105 + request(look))
    assert answer.count("a key") == 105
    assert (tmp_path / "content").read_text().split() == ["./s106"]
    assert len((tmp_path / "names").read_text().split()) == 4 * 5 + 3
    assert not Path((tmp_path / "there").read_text().strip()).exists()


OWN = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("unshare"), reason="unshare is needed: apt install util-linux")
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("script", "stdin", "processes"),
    [
        ("", b"", 2),  # what takes the script, and the script
        ("", b"x", 3),  # what takes the input
        ("echo out\n", b"", 4),  # the size of what it says, and what sends it
        ("echo out; echo err >&2\n", b"", 5),
    ],
)
def test_a_request_takes_few_processes(shell: str, tmp_path: Path, script: str, stdin: bytes, processes: int):
    """In a namespace of their own they are numbered from 1, and each script tells its number."""
    asked = request(f"echo $$ >>{tmp_path}/numbers\n{script}", stdin)
    said(shell, asked * 4, inside=OWN)
    numbers = [int(line) for line in (tmp_path / "numbers").read_text().split()]
    assert [after - before for before, after in pairwise(numbers)] == [processes] * 3
