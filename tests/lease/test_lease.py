"""One run at a time: who gets the lease, who is refused, and what ends it."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Iterator

import pytest
from fakes.leasing import Machine

from hardway.errors import AuthenticationError, ConnectionFailed, InUseError
from hardway.lease import Holder, Lease, Leased, keeper, lease
from hardway.vocabulary import Op

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits here for long."""
    monkeypatch.setattr(keeper, "PAUSE", 0.02)
    monkeypatch.setattr(lease, "RECOVERY", 0.5)


@pytest.fixture
def machines() -> list[Machine]:
    return [Machine(f"host-{number}") for number in range(4)]


@pytest.fixture
def run() -> Iterator:
    """run("command"): the lease of another run; all end with the test."""
    leases: list[Lease] = []

    def begin(command: str = "bootstrap", token: str = "", lock: str = "") -> Lease:
        leases.append(Lease(command, lock))
        if token:
            object.__setattr__(leases[-1].me, "token", token)
        return leases[-1]

    yield begin
    for one in leases:
        one.end()


def take(one: Lease, machines: list[Machine]) -> None:
    for machine in machines:
        one.take(machine.way())
    one.work()


def until(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def holders(machines: list[Machine]) -> set[str]:
    return {machine.last.split()[0] for machine in machines if machine.holder}


def leave_behind(dead: Lease, machines: list[Machine]) -> None:
    """The run ends, and what it has on the hosts does not notice."""
    dead.end()
    until(lambda: not holders(machines))
    for machine in machines:
        machine.holder = machine.way()


def test_the_second_is_refused_with_the_first_ones_name(run, machines):
    first, second = run(), run("reset --limit x")
    take(first, machines)
    with pytest.raises(InUseError) as refused:
        second.take(machines[2].way())
    error, me = refused.value, first.me
    assert error.exit_code == 10 and error.host == "host-2"
    assert re.fullmatch(
        rf"{me.where} has been running `hardway bootstrap` on this cluster since \d\d:\d\d UTC"
        r" \(last sign of life 1 s ago\)",
        error.message,
    )
    assert error.evidence == f"process {me.pid} on {me.computer}"
    assert re.search(rf"wait until it ends.* if {me.computer} is off .* expires by itself at [\d:]+ UTC", error.hint)
    first.require()


def test_it_ends_with_its_owner(run, machines):
    first, second = run(), run()
    take(first, machines)
    first.end()
    until(lambda: not holders(machines))
    take(second, machines)
    second.require()


@pytest.mark.parametrize("seed", range(20))
def test_of_several_that_begin_at_once_exactly_one_goes_on(run, machines, seed):
    """Each comes to the hosts in an order of its own, and none sees that another has begun before it has a host."""
    chance, runs = random.Random(seed), [run(f"run-{number}") for number in range(3)]
    start, ended = threading.Barrier(len(runs)), {}

    def begin(one: Lease, order: list[Machine]) -> None:
        start.wait()
        try:
            take(one, order)
            ended[one] = "goes on"
        except InUseError as error:
            ended[one] = error.message

    threads = [
        threading.Thread(target=begin, args=(one, chance.sample(machines, len(machines))), daemon=True) for one in runs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    [winner] = [one for one in runs if ended[one] == "goes on"]
    until(lambda: holders(machines) == {winner.me.token})
    winner.require()


@pytest.mark.parametrize(("mine", "theirs"), [("a", "b"), ("b", "a")])
def test_two_that_have_got_a_host_each_agree_who_gives_way(run, machines, mine, theirs):
    one, other = run("mine", mine), run("theirs", theirs)
    one.take(machines[0].way())
    other.take(machines[1].way())
    ended = {}

    def go_on(run: Lease, machine: Machine) -> None:
        try:
            run.take(machine.way())
            run.work()
            ended[run] = True
        except InUseError:
            ended[run] = False

    threads = [threading.Thread(target=go_on, args=pair) for pair in ((one, machines[1]), (other, machines[0]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ended == {one: mine < theirs, other: theirs < mine}


def test_who_works_gives_way_to_nobody(run, machines):
    first, smaller = run(token="b"), run(token="a")
    take(first, machines[:2])
    with pytest.raises(InUseError):
        smaller.take(machines[0].way())
    first.require()


def test_one_that_hangs_before_it_works_is_not_waited_for_without_end(run, machines, monkeypatch):
    """It may wait for a password on another host."""
    monkeypatch.setattr(lease, "PATIENCE", 2.0)
    run(token="b").take(machines[0].way())
    began = time.monotonic()
    with pytest.raises(InUseError, match="has been running `hardway bootstrap`"):
        run(token="a").take(machines[0].way())
    assert time.monotonic() - began > 1.5


def test_one_that_has_not_said_who_it_is_is_named_as_such(run, machines, monkeypatch):
    monkeypatch.setattr(lease, "PATIENCE", 0.5)
    monkeypatch.setattr(keeper.Keeper, "_say", lambda self: None if self.term.over.is_set() else b"")
    machines[0].holder = machines[0].way()
    with pytest.raises(InUseError, match="has not reported who it is"):
        run().take(machines[0].way())


def test_what_a_run_left_where_it_was_cut_off_is_ended_by_the_next_from_the_same_state_directory(run, machines):
    """The host has not noticed that the run has ended; the lock of its state directory tells."""
    dead, stranger, successor = run(lock="a"), run(lock="b"), run(lock="a")
    take(dead, machines)
    leave_behind(dead, machines)
    with pytest.raises(InUseError):
        stranger.take(machines[0].way())
    take(successor, machines)
    assert holders(machines) == {successor.me.token}
    successor.require()


def test_copies_of_an_inventory_may_name_and_arrange_the_hosts_as_they_like(run, machines):
    take(run(), machines)
    [renamed] = [machines[3].way()]
    renamed.host = Machine("another-name").host
    with pytest.raises(InUseError):
        run().take(renamed)


def test_hosts_that_are_off_keep_nobody(run, machines):
    first, machines[0].off = run(), True
    with pytest.raises(ConnectionFailed):
        first.take(machines[0].way())
    take(first, machines[1:])
    first.require()
    with pytest.raises(InUseError):
        run().take(machines[1].way())


def test_a_host_that_does_not_let_us_be_root_says_so_once(run, machines):
    """Whoever is asked for a password is not asked again and again in the background."""
    first, way, tries = run(), machines[0].way(), []

    def talk(*conversation) -> int:
        tries.append(conversation)
        raise AuthenticationError("sudo does not accept the password", "host-0")

    way.talk = talk
    with pytest.raises(AuthenticationError):
        first.take(way)
    take(first, machines[1:])
    time.sleep(0.2)
    assert len(tries) == 1 and "host-0" not in first.keepers


def test_a_bug_of_ours_is_not_lost_in_a_thread(run, machines):
    first, way = run(), machines[0].way()
    way.talk = lambda *conversation: 1 / 0
    with pytest.raises(ZeroDivisionError):
        first.take(way)


def test_a_host_that_lets_nobody_in_any_more_is_no_host_that_cannot_hold_a_lease(run, machines):
    first, way = run(), machines[0].way()
    take(first, [])
    first.take(way)

    def talk(*conversation) -> int:
        raise AuthenticationError("our key is no longer accepted", "host-0")

    way.talk, way.cut = talk, True
    until(lambda: first.keepers["host-0"].error)
    with pytest.raises(InUseError, match="no host has confirmed it"):
        first.require()


def test_a_host_that_confirms_nothing_holds_nothing(run, machines, monkeypatch):
    """It takes the question and never answers: it is not waited for without end."""
    monkeypatch.setattr(keeper, "TTL", 0.3)
    first, way = run(), machines[0].way()

    def talk(command, lines, say, every) -> int:
        while say() is not None:
            time.sleep(0.01)
        return 0

    way.talk = talk
    first.take(way)
    assert first.keepers["host-0"].until == 0.0
    with pytest.raises(InUseError, match="no host has confirmed it"):
        first.require()


def test_a_host_that_cannot_hold_a_lease_keeps_nobody(run, machines):
    first, machines[0].dumb = run(), True
    take(first, machines[:1])
    first.require()
    take(first, machines[:2])
    assert [one.able for one in first.keepers.values()] == [False, True]


def test_a_host_asked_twice_is_held_once(run, machines):
    first = run()
    take(first, machines)
    kept = dict(first.keepers)
    take(first, machines)
    assert first.keepers == kept


def test_a_host_that_reboots_is_taken_again_and_the_others_hold_meanwhile(run, machines):
    first, other = run(), run()
    take(first, machines)
    machines[0].off = True
    machines[0].reboot()
    until(lambda: first.keepers["host-0"].until == 0.0)
    first.require()
    with pytest.raises(InUseError):
        other.take(machines[1].way())
    machines[0].off = False
    until(lambda: machines[0].holder)
    first.require()


def test_without_any_host_a_run_begins_nothing_more(run, machines):
    first = run()
    take(first, machines[:1])
    machines[0].off = True
    until(lambda: first.keepers["host-0"].until == 0.0)
    with pytest.raises(
        InUseError, match="this run has lost its lease of the cluster: no host has confirmed it"
    ) as lost:
        first.require()
    assert lost.value.exit_code == 10 and "run the same command again" in lost.value.hint
    with pytest.raises(InUseError) as again:
        first.require()
    assert again.value is lost.value, "one error, however many threads meet it"


def test_a_break_that_heals_is_waited_for(run, machines, monkeypatch):
    monkeypatch.setattr(lease, "RECOVERY", 60.0)
    first = run()
    take(first, machines[:1])
    machines[0].off = True
    until(lambda: first.keepers["host-0"].until == 0.0)
    threading.Timer(0.2, lambda: setattr(machines[0], "off", False)).start()
    first.require()


def test_a_run_that_finds_another_at_work_has_lost(run, machines):
    """Its own host was rebooted, and the other was there first afterwards."""
    first, other, way = run(), run("upgrade"), machines[0].way()
    first.take(way)
    first.work()
    way.cut = True
    until(lambda: not machines[0].holder)
    take(other, machines[:1])
    way.cut = False
    until(lambda: first.term.over.is_set())
    with pytest.raises(InUseError, match=r"has lost its lease of the cluster: .*running `hardway upgrade`"):
        first.require()
    other.require()


def test_a_run_that_slept_while_another_worked_has_lost(run, machines, monkeypatch):
    monkeypatch.setattr(lease, "RECOVERY", 60.0)
    first, other, way = run(), run(), machines[0].way()
    first.take(way)
    first.work()
    way.cut = True
    until(lambda: not machines[0].holder)
    take(other, machines[:1])
    until(lambda: " working " in machines[0].last)
    other.end()
    until(lambda: not machines[0].holder)
    way.cut = False
    with pytest.raises(InUseError, match="another run has changed the cluster meanwhile"):
        first.require()
        until(lambda: first.term.over.is_set())
        first.require()


def test_one_that_only_tried_meanwhile_has_changed_nothing(run, machines):
    first, other, way = run(), run(), machines[0].way()
    take(first, machines[1:])
    first.take(way)
    way.cut = True
    until(lambda: not machines[0].holder)
    other.take(machines[0].way())
    other.end()
    until(lambda: not machines[0].holder)
    way.cut = False
    until(lambda: machines[0].holder)
    first.require()


def test_a_computer_that_slept_knows_that_time_has_passed(run, machines, monkeypatch):
    """The hosts have let go of it by then; connections look alive as ever."""
    first, way = run(), machines[0].way()
    first.take(way)
    first.work()
    first.require()
    way.deaf, now = True, keeper.clock
    for module in (keeper, lease):
        monkeypatch.setattr(module, "clock", lambda: now() + keeper.TTL)
    with pytest.raises(InUseError, match="has lost its lease"):
        first.require()


def test_the_clock_is_one_that_counts_sleep():
    assert keeper.CLOCK == getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    assert lease.clock is keeper.clock


class Target:
    def __init__(self):
        self.ops: list[Op] = []

    def probe(self, probes):
        return dict.fromkeys(probes, "answer")

    def change(self, ops) -> None:
        self.ops += ops


def test_nothing_is_changed_without_it(run, machines):
    first, target = run(), Target()
    take(first, machines[:1])
    leased = Leased(target, first.require)
    leased.change([Op("reload")])
    machines[0].off = True
    until(lambda: first.keepers["host-0"].until == 0.0)
    with pytest.raises(InUseError):
        leased.change([Op("swapoff")])
    assert target.ops == [Op("reload")] and leased.probe(["question"]) == {"question": "answer"}


@pytest.mark.parametrize(
    ("ago", "told"), [(0, r"since \d\d:\d\d UTC \("), (86400 * 3, r"since \d\d:\d\d UTC on \d{4}-\d\d-\d\d \(")]
)
def test_a_moment_of_another_day_is_told_with_its_day(ago, told):
    assert re.search(told, str(Holder("t", time.time() - ago, "ana@laptop", 1, "reset")))


def test_a_holder_is_read_as_it_was_written():
    me = Holder.of_this_run("drill --restore")
    read = Holder.parse(f"7 {me.beat(12.5, True)}")
    assert read.lock == "" and Holder.parse(f"7 {Holder.of_this_run('reset', 'a1').beat(1, True)}").lock == "a1"
    assert (read.token, read.where, read.pid, read.command) == (me.token, me.where, me.pid, "drill --restore")
    assert read.working and read.age == 7 and abs(read.since - me.since) <= 1
    assert not Holder.parse(f"0 {me.beat(12.5, False)}").working


@pytest.mark.parametrize("said", ["", "7", "3 token working", "x token working 1 2 a@b 3 - bootstrap"])
def test_what_is_no_holder_is_none(said):
    assert Holder.parse(said) is None


def test_names_of_people_and_computers_cannot_break_the_line(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "Ana María\n$(reboot)")
    monkeypatch.setattr("socket.gethostname", lambda: "her laptop")
    me = Holder.of_this_run("bootstrap")
    assert len(me.beat(1, True).split()) == 8 and Holder.parse(f"0 {me.beat(1, True)}").computer == "her-laptop"
