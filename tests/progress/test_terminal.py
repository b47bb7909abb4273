"""The display on a real terminal, and plain lines where there is none or nobody wants it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.terminal import Terminal

from hardway.phases import PHASES
from hardway.progress.events import Moment

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
PLAIN_LINE = re.compile(r" +\d+\.\d s  pki            1 host    1 change\n")


@pytest.fixture
def terminal(tmp_path):
    opened = []

    def start(*words: str, **environment: str) -> Terminal:
        argv = [sys.executable, str(HERE / "watch_here.py"), str(tmp_path), *words]
        settings = {
            "PYTHONPATH": str(HERE.parent),
            "TERM": "xterm",
            "NO_COLOR": "",
            "COLUMNS": "80",
            "LINES": "40",
            **environment,
        }
        opened.append(Terminal(argv, tmp_path, **settings))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def piped(tmp_path: Path, *words: str) -> str:
    argv = [sys.executable, str(HERE / "watch_here.py"), str(tmp_path), *words]
    env = {**os.environ, "PYTHONPATH": str(HERE.parent), "TERM": "xterm"}
    return subprocess.run(argv, env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=120).stdout


def without_codes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_a_terminal_shows_hosts_and_phases_and_ends_with_lines_and_tables(terminal):
    run = terminal()
    assert run.ended() == 0
    assert run.screen.index(HIDE) < run.screen.index(SHOW)
    drawn, after = run.screen.rsplit(SHOW, 1)
    assert "bootstrap lab" in drawn and "worker-1      " in drawn
    assert PLAIN_LINE.search(without_codes(drawn)) and f"/{len(PHASES)} phases" in drawn
    last = without_codes(after)
    assert "s  done: " in last and "longest step" in last and "bootstrap lab" not in last


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_plain_lines_gets_them(terminal, environment):
    run = terminal(**environment)
    assert run.ended() == 0 and "\x1b" not in run.screen
    assert PLAIN_LINE.search(run.screen) and "longest step" in run.screen


@pytest.mark.parametrize("columns", ["80", "40", "20"])
def test_a_narrow_terminal_is_no_harm(terminal, columns):
    run = terminal(COLUMNS=columns)
    assert run.ended() == 0 and SHOW in run.screen
    frames = [row for row in without_codes(run.screen).replace("\r", "\n").splitlines() if re.search("[●◌✓·] ", row)]
    assert frames and max(map(len, frames)) <= int(columns)


def test_a_pipe_gets_plain_lines(tmp_path):
    text = piped(tmp_path)
    assert "\x1b" not in text and PLAIN_LINE.search(text)
    assert "  host             working  waiting" in text


def test_json_is_events_and_nothing_else(tmp_path):
    moments = [Moment.parse(line) for line in piped(tmp_path, "json").splitlines()]
    assert (moments[0].event.kind, moments[-1].event.kind) == ("run-started", "summary")


def test_after_a_failure_the_display_stays_above_the_error(terminal):
    run = terminal("fail")
    assert run.ended() == 5
    last, after = without_codes(run.screen.rpartition("bootstrap lab")[2]).split("error: ")
    assert "✗ load-balancer" in last and re.search("^  lb +✗ ", last, re.MULTILINE)
    assert "(host lb, phase load-balancer)" in after and "next: " in after and run.screen.endswith("\n")


def test_a_question_has_the_terminal_for_itself(terminal):
    run = terminal("ask")
    run.until("Password for worker-1?")
    assert run.screen.endswith("Password for worker-1?") or run.screen.endswith("Password for worker-1? ")
    assert run.screen.rindex(SHOW) > run.screen.rindex(HIDE)
    while run._more(1.0):  # four drawings were due meanwhile; the one space that may come is the question's
        assert run.screen.endswith("Password for worker-1? ")
    run.type("sesame\n")
    assert run.ended() == 0 and "sesame" not in run.screen
    after = run.screen.rpartition("Password for worker-1?")[2]
    assert HIDE in after and "6 letters" in after and "done: " in after


@pytest.mark.parametrize("moment", [HIDE, "preflight: reading and comparing"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)])
def test_whoever_is_ended_leaves_a_terminal_with_its_cursor(terminal, number, code, moment):
    run = terminal("hang")
    run.until(moment)
    os.kill(run.process.pid, number)
    assert run.ended() == code, run.screen[-3000:]
    assert run.screen.rindex(SHOW) > run.screen.rindex(HIDE)


def test_whatever_line_it_is_ended_at(tmp_path):
    argv = [sys.executable, str(HERE / "end_at_any_moment.py"), "97"]
    env = {**os.environ, "PYTHONPATH": str(HERE.parent), "TERM": "xterm", "NO_COLOR": ""}
    told = subprocess.run(argv, env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True, timeout=300)
    moments, hidden, lost = told.stdout.split(maxsplit=2)
    assert int(moments) > 1000 and int(hidden) > 20 and lost.strip() == "[]"
