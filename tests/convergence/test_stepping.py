"""`bootstrap --step`, typed at on a real terminal; the cluster is in memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.terminal import Terminal

from hardway.commands.bootstrap.stepping import QUESTION
from hardway.phases import PHASES

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
LAB = HERE.parents[1] / "inventory" / "lab.yaml"
# In a new cluster.
NOTHING_TO_DO = (
    "etcd-members",
    "etcd-clients",
    "etcd-promotion",
    "encryption-read",
    "kubectl",
    "former-roles",
    "old-addresses",
)
ASKED = f"{QUESTION}?"


@pytest.fixture
def terminal(tmp_path):
    """The conversation about a bare cluster."""
    argv = [sys.executable, str(HERE / "step_here.py"), str(LAB), str(tmp_path)]
    terminal = Terminal(argv, tmp_path, PYTHONPATH=str(HERE.parent), COLUMNS="200")
    yield terminal
    terminal.close()


def test_continuing_to_the_end_shows_every_phase_before_it_is_done(terminal):
    seen = []
    for phase in PHASES:
        if phase.name in NOTHING_TO_DO:
            continue  # nothing to do for them in a new cluster, so nobody is asked
        shown = terminal.until(ASKED)
        seen.append(re.search(rf"^([a-z-]+) \(\d+ of {len(PHASES)}\): ", shown, re.MULTILINE)[1])
        assert phase.title in shown and f"  {phase.name} on " in shown
        terminal.type("c\n" if len(seen) % 2 else "\n")
    assert seen == [phase.name for phase in PHASES if phase.name not in NOTHING_TO_DO]
    assert terminal.ended() == 0 and "steps: " in terminal.screen
    assert "PRIVATE KEY" not in terminal.screen and "client-key-data" not in terminal.screen


def test_explain_quit_and_what_is_no_answer(terminal):
    terminal.until(ASKED)
    terminal.type("x\n")
    terminal.until("answer with one letter of: c e s q")
    terminal.until(ASKED)
    terminal.type("e\n")
    assert "1. preflight: Check the hosts before changing them" in terminal.until(ASKED)
    terminal.type("c\n")
    terminal.until(ASKED)
    terminal.type("q\n")
    assert terminal.ended() == 0
    assert "stopped before pki; to continue: hardway " in terminal.screen and "--from pki" in terminal.screen
    assert "\nsteps: 2\n" in terminal.screen  # preflight on two workers


def numbered(name: str) -> str:
    """How a phase is announced."""
    return f"\n{name} ({[phase.name for phase in PHASES].index(name) + 1} of {len(PHASES)})"


def test_skip_says_what_needs_the_phase(terminal):
    while numbered("etcd") not in terminal.until(ASKED):
        terminal.type("c\n")
    terminal.type("s\n")
    left_out = terminal.until(numbered("control-plane"))
    assert "etcd is skipped; these phases need it and may fail or time out: etcd-promotion, etcd-quorum\n" in left_out
    terminal.type("\x04")  # the end of the input is a way to quit
    assert terminal.ended() == 0 and "stopped before control-plane" in terminal.screen


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--step",), "needs a terminal"), (("--step", "--dry-run"), "cannot be used with --step")],
)
def test_without_a_terminal_it_is_wrong_usage(tmp_path, words, said):
    argv = [
        sys.executable,
        "-m",
        "hardway.cli.app",
        "bootstrap",
        str(LAB),
        "--state-dir",
        str(tmp_path / "state"),
        *words,
    ]
    done = subprocess.run(argv, cwd=tmp_path, input="c\n", capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and said in done.stderr and not (tmp_path / "state").exists()
