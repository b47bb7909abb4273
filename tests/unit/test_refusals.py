"""What is refused because it would lose something, before anything is touched."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from hardway import actions
from hardway.cli import cli
from hardway.errors import QuorumError, UsageError
from hardway.facts import Facts
from hardway.inventory import load
from hardway.phase import Inputs
from hardway.phases import dns, etcd_members
from hardway.session import Selection

FILE = Path(__file__).parents[2] / "inventory" / "lab.yaml"
LAB = load(FILE)
BORN = Facts(etcd_data=True, etcd_state="existing", nameservers=("10.0.0.53",))


def inputs(**facts: Facts) -> Inputs:
    every = {host.name: BORN for host in LAB.hosts} | {name.replace("_", "-"): fact for name, fact in facts.items()}
    return Inputs(LAB, every, None, None)


def session(*sick: str) -> SimpleNamespace:
    health = lambda host: "connection refused" if host.name in sick else ""  # noqa: E731
    return SimpleNamespace(cluster=LAB, live=SimpleNamespace(etcd_health=health))


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


@pytest.mark.parametrize("local", ["127.0.0.1", "127.0.0.53", "::1"])
def test_dns_forwards_to_no_name_server_that_in_a_pod_is_the_pod_itself(local):
    assert dns.forward(inputs(worker_1=replace(BORN, nameservers=("192.0.2.53", local)))) == ()


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


def test_keys_of_the_whole_cluster_are_not_removed_with_one_host(tmp_path):
    options = ["reset", str(FILE), "--yes", "--limit", "worker-0", "--remove-pki", "--state-dir", str(tmp_path / "none")]
    result = CliRunner().invoke(cli, options)
    assert result.exit_code == 2 and "--remove-pki" in result.output


def test_a_selection_of_no_phase_is_a_mistake():
    with pytest.raises(UsageError, match="no phase is left"):
        Selection(start="etcd", until="pki").phases()
