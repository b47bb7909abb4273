"""`hardway etcd defrag` and `disarm` on a cluster in memory: whose turn it is, what is refused, what is left alone."""

from __future__ import annotations

import dataclasses
import functools
import io
from pathlib import Path

import pytest
from fakes.memory_session import MemorySession
from fakes.world import Killed, World
from test_etcd_looking import HOSTS, own, three

from hardway.commands.etcd import defrag, disarm
from hardway.errors import ConnectionFailed, HostErrors, NotReadyError, QuorumError
from hardway.etcd.interface import Alarm
from hardway.inventory import load
from hardway.plans import steps
from hardway.resources.etcd_care import to_gain
from hardway.snapshots import Said
from hardway.targets.live import wait

pytestmark = pytest.mark.slow

LAB = Path(__file__).parents[2] / "inventory/lab.yaml"
PLANES = ("controller-0", "controller-1", "controller-2")
MB = 1_000_000
FULL = 2 << 30


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("hardway.run.waiting.wait", functools.partial(wait, interval=0.001))


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> World:
    world = World(load(LAB), tmp_path_factory.mktemp("world"))
    world.run()
    return world


@pytest.fixture
def world(built) -> World:
    """A cluster whose members hold 40 MB in files of 100 MB; the first leads."""
    world = built.copy()
    world.membership.sizes = dict.fromkeys(PLANES, (100 * MB, 40 * MB))
    world.membership.leads()
    world.log.clear()
    return world


def done(world: World, verb: str) -> list[str]:
    return [target for target, op in world.log if op.verb == verb]


def run(world: World, compact: bool = False) -> str:
    session = MemorySession.on(world)
    defrag.defrag(session, compact)
    return session.said.getvalue()


def test_each_member_has_its_turn_and_the_leader_comes_last(world):
    leader = world.membership.known[world.membership.leads()].name
    text = run(world)
    assert sorted(done(world, "defrag")) == list(PLANES) and done(world, "defrag")[-1] == leader
    assert world.membership.known[world.membership.leads()].name != leader, "it does not lead while it is busy"
    assert set(world.membership.sizes.values()) == {(40 * MB, 40 * MB)}
    assert "controller-1: 100.0 MB before, 40.0 MB now" in text and "180.0 MB given back" in text


def test_a_second_run_finds_nothing_worth_it(world):
    run(world)
    world.log.clear()
    assert "0.0 MB given back" in run(world) and done(world, "defrag") == []


def test_only_members_with_unused_space_are_busy(world):
    world.membership.sizes["controller-1"] = (41 * MB, 40 * MB)
    run(world)
    assert sorted(done(world, "defrag")) == ["controller-0", "controller-2"]


def test_what_is_worth_it():
    assert to_gain(100 * MB, 40 * MB) == 60 * MB
    assert to_gain(100 * MB, 96 * MB) == 0 and to_gain(MB, 100) == 0 and to_gain(0, 0) == 0
    assert to_gain(20 * MB, 18 * MB) == 2 * MB


def test_a_run_that_died_is_continued_with_those_that_are_left(world):
    run_until = world.copy()
    run_until.death = lambda target, op: op.verb == "defrag" and bool(done(run_until, "defrag"))
    with pytest.raises(Killed):
        run(run_until)
    first = done(run_until, "defrag")
    run_until.revive()
    run(run_until)
    assert len(first) == 1 and first[0] not in done(run_until, "defrag") and len(done(run_until, "defrag")) == 2


@pytest.mark.parametrize("sick", PLANES)
def test_nobody_has_a_turn_while_one_is_not_healthy(world, sick):
    world.live.sick[sick] = "no leader"
    before = world.digest()
    with pytest.raises(QuorumError, match=f"{sick} is not healthy") as error:
        run(world)
    assert world.log == [] and world.digest() == before and error.value.exit_code == 9
    with pytest.raises(QuorumError):
        defrag.foresee(MemorySession.on(world).looking(), False)


def test_nobody_else_has_a_turn_when_one_does_not_come_back(world, monkeypatch):
    monkeypatch.setattr(defrag, "DEADLINE", 0.2)
    defragmented = world.hosts["controller-1"].defragmented

    def never_back(name: str) -> None:
        defragmented(name)
        world.live.sick[name] = "no leader"

    world.hosts["controller-1"].defragmented = never_back
    with pytest.raises(HostErrors) as error:
        run(world)
    assert done(world, "defrag") == ["controller-1"]
    first = error.value.errors[0]
    assert isinstance(first, NotReadyError) and (first.phase, first.host) == ("etcd-defrag", "controller-1")
    assert first.hint.startswith("hardway doctor ") and "   shows the cause; then: hardway etcd defrag " in first.hint


def test_old_revisions_are_forgotten_first_when_that_is_asked_for(world):
    world.membership.revision = 900
    text = run(world, compact=True)
    assert world.membership.compacted == 900 and "etcd forgets all revisions before 900" in text
    assert [op.verb for _, op in world.log][0] == "compact"


def test_then_every_member_has_its_turn_whatever_it_thinks_is_free(world):
    """At its quota etcd does not write, and so does not learn what a compaction has freed."""
    world.membership.sizes = dict.fromkeys(PLANES, (100 * MB, 100 * MB))
    run(world, compact=True)
    assert sorted(done(world, "defrag")) == list(PLANES)


def test_the_steps_are_shown_and_nothing_is_done(world):
    before = world.digest()
    found = defrag.foresee(MemorySession.on(world).looking(), True)
    text = found.text()
    assert "etcd forgets all revisions before 7" in text and "60.0 MB of 100.0 MB hold nothing" in text
    assert " note defragmented " in text
    order = [line for line in text.splitlines() if line.endswith(": defrag")]
    assert order == [f"      {name}: defrag" for name in ("controller-1", "controller-2", "controller-0")]
    assert world.digest() == before and world.log == []
    document = steps.as_json("lab", "etcd defrag", {"compact": 7}, found.found)
    assert '"does": [\n        "defrag"' in document
    run(world)
    nothing = defrag.foresee(MemorySession.on(world).looking(), False)
    assert nothing.text() == "no member has unused space worth a defragmentation"


# Alarms.


def raise_alarm(world: World, name: str = "controller-1") -> None:
    [member] = [member for member in world.membership.members() if member.name == name]
    world.membership.alarms.add(member.id)


def test_an_alarm_whose_cause_is_gone_is_cleared(world):
    raise_alarm(world)
    session = MemorySession.on(world)
    lines, found = disarm.foresee(session.looking())
    assert "controller-1: the file has 100.0 MB, 40.0 MB of it in use, quota 2147.5 MB; NOSPACE" in lines
    assert "etcd's alarms: NOSPACE controller-1" in steps.text(found) and world.membership.alarms
    disarm.disarm(session)
    assert not world.membership.alarms and done(world, "disarm") == ["etcd"]
    world.log.clear()
    disarm.disarm(MemorySession.on(world))
    assert done(world, "disarm") == []


@pytest.mark.parametrize(
    ("size", "used", "next"),
    [
        (FULL, 40 * MB, "hardway etcd defrag INV"),
        (FULL - MB, 40 * MB, "hardway etcd defrag INV"),
        (FULL - MB, FULL - MB, "hardway etcd defrag INV --compact; if the data is needed, raise"),
        (FULL + 5, FULL, "hardway etcd defrag INV --compact; if the data is needed, raise"),
    ],
)
def test_an_alarm_whose_cause_is_there_stays(world, size, used, next):
    """etcd measures the file: what is compacted and not defragmented would raise the alarm at the next write."""
    raise_alarm(world)
    world.membership.sizes["controller-2"] = (size, used)
    with pytest.raises(QuorumError, match="the alarm stays: controller-2 has no room") as error:
        disarm.disarm(MemorySession.on(world))
    assert error.value.hint.startswith(f"free space first: {next}") and ("--compact" in next) == (
        "--compact" in error.value.hint
    )
    assert world.membership.alarms and world.log == []


def test_an_alarm_stays_while_a_member_does_not_answer():
    silent = Said(HOSTS[2], error=ConnectionFailed("no route"))
    with pytest.raises(QuorumError, match="controller-2 does not answer, so nobody knows whether it has room"):
        disarm.require_gone(three(silent, alarms=(Alarm(2, "NOSPACE"),)))


def test_corrupt_data_is_never_made_to_look_well():
    corrupt = tuple(Said(host, own(number, alarms=(Alarm(2, "CORRUPT"),))) for number, host in enumerate(HOSTS))
    with pytest.raises(QuorumError, match="controller-1 has raised the alarm CORRUPT") as error:
        disarm.require_gone(corrupt)
    assert "never clear it" in error.value.hint


def test_members_without_a_quota_have_room():
    disarm.require_gone(three(db_quota=0, alarms=(Alarm(2, "NOSPACE"),)))


def test_the_report_is_json_when_that_is_wanted(world):
    session = MemorySession.on(world)
    session.report.json, session.report.stream = True, (said := io.StringIO())
    defrag.defrag(dataclasses.replace(session), False)
    assert '"event": "summary"' in said.getvalue() and '"phase": "etcd-defrag"' in said.getvalue()
