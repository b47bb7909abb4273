"""Ends a run with SIGTERM at every line that Python executes while the display begins and ends.

python end_at_any_moment.py EVERY: at every EVERY-th line, each in a process of its own with a terminal of its
own. Prints how many moments there are, and those at which the terminal was left without its cursor. Run by
test_terminal.
"""

from __future__ import annotations

import os
import pty
import select
import signal
import sys

from hardway.progress.screen import SHOW_CURSOR
from hardway.report import Report

HIDE_CURSOR = "\x1b[?25l"
HANGS = 30.0  # seconds without a word


def end_at(moment: int) -> None:
    """Be ended at the `moment`-th line from here."""
    left = moment

    def line(frame, event, argument):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return line

    sys.settrace(line)


def watch(moment: int) -> None:
    report = Report()
    end_at(moment)
    with report.watched():
        report.note("a line")
    sys.settrace(None)


def screen_of(moment: int) -> tuple[str, bool]:
    """What a run that ended at this moment wrote, and whether it came to its own end first."""
    pid, terminal = pty.fork()
    if not pid:
        watch(moment)
        sys.exit(0)
    text = b""
    while data := more(terminal):
        text += data
    os.close(terminal)  # which ends one that hangs
    return text.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def more(terminal: int) -> bytes:
    if not select.select([terminal], [], [], HANGS)[0]:
        return b""
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed: the program has ended
        return b""


def main() -> None:
    every, moment, lost, hidden = int(sys.argv[1]), 1, [], 0
    while True:
        text, whole = screen_of(moment)
        hidden += HIDE_CURSOR in text
        if text.rfind(HIDE_CURSOR) > text.rfind(SHOW_CURSOR):
            lost.append(moment)
        if whole:
            break
        moment += every
    print(moment, hidden, lost)


main()
