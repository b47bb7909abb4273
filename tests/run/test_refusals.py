"""What is refused because it would lose something, before anything is touched."""

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from click.testing import CliRunner

from hardway.cli.app import cli
from hardway.commands import reset
from hardway.errors import NotReadyError, QuorumError, UsageError
from hardway.etcd.interface import Member
from hardway.facts import Facts
from hardway.inventory import load
from hardway.living import Lives, lives
from hardway.phase import Inputs
from hardway.phases import dns, etcd_members
from hardway.render import render
from hardway.report import Report
from hardway.run.selection import Selection
from hardway.session import Known, Session
from hardway.settings import CoreDns

FILE = Path(__file__).parents[2] / "inventory" / "lab.yaml"
LAB = load(FILE)
BORN = Facts(etcd_data=True, etcd_state="existing", nameservers=("10.0.0.53",))


def inputs(**facts: Facts) -> Inputs:
    every = {host.name: BORN for host in LAB.hosts} | {name.replace("_", "-"): fact for name, fact in facts.items()}
    return Inputs(LAB, every, None, None)


def known(*sick: str, members: tuple[Member, ...] | None = None) -> Known:
    """`members` are those that etcd lists, None when it cannot be asked."""
    health = lambda host: "connection refused" if host.name in sick else ""  # noqa: E731

    def listed() -> tuple[Member, ...]:
        if members is None:
            raise NotReadyError("etcd does not answer")
        return members

    live = SimpleNamespace(etcd_health=health, etcd=lambda host: SimpleNamespace(members=listed))
    return Known(SimpleNamespace(cluster=LAB, live=live), {}, {})


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


@pytest.mark.parametrize("forwards", [(), ("/etc/resolv.conf",), ("192.0.2.1", "192.0.2.2")])
def test_a_cluster_that_lives_forwards_as_before_while_a_worker_is_away(forwards):
    for facts in ({"worker_1": Facts(known=False)}, {"worker_0": Facts(known=False), "worker_1": replace(BORN)}):
        assert dns.forward(replace(inputs(**facts), lives=Lives(forward=forwards))) == forwards
    assert dns.forward(replace(inputs(), lives=Lives(forward=forwards))) == ("/etc/resolv.conf",)


@pytest.mark.parametrize("forward", [(), ("/etc/resolv.conf",), ("192.0.2.1", "192.0.2.2")])
@pytest.mark.parametrize("domains", [{}, {"corp.example": ("192.0.2.9",)}])
def test_where_cluster_dns_forwards_is_read_from_what_is_rendered(forward, domains):
    cluster = replace(LAB, coredns=CoreDns(stub_domains=domains))
    rendered = yaml.safe_load_all(render("coredns.yaml", cluster, coredns_image="one", forward=forward))
    [found] = [one for one in rendered if one["kind"] == "ConfigMap"]
    assert lives.forward(found) == forward
    assert lives.forward(None) is None and lives.forward({"data": {}}) is None


@pytest.mark.parametrize("own", ["127.0.0.1", "127.0.0.53", "::1"])
def test_dns_does_not_forward_to_a_resolver_that_a_pod_would_look_for_in_itself(own: str):
    """CoreDNS would ask itself and end with `Loop detected`."""
    assert dns.forward(inputs(worker_1=replace(BORN, nameservers=("10.0.0.1", own)))) == ()


def test_a_host_too_sick_to_answer_stops_only_a_run_that_is_about_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def survey(host, trial=False) -> Facts:
        if host.name == "worker-1":
            raise NotReadyError("a command did not end within 120 s", host.name)
        return BORN

    session = Session.open(LAB, tmp_path, Report(stream=io.StringIO()))
    monkeypatch.setattr(session.live, "survey", survey)
    seen = session.survey(frozenset({"worker-0"}))
    assert [*seen.away] == ["worker-1"] and not seen.facts["worker-1"].known and seen.facts["worker-0"] == BORN
    with pytest.raises(NotReadyError):
        session.survey(frozenset({"worker-1"}))


def test_a_reset_of_some_hosts_leaves_etcd_its_quorum():
    one, two = frozenset({"controller-0"}), frozenset({"controller-0", "controller-1"})
    reset._keep_quorum(known(), one)
    reset._keep_quorum(known("controller-0"), one)
    with pytest.raises(QuorumError, match="leave 1 of 3"):
        reset._keep_quorum(known(), two)
    with pytest.raises(QuorumError, match="leave 1 of 3"):
        reset._keep_quorum(known("controller-2"), one)


def test_what_has_no_quorum_to_lose_may_be_reset():
    reset._keep_quorum(known("controller-1", "controller-2"), frozenset({"controller-0"}))
    reset._keep_quorum(known(), frozenset(host.name for host in LAB.hosts))
    reset._keep_quorum(known(), frozenset({"worker-0"}))


def test_a_reset_counts_the_members_that_etcd_has():
    """Of five members two are in no inventory any more; or one of the inventory is no member any more."""
    own = tuple(Member(i, host.name, (host.peer_url,), ()) for i, host in enumerate(LAB.etcd_members))
    five = (
        *own,
        Member(7, "etcd-7", ("https://10.240.0.77:2380",), ()),
        Member(8, "", ("https://10.240.0.78:2380",), ()),
    )
    with pytest.raises(QuorumError, match="leave 2 of 5 etcd members; a quorum needs 3"):
        reset._keep_quorum(known(members=five), frozenset({"controller-0"}))
    learners = tuple(replace(member, learner=True) for member in five[3:])
    reset._keep_quorum(known(members=(*own, *learners)), frozenset({"controller-0"}))
    reset._keep_quorum(known("controller-0", members=own[1:]), frozenset({"controller-0"}))


def test_a_host_that_is_lost_does_not_keep_the_others_from_being_reset():
    rest = frozenset(host.name for host in LAB.hosts) - {"controller-2"}
    with pytest.raises(QuorumError, match="leave 1 of 3"):
        reset._keep_quorum(known(), rest)
    lost = replace(known("controller-2"), away={"controller-2": NotReadyError("no answer", "controller-2")})
    reset._keep_quorum(lost, rest)
    with pytest.raises(QuorumError, match="leave 0 of 3"):
        reset._keep_quorum(lost, rest - {"worker-0"})


def test_keys_of_the_whole_cluster_are_not_removed_with_one_host(tmp_path):
    options = [
        "reset",
        str(FILE),
        "--yes",
        "--limit",
        "worker-0",
        "--remove-pki",
        "--state-dir",
        str(tmp_path / "none"),
    ]
    result = CliRunner().invoke(cli, options)
    assert result.exit_code == 2 and "--remove-pki" in result.output


def test_a_selection_of_no_phase_is_a_mistake():
    with pytest.raises(UsageError, match="these options select no phase"):
        Selection(start="etcd", until="pki").phases()
