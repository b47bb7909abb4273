"""What the display shows, in any size, and the tables a run closes with."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from hardway.progress import events
from hardway.progress.board import Board, Stand, fold
from hardway.progress.closing import table
from hardway.progress.compose import composed
from hardway.progress.events import Moment


def told(*happened: tuple[float, events.Event]) -> Board:
    return fold(Moment(0.0, at, event) for at, event in happened)


def planned(targets: dict[str, list[str]], needs: dict[str, list[str]]) -> events.Planned:
    return events.Planned(
        [{"name": name, "title": "", "targets": at, "needs": needs.get(name, [])} for name, at in targets.items()]
    )


def text(board: Board, now: float, width: int = 80, height: int = 24) -> str:
    return "\n".join(row.plain for row in composed(board, now, width, height))


BEGUN = (
    (0.0, events.RunStarted("bootstrap", "1", "c", "1.37.2", [{"name": "a"}, {"name": "b"}], ["one", "two"], "")),
    (0.1, planned({"one": ["a", "b"], "two": ["a"]}, {"two": ["one"]})),
    (0.2, events.StepStarted("one", "a")),
    (0.3, events.StepStarted("one", "b")),
)


def test_before_anybody_has_answered():
    assert "bootstrap c  0.4 s" in text(told(*BEGUN[:1]), 0.4) and "a  · reading facts" in text(told(*BEGUN[:1]), 0.4)


def test_a_host_is_read_then_changed_and_then_waits_for_a_phase():
    board = told(
        *BEGUN,
        (0.4, events.Applying("one", "b", ["file /x", "unit y"], 0)),
        (0.5, events.StepFinished("one", "a", 0.3, [])),
    )
    shown = text(board, 2.4)
    assert "b  ● one: 2 changes: file /x, unit y  2.0 s" in shown
    assert "a  ◌ two: waiting for one" in shown and "● one · two" in shown


def test_what_a_phase_waits_for_and_for_how_long():
    board = told(
        *BEGUN,
        (0.5, events.StepFinished("one", "a", 0.3, [])),
        (0.6, events.StepFinished("one", "b", 0.3, [])),
        (1.0, events.Waiting("one", 60.0, "", "")),
        (2.0, events.Waiting("one", 60.0, "the moon on b", "b")),
    )
    assert "◌ one 3.0 of 60 s  waiting for the moon on b" in text(board, 4.0)
    assert board.phases["one"].stand is Stand.WAITING
    board.see(Moment(0.0, 5.0, events.PhaseReady("one", 2, 0, 4.0)))
    assert (
        board.phases["one"].stand is Stand.READY
        and "the moon" not in text(board, 5.0)
        and "1/2 phases" in text(board, 5.0)
    )


def test_bytes_and_their_rate():
    sent = [(float(second), events.BytesSent("a", second * 10_000_000)) for second in range(1, 5)]
    board = told(*BEGUN, (0.9, events.Applying("one", "a", ["binary /b"], 80_000_000)), *sent)
    assert "a  ● one: 40 of 80 MB, 10 MB/s" in text(board, 4.0) and "40 MB sent (10 MB/s)" in text(board, 4.0)
    assert "MB/s)" not in text(board, 30.0)


def test_a_turn_is_waited_for():
    assert "b  ◌ one: waiting to restart: one host at a time" in text(
        told(*BEGUN, (0.4, events.Queued("one", "b"))), 0.5
    )


def test_a_step_that_began_again_is_one_step():
    board = told(
        *BEGUN,
        (0.8, events.StepStarted("one", "a")),
        (0.9, events.StepFinished("one", "a", 0.1, [{"resource": "x", "why": []}])),
    )
    assert board.changes == 1 and board.phases["one"].at_work == {"b"}


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("height", [1, 8, 24, 60])
@pytest.mark.parametrize("width", [10, 40, 80, 200])
def test_every_moment_of_a_real_run_fits_into_any_terminal(recorded, width, height, unicode):
    board = Board()
    for moment in recorded:
        board.see(moment)
        rows = [row.plain for row in composed(board, moment.elapsed, width, height, unicode)]
        assert len(rows) <= height and all(cell_len(row) <= width for row in rows), rows
        assert unicode or all(row.isascii() for row in rows)


def test_of_many_hosts_those_that_work_are_shown_and_the_rest_is_counted():
    names = [f"host-{number}" for number in range(300)]
    board = told((0.0, planned({"one": names}, {})), (0.1, events.StepStarted("one", "host-299")))
    shown = text(board, 0.2, height=10)
    assert "host-299  ● one" in shown and "and 294 more" in shown and len(shown.splitlines()) == 10


def test_the_tables_tell_where_the_time_went(recorded):
    lines = table(recorded[-1].event)
    assert max(map(len, lines)) <= 80 and len(lines) < 40
    summary = recorded[-1].event
    slow = max(summary.hosts, key=lambda name: summary.hosts[name]["working"])
    [row] = [line for line in lines if line.startswith(f"  {slow} ")]
    assert f"{summary.hosts[slow]['working']:.1f} s" in row and f"{summary.hosts[slow]['bytes'] / 1e6:.0f} MB" in row
    phases = [line.split()[0] for line in lines[2:] if line][: len(summary.phases)]
    assert "binaries" in phases and "encryption" not in phases and any("shorter phase" in line for line in lines)


def test_working_and_waiting_of_a_host_add_up_to_its_last_step():
    board = told(
        *BEGUN, (2.0, events.StepFinished("one", "a", 1.5, [])), (5.0, events.StepFinished("two", "a", 1.0, []))
    )
    assert board.hours()["a"] == {
        "working": 2.5,
        "waiting": 2.5,
        "bytes": 0,
        "longest_step": 1.5,
        "longest_phase": "one",
    }
