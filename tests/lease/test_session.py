"""Who asks for the lease: what changes a cluster, and nothing else."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.leasing import Machine
from fakes.world import World

from hardway.commands.bootstrap import bootstrap
from hardway.commands.drills import begin, restore
from hardway.commands.drills.table import drill
from hardway.commands.reset import reset
from hardway.commands.verify import verify
from hardway.errors import ConnectionFailed, HostErrors, InUseError, ReadOnlyError
from hardway.facts import Facts, parse
from hardway.inventory import load
from hardway.lease import Holder, Lease, Leased
from hardway.preflight import findings
from hardway.report import Report
from hardway.run.runner import Runner
from hardway.run.selection import Selection
from hardway.session import Known, Session
from hardway.vocabulary import Op

LAB = load(Path(__file__).parents[2] / "inventory" / "lab.yaml")
EVERYWHERE = Selection().hosts(LAB)


@pytest.fixture
def machines() -> dict[str, Machine]:
    return {host.name: Machine(host.name) for host in LAB.hosts}


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machines) -> Iterator[Callable[..., Session]]:
    """session(): a person with a copy of the state directory, whose hosts say of themselves who holds them."""
    monkeypatch.setattr("hardway.ssh.connect", lambda host, prompt=None: machines[host.name].way())
    made: list[Session] = []

    def survey(host, trial=False) -> Facts:
        machine = machines[host.name]
        if machine.off:
            raise ConnectionFailed(f"{host.name} does not answer", host.name)
        return Facts(hostname=host.name, lease=f"1 {machine.last}" if machine.holder else "")

    def sit_down(logged: str = "bootstrap", folder: Path | None = None, **access) -> Session:
        folder = folder or tmp_path / f"state-{len(made)}"
        made.append(Session.open(LAB, folder, Report(stream=io.StringIO()), logged=logged, **access))
        monkeypatch.setattr(made[-1].live, "survey", survey)
        return made[-1]

    yield sit_down
    for one in made:
        if one.permission.lease:
            one.permission.lease.end()


@pytest.fixture
def ana(session) -> Iterator[Session]:
    """Somebody who was first, and is at work."""
    first = session("upgrade")
    with first.locked():
        first.survey()
        yield first


def test_a_session_that_is_locked_holds_every_host(session, machines):
    one = session()
    with one.locked():
        known = one.survey()
        assert all(machine.last.startswith(one.permission.lease.me.token) for machine in machines.values())
        assert {facts.lease for facts in known.facts.values()} == {""}, "its own lease is no news to it"
    assert one.permission.lease is None


COMMANDS = {
    "bootstrap": lambda session: bootstrap(session, Selection()),
    "bootstrap of one host": lambda session: bootstrap(session, Selection(limit=("worker-0",))),
    "reset": lambda session: reset(session, EVERYWHERE, keep_pki=True),
    "reset of one host": lambda session: reset(session, frozenset({"worker-1"}), keep_pki=True),
    "drill --restore": lambda session: restore(session, print),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_whatever_changes_the_cluster_is_refused_to_the_second(session, ana, command):
    second = session()
    with pytest.raises(InUseError, match="has been running `hardway upgrade` on this cluster since") as refused:
        COMMANDS[command](second)
    assert refused.value.exit_code == 10
    ana.permission.lease.require()
    assert second.store.names() <= {"lock"}, "nothing was issued"


def test_a_drill_is_refused_to_the_second(session, ana):
    second = session("")
    second.store.create("pki/ca.crt", b"a certificate")
    with pytest.raises(InUseError):
        begin(second, drill("apiserver"), LAB.control_plane[:1])


def test_the_next_run_of_the_same_state_directory_need_not_wait_for_what_the_last_left(session, machines):
    """Its network was cut, and the hosts have not noticed yet that it has ended."""
    dead, copy = session(), session()
    with dead.locked():
        dead.survey()
    for machine in machines.values():
        machine.last, machine.holder = machine.last.replace(" trying ", " working "), machine.way()
    with copy.locked(), pytest.raises(InUseError):
        copy.survey()
    next_one = session(folder=dead.state_dir)
    with next_one.locked():
        next_one.survey()
        next_one.permission.lease.require()


def test_a_drill_is_named_as_such(session, machines):
    one = session("")
    with one.locked("drill"):
        one.survey(frozenset())
        assert machines["lb"].last.endswith(" drill")


def test_the_refusal_is_one_error_and_the_first_thing_said(session, ana, machines):
    """Though every host refuses, and another one is off."""
    machines["lb"].off = True
    second = session()
    with second.locked(), pytest.raises(InUseError) as refused:
        second.survey()
    assert not isinstance(refused.value, HostErrors) and refused.value.host in machines


def test_a_host_that_is_off_is_what_it_was(session, machines):
    machines["worker-1"].off = True
    one = session()
    with one.locked():
        with pytest.raises(ConnectionFailed):
            one.survey()
        known = one.survey(frozenset({"worker-0"}))
        assert [*known.away] == ["worker-1"]
        one.permission.lease.require()


def test_what_only_looks_needs_no_lease_and_says_who_has_it(session, ana):
    for access in ({"read_only": True}, {"read_only": True, "proving": True}):
        looking = session("", **access)
        found = [one for one in findings(looking.survey().inputs) if one.name == "OtherRun"]
        assert len(found) == 1 and found[0].warning and "`hardway upgrade`" in found[0].what
    ana.permission.lease.require()


def test_verify_says_why_things_may_be_changing(session, ana, monkeypatch):
    monkeypatch.setattr("hardway.commands.verify.plan", lambda *known: [])
    monkeypatch.setattr("hardway.checks.verify", lambda *scene: [])
    monkeypatch.setattr("hardway.session.Known.gather", lambda known: None)
    proving = session("", read_only=True, proving=True)
    assert verify(proving, ()) == []
    said = proving.report.stream.getvalue()
    assert said.count("running `hardway upgrade` on this cluster") == 1 and "what you see here may change" in said


def test_two_runs_are_two_warnings(session, ana):
    inputs = session("", read_only=True).survey().inputs
    other = Holder.of_this_run("reset").beat(1.0, True)
    facts = {**inputs.facts, "worker-1": replace(inputs.facts["worker-1"], lease=f"9 {other}")}
    found = [one for one in findings(replace(inputs, facts=facts)) if one.name == "OtherRun"]
    assert [("upgrade" in one.what, one.host) for one in found] == [(True, LAB.hosts[0].name), (False, "worker-1")]


def test_a_lease_is_read_from_the_survey():
    assert parse("lease=3 token working 1 2 a@b 4 - bootstrap", 0, 0).lease == "3 token working 1 2 a@b 4 - bootstrap"
    assert parse("lease=", 0, 0).lease == "" == parse("arch=x86_64", 0, 0).lease


def test_nothing_is_changed_outside_of_a_locked_session(session):
    one = session()
    for remote in Known(one, {}, {}).remotes().values():
        with pytest.raises(ReadOnlyError, match="without its lease"):
            remote.change([Op("reload")])


def test_nothing_is_changed_once_it_is_lost(session, machines, monkeypatch):
    monkeypatch.setattr("hardway.lease.lease.RECOVERY", 0.1)
    one = session()
    with one.locked():
        known = one.survey()
        remotes = known.remotes()
        for machine in machines.values():
            machine.off = True
        one.permission.lease.term.news.acquire()
        one.permission.lease.term.news.wait_for(
            lambda: not any(keeper.until for keeper in one.permission.lease.keepers.values()), timeout=5
        )
        one.permission.lease.term.news.release()
        for name in ("lb", "operator", "etcd", "kubernetes"):
            with pytest.raises(InUseError, match="has lost its lease"):
                remotes[name].change([Op("reload")])


class TestARun:
    """A bootstrap of a cluster in memory that loses its lease in the middle."""

    @pytest.mark.parametrize("after", [0, 3, 20, 40])
    def test_it_begins_nothing_more_and_says_so_once(self, tmp_path, after):
        world, lost = World(LAB, tmp_path), InUseError("this run has lost its lease of the cluster", hint="again")
        asked: list[int] = []

        def permit() -> None:
            asked.append(len(world.log))
            if len(asked) > after:
                raise lost

        remotes = {name: Leased(remote, permit) for name, remote in world.remotes().items()}
        runner = Runner(
            world.inputs(), world.live, remotes, world.phases, world.names, Report(stream=io.StringIO()), parallel=1
        )
        with pytest.raises(InUseError) as caught:
            runner.run()
        assert caught.value is lost
        assert len(asked) <= after + len(world.names), "what was about to begin meets it, nothing else"
        assert after or world.log == []
        # And it is continued by the same command.
        world.revive()
        world.run()
        assert world.outdated() == []


def test_the_name_of_a_user_that_nobody_knows(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: (_ for _ in ()).throw(KeyError("no such user")))
    assert Lease("reset").me.where.startswith(f"uid-{os.getuid()}@")
