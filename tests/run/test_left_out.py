"""Which hosts a run is about: workers that do not answer are left out and named last, excluded hosts are not asked."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from fakes.world import World

from hardway.cli import bootstrap as typed
from hardway.cli.app import cli
from hardway.commands.bootstrap import bootstrap
from hardway.errors import ConnectionFailed, HardwayError, HostErrors, HostKeyError, NotReadyError, UsageError
from hardway.facts import Facts
from hardway.inventory import load
from hardway.lease import Permission
from hardway.pki.credentials import Credentials
from hardway.plans import Purpose, as_document, look, save
from hardway.plans import load as load_plan
from hardway.progress.runlog import RunLog
from hardway.report import Report
from hardway.run.selection import Selection
from hardway.session import Session
from hardway.state.statedir import Overlay

FILE = Path(__file__).parents[2] / "inventory" / "lab.yaml"


class Asked:
    """A cluster in memory by way of a session, which hosts were asked, and what they say instead of answering."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.world = World(load(FILE), folder)
        self.asked: list[str] = []
        self.off: dict[str, HardwayError] = {}
        self.said = io.StringIO()
        report, live = Report(stream=self.said), self.world.live
        monkeypatch.setattr(live, "survey", self.survey)
        monkeypatch.setattr(live, "remotes", dict(self.world.hosts))
        monkeypatch.setattr("hardway.session.what_lives", lambda live, facts=None, trial=False: self.world.lives)
        monkeypatch.setattr("hardway.commands.bootstrap.building.what_lives", lambda live: self.world.lives)
        monkeypatch.setattr(Session, "looking", overlaid)
        # The lease has tests of its own: here only that whoever is not to be asked is not asked for it either.
        monkeypatch.setattr(Permission, "take", lambda permission, transport: transport.connect())
        self.session = Session(
            self.world.cluster, folder, report, RunLog(None), self.world.store, self.world.credentials,
            self.world.assets, live,
        )  # fmt: skip

    def survey(self, host, trial=False) -> Facts:
        self.session.live.transports[host.name].connect()  # refused at once where nobody is to be asked
        self.asked.append(host.name)
        if host.name in self.off:
            raise self.off[host.name]
        return self.world.facts[host.name]

    def bootstrap(self, **selection) -> None:
        bootstrap(self.session, Selection(**selection))


def overlaid(session: Session) -> Session:
    """The same cluster, keys made in memory."""
    return replace(session, credentials=Credentials(session.cluster, Overlay(session.store)))


@pytest.fixture
def cluster(tmp_path, monkeypatch) -> Asked:
    return Asked(tmp_path, monkeypatch)


def silent(name: str) -> ConnectionFailed:
    return ConnectionFailed("10.0.0.1 does not answer within 10.0 s", name, hint="ping -c 3 10.0.0.1")


def test_a_worker_that_is_off_is_left_out_and_named_last(cluster):
    cluster.off["worker-1"] = silent("worker-1")
    with pytest.raises(ConnectionFailed) as caught:
        cluster.bootstrap()
    error = caught.value
    assert (error.host, error.exit_code) == ("worker-1", 4) and "left out" in error.evidence
    assert error.hint == f"ping -c 3 10.0.0.1; then: hardway bootstrap {FILE}"
    assert list(cluster.world.live.nodes()) == ["worker-0"], "everything else is done"
    assert "left out: worker-1: 10.0.0.1 does not answer" in cluster.said.getvalue()
    assert "10.200.1.0/24 10.240.0.21" in cluster.world.hosts["worker-0"].routes


def test_several_are_all_named_and_what_does_not_answer_gives_the_exit_code(cluster):
    cluster.off["worker-0"] = NotReadyError("a command did not end within 120 s", "worker-0")
    cluster.off["worker-1"] = HostKeyError("its key has changed", "worker-1", hint="hardway trust INV worker-1")
    with pytest.raises(HostErrors) as caught:
        cluster.bootstrap()
    assert [error.host for error in caught.value.errors] == ["worker-1", "worker-0"] and caught.value.exit_code == 4
    text = "\n".join(caught.value.lines())
    assert "hardway trust INV worker-1; then: hardway bootstrap" in text and "did not end" in text


@pytest.mark.parametrize("name", ["lb", "controller-1"])
def test_any_other_host_stops_the_run_before_anything_is_done(cluster, name):
    cluster.off[name] = silent(name)
    with pytest.raises(ConnectionFailed) as caught:
        cluster.bootstrap()
    assert caught.value.host == name and cluster.world.log == []


def test_a_worker_with_another_role_stops_it_too(cluster):
    roles = cluster.world.cluster.host("controller-1").roles | cluster.world.cluster.host("worker-1").roles
    hosts = (replace(h, roles=roles) if h.name == "worker-1" else h for h in cluster.world.cluster.hosts)
    cluster.session = replace(cluster.session, cluster=replace(cluster.world.cluster, hosts=tuple(hosts)))
    cluster.off["worker-1"] = silent("worker-1")
    with pytest.raises(ConnectionFailed):
        cluster.bootstrap()
    assert cluster.world.log == []


def test_a_run_that_is_about_nobody_else_has_nothing_to_do(cluster):
    cluster.off["worker-1"] = silent("worker-1")
    with pytest.raises(ConnectionFailed) as caught:
        cluster.bootstrap(limit=("worker-1",))
    assert caught.value.host == "worker-1" and cluster.world.log == [] and "left out" not in caught.value.evidence


def test_an_excluded_host_is_not_connected_to_and_the_run_succeeds(cluster):
    cluster.bootstrap(exclude=("worker-1",))
    assert "worker-1" not in cluster.asked and cluster.world.hosts["worker-1"].round_trips == 0
    assert list(cluster.world.live.nodes()) == ["worker-0"]
    with pytest.raises(ConnectionFailed, match="worker-1 is excluded from this run"):
        cluster.session.live.transports["worker-1"].dial(22)


def test_any_host_can_be_excluded(cluster):
    """A control-plane host whose machine is lost for good, for example."""
    cluster.bootstrap()
    cluster.off["lb"] = silent("lb")
    cluster.asked.clear()
    cluster.bootstrap(exclude=("lb",))
    assert "lb" not in cluster.asked


def test_a_plan_leaves_out_the_same_hosts_and_says_so(cluster, tmp_path):
    cluster.off["worker-1"] = silent("worker-1")
    plan, errors = look(cluster.session, Selection())
    assert [error.host for error in errors] == ["worker-1"]
    assert "worker-0" in {change.host for change in plan.changes} and "worker-1" not in {c.host for c in plan.changes}


def test_a_saved_plan_knows_who_was_excluded(cluster, tmp_path):
    selection = Selection(exclude=("worker-1",), limit=("worker-0", "worker-1"))
    plan, _ = look(cluster.session, selection)
    save(as_document(plan, Purpose.of(cluster.world.cluster, selection)), tmp_path / "plan")
    purpose = load_plan(tmp_path / "plan").purpose
    assert purpose.selection == selection and str(selection) == "--limit worker-0 --limit worker-1 --exclude worker-1"
    with pytest.raises(HardwayError, match="is not a plan for this run"):
        Purpose.of(cluster.world.cluster, Selection(limit=("worker-0",))).require(purpose, tmp_path / "plan")


def test_a_selection_of_no_host_or_of_an_unknown_one_is_a_mistake():
    cluster = load(FILE)
    with pytest.raises(UsageError, match="these options select no host"):
        Selection(limit=("lb",), exclude=("lb",)).hosts(cluster)
    with pytest.raises(UsageError, match="no host worker-3 in the inventory") as caught:
        Selection(exclude=("worker-3",)).hosts(cluster)
    assert "did you mean worker-" in caught.value.hint


def test_the_option_reaches_the_selection(monkeypatch):
    seen = []
    monkeypatch.setattr(typed, "_plan", lambda *words, **options: seen.append(typed._selection(options)))
    words = ["INV", "--exclude", "a", "--exclude", "b", "--limit", "c"]
    for command in (["plan"], ["bootstrap", "--dry-run"]):
        result = CliRunner().invoke(cli, [*command, *words])
        assert result.exit_code == 0, result.output
    assert seen == [Selection(limit=("c",), exclude=("a", "b"))] * 2
