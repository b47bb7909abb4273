"""`hardway etcd status` and `members`: what is said of members that are well, ill, silent, strange or too many."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest

from hardway.commands.etcd import members, screen, status
from hardway.errors import ConnectionFailed, NotReadyError
from hardway.etcd.interface import Alarm, Member, Status, alarms
from hardway.inventory import load
from hardway.snapshots import Said

LAB = load(Path(__file__).parents[2] / "inventory/lab.yaml")
HOSTS = LAB.etcd_members
GIB = 1 << 30


def own(number: int, **changes) -> Status:
    """What a healthy member of three says; the first leads."""
    said = Status(HOSTS[number].name, number + 1, 1, 70, 3, 30_000_000, "3.7.3", 0xC1, 500, 500, False)
    return dataclasses.replace(said, **{"db_in_use": 27_000_000, "db_quota": 2 * GIB, "storage": "3.7.0", **changes})


def three(*others: Said, **changes) -> tuple[Said, ...]:
    """Three healthy members, of whom those given are otherwise; `changes` are the second one's."""
    found = [Said(host, own(number)) for number, host in enumerate(HOSTS)]
    found[1] = Said(HOSTS[1], own(1, **changes))
    by_name = {one.host.name: one for one in others}
    return tuple(by_name.get(one.host.name, one) for one in found)


def problems(said: tuple[Said, ...]) -> list[str]:
    found = status.judge("lab", said)
    return [*found.problems, *(f"{one.host}: {text}" for one in found.members for text in one.problems)]


def test_healthy_members_are_shown_with_all_that_matters():
    found = status.judge("lab", three())
    assert found.healthy and found.id == "c1" and not found.away
    first = found.members[0]
    assert (first.id, first.leader, first.db_bytes, first.free) == ("1", True, 30_000_000, 0.1)
    text = screen.status_text(found, io.StringIO())
    assert [line.split()[:3] for line in text.splitlines()[2:]] == [
        [HOSTS[0].name, "1", "leader"],
        [HOSTS[1].name, "2", "follower"],
        [HOSTS[2].name, "3", "follower"],
    ]
    assert "30.0 MB" in text and "27.0 MB" in text and "2147.5 MB" in text
    assert json.loads(screen.as_json(found))["members"][0]["term"] == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"leader": 0}, "controller-1: has no leader"),
        ({"is_learner": True}, "controller-1: is still a learner"),
        ({"raft_applied_index": 499}, ""),
        ({"alarms": (Alarm(2, "NOSPACE"),)}, "controller-1: has raised the alarm NOSPACE"),
        ({"alarms": (Alarm(1, "NOSPACE"),)}, ""),
        ({"db_size": int(1.7 * GIB)}, "controller-1: uses 85% of its quota"),
        ({"cluster_id": 0xC2}, "the members belong to 2 clusters: c1, c2"),
        ({"leader": 2}, "the members follow 2 leaders"),
    ],
)
def test_what_is_wrong_with_one_member_is_said(changes, said):
    assert problems(three(**changes)) == [said] * bool(said)


def test_a_member_that_is_far_behind_is_named():
    far = Said(HOSTS[2], own(2, raft_index=5000, raft_applied_index=5000))
    assert f"{HOSTS[0].name}: is 4500 entries behind" in problems(three(far))


def test_a_leader_that_is_no_host_of_the_inventory_is_told():
    strange = tuple(Said(host, own(number, leader=9)) for number, host in enumerate(HOSTS))
    assert problems(strange) == ["the leader 9 is no host of the inventory that answers"]


def test_no_answer_is_neither_healthy_nor_a_wrong_member():
    """Of a host that does not answer nothing is known; a member that does not answer on one that does is sick."""
    gone = Said(HOSTS[1], error=ConnectionFailed("no route"))
    dead = Said(HOSTS[2], error=NotReadyError("etcd does not answer"), sick="connection refused")
    found = status.judge("lab", three(gone, dead))
    assert not found.away and not found.healthy
    assert problems(three(gone, dead)) == [
        "controller-1: the host does not answer: no route",
        "controller-2: connection refused",
    ]
    assert "no answer" in screen.status_text(found, io.StringIO())
    assert status.judge("lab", tuple(Said(host, error=ConnectionFailed("no")) for host in HOSTS)).away


def test_alarms_are_read_as_every_version_writes_them():
    said = [
        "memberID:12 alarm:NOSPACE ",
        "memberID:3  alarm:CORRUPT",
        "etcdserver: no leader",
        "memberID:12 alarm:NOSPACE",
    ]
    assert alarms(said) == (Alarm(3, "CORRUPT"), Alarm(12, "NOSPACE"))


def listed(**changes: dict) -> list[Member]:
    """The inventory's members as etcd lists them; changes by the name of a host, with `_` for `-`."""
    found = []
    for number, host in enumerate(HOSTS):
        member = Member(number + 1, host.name, (host.peer_url,), (host.client_url,))
        found.append(dataclasses.replace(member, **changes.get(host.name.replace("-", "_"), {})))
    return found


def test_the_inventorys_own_members_are_as_expected():
    found = members.judge(LAB, listed())
    assert found.expected and [row.host for row in found.members] == [host.name for host in HOSTS]
    text = screen.members_text(found, io.StringIO())
    assert "etcd of lab, 3 members" in text and HOSTS[0].peer_url in text and "next:" not in text


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"client_urls": ()}, "has never started"),
        ({"learner": True}, "is still a learner"),
        ({"peer_urls": ("https://10.0.0.9:2380",)}, f"the inventory has it at {HOSTS[1].peer_url}"),
        ({"name": "other", "peer_urls": ("https://10.0.0.9:2380",)}, "not in the inventory"),
    ],
)
def test_a_member_that_is_not_as_expected_is_told_with_a_command(changes, problem):
    found = members.judge(LAB, listed(controller_1=changes))
    assert not found.expected
    [row] = [row for row in found.members if row.problem]
    assert row.problem == problem and row.next
    assert f"  next: {row.next}" in screen.members_text(found, io.StringIO())


def test_a_host_that_is_no_member_is_missing():
    found = members.judge(LAB, listed()[:2])
    assert found.missing == (HOSTS[2].name,) and not found.expected
    assert f"{HOSTS[2].name}: is no member" in screen.members_text(found, io.StringIO())


def test_a_stranger_beside_the_inventorys_members_is_named_with_its_removal():
    stranger = Member(0xAB, "old", ("https://10.0.0.9:2380",), ())
    found = members.judge(LAB, [*listed(), stranger])
    assert [(row.name, row.host) for row in found.members if row.problem] == [("old", "")]
    assert "next: hardway node remove INV old" in screen.members_text(found, io.StringIO())
    unnamed = members.judge(LAB, [*listed(), Member(0xAB, "", ("https://10.0.0.9:2380",), ())])
    assert [row.next for row in unnamed.members if row.problem] == ["hardway node remove INV 10.0.0.9 --gone"]
