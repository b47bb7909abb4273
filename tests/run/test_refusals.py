"""What is refused because it would lose something, before anything is touched."""

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from hardway import actions
from hardway.cli.app import cli
from hardway.errors import NotReadyError, QuorumError, UsageError
from hardway.facts import Facts
from hardway.inventory import load
from hardway.phase import Inputs
from hardway.phases import dns, etcd_members
from hardway.report import Report
from hardway.session import Selection, Session

FILE = Path(__file__).parents[2] / "inventory" / "lab.yaml"
LAB = load(FILE)
BORN = Facts(etcd_data=True, etcd_state="existing", nameservers=("10.0.0.53",))


def inputs(**facts: Facts) -> Inputs:
    every = {host.name: BORN for host in LAB.hosts} | {name.replace("_", "-"): fact for name, fact in facts.items()}
    return Inputs(LAB, every, None, None)


def session(*sick: str) -> SimpleNamespace:
    health = lambda host: "connection refused" if host.name in sick else ""  # noqa: E731
    return SimpleNamespace(cluster=LAB, live=SimpleNamespace(etcd_health=health), away={})


def test_a_member_that_is_away_is_not_one_that_lost_its_data():
    assert etcd_members.desired(inputs(controller_1=Facts(known=False)), None) == []


def test_one_member_without_data_is_to_join_and_two_are_refused():
    empty = replace(BORN, etcd_data=False)
    assert [wanted.member.name for wanted in etcd_members.desired(inputs(controller_1=empty), None)] == ["controller-1"]
    with pytest.raises(QuorumError, match="controller-1, controller-2"):
        etcd_members.desired(inputs(controller_1=empty, controller_2=empty), None)


def test_a_worker_that_is_away_does_not_change_where_dns_forwards():
    assert dns.forward(inputs(worker_1=Facts(known=False))) == ("/etc/resolv.conf",)
    assert dns.forward(inputs(worker_1=replace(BORN, nameservers=()))) == ()


@pytest.mark.parametrize("own", ["127.0.0.1", "127.0.0.53", "::1"])
def test_dns_does_not_forward_to_a_resolver_that_a_pod_would_look_for_in_itself(own: str):
    """CoreDNS would ask itself and end with `Loop detected`."""
    assert dns.forward(inputs(worker_1=replace(BORN, nameservers=("10.0.0.1", own)))) == ()


def test_a_host_too_sick_to_answer_stops_only_a_run_that_is_about_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def survey(host) -> Facts:
        if host.name == "worker-1":
            raise NotReadyError("a command did not end within 120 s", host.name)
        return BORN

    session = Session(LAB, tmp_path, Report(stream=io.StringIO()))
    monkeypatch.setattr(session.live, "survey", survey)
    session.survey(frozenset({"worker-0"}))
    assert [*session.away] == ["worker-1"] and not session.facts["worker-1"].known and session.facts["worker-0"] == BORN
    with pytest.raises(NotReadyError):
        session.survey(frozenset({"worker-1"}))


def test_a_reset_of_some_hosts_leaves_etcd_its_quorum():
    one, two = frozenset({"controller-0"}), frozenset({"controller-0", "controller-1"})
    actions._keep_quorum(session(), one)
    actions._keep_quorum(session("controller-0"), one)
    with pytest.raises(QuorumError, match="leave 1 of 3"):
        actions._keep_quorum(session(), two)
    with pytest.raises(QuorumError, match="leave 1 of 3"):
        actions._keep_quorum(session("controller-2"), one)


def test_what_has_no_quorum_to_lose_may_be_reset():
    actions._keep_quorum(session("controller-1", "controller-2"), frozenset({"controller-0"}))
    actions._keep_quorum(session(), frozenset(host.name for host in LAB.hosts))
    actions._keep_quorum(session(), frozenset({"worker-0"}))


def test_a_host_that_is_lost_does_not_keep_the_others_from_being_reset():
    rest = frozenset(host.name for host in LAB.hosts) - {"controller-2"}
    with pytest.raises(QuorumError, match="leave 1 of 3"):
        actions._keep_quorum(session(), rest)
    lost = session("controller-2")
    lost.away = {"controller-2": NotReadyError("no answer", "controller-2")}
    actions._keep_quorum(lost, rest)
    with pytest.raises(QuorumError, match="leave 0 of 3"):
        actions._keep_quorum(lost, rest - {"worker-0"})


def test_keys_of_the_whole_cluster_are_not_removed_with_one_host(tmp_path):
    options = ["reset", str(FILE), "--yes", "--limit", "worker-0", "--remove-pki", "--state-dir", str(tmp_path / "none")]
    result = CliRunner().invoke(cli, options)
    assert result.exit_code == 2 and "--remove-pki" in result.output


def test_a_selection_of_no_phase_is_a_mistake():
    with pytest.raises(UsageError, match="no phase is left"):
        Selection(start="etcd", until="pki").phases()
