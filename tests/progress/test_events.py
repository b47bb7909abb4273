"""The events: declared, documented, the same after a way through JSON, and enough to rebuild all that was shown."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from hardway.errors import HostErrors, RemoteCommandError
from hardway.patience import MOST
from hardway.progress.board import Board, fold
from hardway.progress.compose import composed
from hardway.progress.events import KINDS, Event, Moment
from hardway.progress.lines import closing, lines
from hardway.progress.page import page
from hardway.run.runner import Runner

ROOT = Path(__file__).parents[2]


def shown(board: Board, now: float) -> list[tuple[str, list]]:
    """What the display shows, with its colours."""
    return [(row.plain, row.spans) for row in composed(board, now, 90, 40)]


def replayed(told: list[str], verbose: bool) -> str:
    moments = map(Moment.parse, told)
    return "".join(f"{line}\n" for moment in moments for line in (*lines(moment, verbose), *closing(moment)))


def bootstrap(world, report) -> None:
    report.run_started("bootstrap", world.cluster, world.phases)
    world.runner(report=report).run()
    report.summary()


def test_the_page_is_current():
    assert (ROOT / "docs/events.md").read_text() == page(), "python -m hardway.progress.page > docs/events.md"


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_event_is_told_whole(kind: type[Event]):
    assert kind.__doc__ and kind.__doc__.endswith(".")
    assert all(field.metadata["about"] for field in dataclasses.fields(kind))
    assert not {"schema", "time", "elapsed", "event"} & {field.name for field in dataclasses.fields(kind)}


def test_an_event_with_other_fields_than_it_declares_is_refused():
    whole = {"schema": 1, "time": 1.0, "elapsed": 0.5, "event": "note", "message": "m"}
    assert Moment.parse(json.dumps(whole)).event.message == "m"
    for wrong in (
        {**whole, "more": 1},
        {key: value for key, value in whole.items() if key != "message"},
        {**whole, "event": "what"},
    ):
        with pytest.raises((TypeError, KeyError)):
            Moment.parse(json.dumps(wrong))


def test_a_run_is_told_in_declared_events_from_its_start_to_its_summary(world, report):
    bootstrap(world, report)
    events = [Moment.parse(line).event for line in report.told]  # refuses what is not declared
    assert (events[0].kind, events[-1].kind) == ("run-started", "summary")
    assert {"planned", "step-started", "applying", "step-finished", "waiting", "phase-ready"} <= {
        event.kind for event in events
    }
    assert sum(event.kind == "phase-ready" for event in events) == len(world.phases)


def test_json_rebuilds_the_display_and_the_lines(world, report):
    bootstrap(world, report)
    again = fold(map(Moment.parse, report.told))
    assert again == report.board
    assert shown(again, again.now) == shown(report.board, report.board.now)
    assert replayed(report.told, report.verbose) == report.stream.getvalue()


def test_at_every_moment_of_a_real_run_json_rebuilds_the_display(recorded):
    live, again = Board(), Board()
    for moment in recorded:
        live.see(moment)
        again.see(Moment.parse(moment.json()))
        assert shown(live, moment.elapsed) == shown(again, moment.elapsed)
    assert recorded[-1].event.phases == live.timing() and recorded[-1].event.hosts == live.hours()


def test_a_failure_is_told_while_others_still_work_and_only_once(world, report):
    world.hosts["lb"].w_packages = lambda *names: (_ for _ in ()).throw(RemoteCommandError("no packages", host="lb"))
    runner: Runner = world.runner(report=report)
    with pytest.raises(RemoteCommandError) as caught:
        runner.run()
    report.failed(caught.value)
    errors = [event for event in map(json.loads, report.told) if event["event"] == "error"]
    assert [(error["host"], error["phase"], error["exit_code"]) for error in errors] == [("lb", "load-balancer", 5)]
    assert errors[0]["lines"] == caught.value.lines() and "next: " in errors[0]["lines"][-1]
    rows = "\n".join(row.plain for row in composed(report.board, 9.0, 80, 40))
    assert "✗ load-balancer" in rows and "lb            ✗ no packages" in rows


def test_the_next_command_of_an_error_can_be_typed(world, report):
    report.run_started("bootstrap", world.cluster)
    report.failed(RemoteCommandError("m", hint="hardway status INV"))
    assert json.loads(report.told[-1])["lines"][-1] == f"  next: hardway status {world.cluster.source}"


def test_failures_of_several_hosts_are_events_of_their_own(report):
    errors = (RemoteCommandError("one", host="a"), RemoteCommandError("two", host="b"))
    report.failed(HostErrors("several hosts failed", errors=errors, exit_code=5))
    assert [json.loads(line)["host"] for line in report.told] == ["a", "b"]


def test_a_wait_is_told_when_it_is_for_something_else(world, report):
    world.live.not_ready_nodes.add("worker-1")
    phases = [dataclasses.replace(phase, deadline=1.2) if phase.name == "kubelet" else phase for phase in world.phases]
    with pytest.raises(Exception, match="gave up waiting"):
        world.runner(phases, report=report).run()
    waits = [
        event for event in map(json.loads, report.told) if event["event"] == "waiting" and event["phase"] == "kubelet"
    ]
    assert waits[0]["what"] == "" and any("node worker-1 to be Ready" in wait["what"] for wait in waits)
    deadlines = [wait["deadline"] for wait in waits]
    assert deadlines[0] == 1.2 and deadlines == sorted(deadlines) and len(waits) <= 5
    assert 1.2 < deadlines[-1] <= MOST * 1.2, "the Node was missing after something else: that is progress"


def test_bytes_are_told_not_too_often_and_to_the_last(report):
    report.step_started("binaries", "one")
    for _ in range(1000):
        report.sent("one", 1 << 20)
    report.step_finished("binaries", "one", [], 1.0)
    told = [event["bytes"] for event in map(json.loads, report.told) if event["event"] == "bytes-sent"]
    assert told[-1] == 1000 << 20 and told == sorted(told) and len(told) < 20
    assert report.board.sent == 1000 << 20
