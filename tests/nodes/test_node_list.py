"""`hardway node list`: the inventory's hosts beside what lives, and what does not fit named with its command."""

from __future__ import annotations

import datetime
import io
import json
from dataclasses import replace

import pytest
from fakes.memory_session import MemorySession
from fakes.node_world import without
from fakes.world import World

from hardway.cluster import Role
from hardway.commands.node.listing import Listing, Lives, Row, listed, listing
from hardway.commands.node.screen import as_json, show
from hardway.drain import cordon
from hardway.etcd.interface import Member

pytestmark = pytest.mark.slow

NOW = datetime.datetime(2026, 1, 3, tzinfo=datetime.UTC)


def rows(world: World) -> dict[str, Row]:
    return {row.name: row for row in listing(MemorySession.on(world)).hosts}


def test_every_host_is_listed_with_what_lives(world):
    cordon(world.live.kube(), "worker-1", "node drain")
    found = rows(world)
    assert list(found) == [host.name for host in world.cluster.hosts]
    assert (found["lb"].node, found["lb"].etcd, found["controller-0"].node) == ("", "", "")
    assert {found[f"controller-{n}"].etcd for n in range(3)} == {"leader", "follower"}
    one, other = found["worker-0"], found["worker-1"]
    assert (one.node, one.cordon, one.block, one.address) == ("Ready", "", "10.200.0.0/24", "10.240.0.20")
    assert other.cordon.startswith("cordoned by `hardway node drain` since ") and one.pods >= 1
    assert not any(row.problem for row in found.values())


def test_nodes_and_members_of_no_inventory_are_named_with_the_command_that_removes_them(world):
    world.use(without(world.cluster, "worker-1", "controller-2"))
    found = rows(world)
    assert list(found)[-2:] == ["worker-1", "controller-2"]
    assert (found["worker-1"].node, found["worker-1"].inventory) == ("Ready", False)
    assert (found["controller-2"].etcd, found["controller-2"].address) == ("follower", "10.240.0.12")
    assert (
        found["worker-1"].problem == "is in no inventory"
        and found["worker-1"].next == "hardway node remove INV worker-1"
    )


def test_hosts_without_a_node_or_a_member_are_named_with_the_command_that_adds_them(world):
    del world.objects.by_path["/api/v1/nodes/worker-1"]
    lb = world.cluster.host("lb")
    hosts = (replace(host, roles=host.roles | {Role.ETCD}) if host == lb else host for host in world.cluster.hosts)
    world.use(replace(world.cluster, hosts=tuple(hosts)))
    found = rows(world)
    assert (found["worker-1"].node, found["worker-1"].problem) == ("none", "has no node")
    assert (found["lb"].etcd, found["lb"].problem) == ("not a member", "is no etcd member")
    assert found["lb"].next == "hardway node add INV lb"


def test_what_cannot_be_asked_is_unknown_and_nothing_follows_from_it(world):
    world.live.not_ready_apiservers |= {host.name for host in world.cluster.control_plane}
    for host in world.cluster.etcd_members:
        world.hosts[host.name].systemd.unit("etcd.service").active = "inactive"
    found = listing(MemorySession.on(world))
    assert set(found.unknown) == {"nodes", "etcd"} and not any(row.problem for row in found.hosts)
    assert {row.node for row in found.hosts if "worker" in row.roles} == {"unknown"}
    assert {row.etcd for row in found.hosts if "etcd" in row.roles} == {"unknown"}


def test_a_member_that_never_started_is_called_by_its_address(world):
    announced = Member(7, "", ("https://10.240.0.77:2380",), ())
    [row] = [row for row in listed(world.cluster, Lives({}, members=(announced,)), NOW).hosts if not row.inventory]
    assert (row.name, row.etcd, row.next) == (
        "10.240.0.77",
        "not started",
        "hardway node remove INV 10.240.0.77 --gone",
    )


def test_a_node_has_an_age_and_room_for_pods(world):
    status = {"allocatable": {"pods": "110"}, "conditions": [{"type": "Ready", "status": "Unknown"}]}
    about = {"metadata": {"name": "worker-0", "creationTimestamp": "2026-01-01T00:00:00Z"}, "status": status}
    [row] = [row for row in listed(world.cluster, Lives({"worker-0": about}, {"worker-0": 3}), NOW).hosts if row.pods]
    assert (row.node, row.age_seconds, row.pods, row.pods_allowed) == ("NotReady", 2 * 86400, 3, 110)


def test_it_is_shown_to_people_and_to_programs():
    found = Listing(
        "c",
        (
            Row(
                "w",
                "10.0.0.1",
                ("worker",),
                node="Ready",
                cordon="cordoned",
                pods=1,
                pods_allowed=110,
                age_seconds=7200,
            ),
            Row("x", inventory=False, node="NotReady", problem="is in no inventory", next="hardway node remove INV x"),
        ),
        {"etcd": "no member answers"},
    )
    text = io.StringIO()
    show(found, text)
    lines = text.getvalue().splitlines()
    assert "Ready, cordoned" in lines[1] and "1 of 110" in lines[1] and lines[1].endswith("2 h")
    assert lines[-2:] == ["etcd: unknown, no member answers", "x is in no inventory; next: hardway node remove INV x"]
    assert json.loads(as_json(found))["hosts"][0]["cordon"] == "cordoned"
