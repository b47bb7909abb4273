"""Hosts of the control plane, of etcd and of the load balancer that leave: who lets go first, and what keeps them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from fakes.node_world import dies_at, moments, planned, power_off, remove, steps, traces, without, written
from fakes.world import Killed, World, changes

from hardway.cluster import Host, Role
from hardway.errors import PreflightError, QuorumError, UsageError
from hardway.inventory import load
from hardway.living.reach import Blocked

pytestmark = pytest.mark.slow

LAB = Path(__file__).parents[2] / "inventory/lab.yaml"
C1, C2 = "controller-1", "controller-2"


@pytest.fixture(autouse=True)
def no_file(world):
    """The cluster is what its value says: these tests have hosts that no file names."""
    world.use(replace(world.cluster, source=None))


def first(world: World, target: str, act: str) -> int:
    return next(i for i, (name, op) in enumerate(world.log) if name == target and str(op).startswith(act))


def members(world: World) -> list[str]:
    return [member.name for member in world.membership.members()]


def leads(world: World, name: str) -> None:
    world.membership.leader = next(one.id for one in world.membership.members() if one.name == name)


class TestTwoOfThree:
    """From three control-plane hosts with etcd to one, in one command."""

    def test_nothing_of_them_is_left(self, world):
        remove(world, C1, C2)
        assert members(world) == ["controller-0"] and not traces(world.hosts[C1]) and not traces(world.hosts[C2])
        config = world.hosts["lb"].disk.read("/etc/haproxy/haproxy.cfg")
        assert b"10.240.0.10" in config and b"10.240.0.11" not in config and b"10.240.0.12" not in config
        world.use(without(world.cluster, C1, C2))
        assert changes(world.plan()) == {} and not world.live.kube().not_ready()

    def test_the_first_host_is_no_special_one(self, world):
        remove(world, "controller-0", C1)
        assert members(world) == [C2]
        world.use(without(world.cluster, "controller-0", C1))
        assert changes(world.plan()) == {} and not world.live.kube().not_ready()

    def test_the_load_balancer_lets_go_first_and_etcd_before_the_machine(self, world):
        leads(world, C1)
        removed = []
        remove_member = type(world.etcd()).remove_member
        world.membership.removed.clear()

        def note(self, member_id):
            removed.append(len(world.log))
            remove_member(self, member_id)

        type(world.etcd()).remove_member, before = note, remove_member
        try:
            remove(world, C1, C2)
        finally:
            type(world.etcd()).remove_member = before
        order = [
            first(world, "lb", "load haproxy.service"),
            first(world, C1, "stop kube-scheduler"),
            first(world, C1, "stop kube-controller-manager"),
            first(world, C1, "stop kube-apiserver"),
            removed[0],
            first(world, C1, "stop etcd"),
            first(world, C1, "rmtree /var/lib/etcd"),
        ]
        assert order == sorted(order) and len(removed) == 2

    def test_the_leader_hands_over_before_it_goes(self, world):
        leads(world, C1)
        term = world.membership.term
        remove(world, C1, C2)
        assert world.membership.term == term + 1, "nobody had to notice that it was gone"

    def test_nothing_restarts_where_it_need_not(self, world):
        remove(world, C1, C2)
        restarted = [(name, act) for name, act in written(world, "restart", "start") if name not in (C1, C2)]
        assert restarted == []

    def test_the_plan_says_it(self, world):
        found = planned(world, C1, C2)
        assert list(steps(found, C1)) == ["load-balancer", "servers", "etcd-member", "reset"]
        assert any("haproxy.cfg on lb" in line for line in steps(found, C1)["load-balancer"])
        assert steps(found, C1)["servers"] == (
            "stop kube-scheduler on it",
            "stop kube-controller-manager on it",
            "stop kube-apiserver on it",
        )
        assert steps(found, C1)["etcd-member"][0].startswith("remove controller-1 (") and world.log == []

    def test_what_would_start_later_is_stopped_too(self, world):
        """A host that has come up and hangs at its network: its units are in systemd's queue."""
        for name in ("kube-scheduler", "kube-controller-manager", "kube-apiserver"):
            unit = world.hosts[C1].systemd.unit(f"{name}.service")
            unit.active, unit.behind = "inactive", "x-wait-online.service start running 84"
        assert "stop kube-apiserver on it" in steps(planned(world, C1, C2), C1)["servers"]
        remove(world, C1, C2)
        assert (C1, "stop kube-apiserver.service") in written(world, "stop")

    @pytest.mark.parametrize("told_on", ["controller-0", C1])
    def test_a_restore_that_is_not_finished_is_finished_first(self, world, told_on):
        """Whichever host tells of it: also one that leaves."""
        world.hosts[told_on].survey["restoring"] = f"20261130T120000Z {'ab' * 32} 1000000"
        with pytest.raises(PreflightError) as caught:
            remove(world, C1, C2)
        assert f"[ERROR Restoring] {told_on}: a restore of etcd began" in caught.value.evidence and world.log == []

    def test_a_firewall_around_a_machine_that_was_never_built_keeps_nobody_here(self, world, monkeypatch):
        seen = type(world).lives.fget
        blocked = (Blocked("lb", "worker-0", 10250, "refused"),)
        monkeypatch.setattr(type(world), "lives", property(lambda one: replace(seen(one), blocked=blocked)))
        remove(world, C1, C2)
        assert members(world) == ["controller-0"]

    def test_their_lines_may_be_deleted_first(self, world):
        world.use(without(world.cluster, C1, C2))
        remove(world, C1, C2)
        assert members(world) == ["controller-0"] and not traces(world.hosts[C1])
        assert changes(world.plan()) == {}

    def test_a_run_that_dies_is_completed_by_the_next(self, world):
        start = world.copy()
        remove(world, C1, C2)
        wanted, todo = (
            world.digest(),
            moments(world),
        )
        for moment in todo[::7]:
            victim = dies_at(start.copy(), moment)
            with pytest.raises(Killed):
                remove(victim, C1, C2)
            victim.revive()
            remove(victim, C1, C2)
            again = victim.digest()
            assert {name for name in wanted if wanted[name] != again[name]} == set(), f"killed before write {moment}"
            assert members(victim) == ["controller-0"]
        assert len(todo) > 100


class TestQuorum:
    def test_members_that_would_be_missed_stay(self, world):
        world.live.sick["controller-0"] = "disk slow"
        with pytest.raises(QuorumError) as caught:
            remove(world, C1, C2)
        assert "would lose its quorum: 1 of 2 members would be healthy" in caught.value.message
        assert "controller-0: disk slow" in caught.value.evidence and world.log == []

    def test_without_a_quorum_etcd_removes_none(self, world):
        power_off(world, "controller-0", C1)
        world.away = set()
        with pytest.raises(QuorumError):
            remove(world, C1, C2)
        assert world.log == []

    def test_the_last_member_stays(self, world):
        with pytest.raises(UsageError) as caught:
            remove(world, "controller-0", C1, C2)
        assert "no host has the role etcd" in caught.value.evidence


class TestGone:
    def test_two_of_five_are_removed_without_an_answer(self, world):
        five(world)
        power_off(world, C1, C2)
        remove(world, C1, C2, gone=True)
        assert members(world) == ["controller-0", "worker-0", "worker-1"]
        world.use(without(world.cluster, C1, C2))
        assert changes(world.plan()) == {}


def five(world: World) -> None:
    """Two more members, on the workers."""
    more = (
        replace(host, roles=host.roles | {Role.ETCD}) if host.is_(Role.WORKER) else host for host in world.cluster.hosts
    )
    world.use(replace(world.cluster, hosts=tuple(more)))
    for name in ("worker-0", "worker-1"):
        world.limit(name)
        world.run()
    world.limit()
    world.run()
    world.log.clear()


class TestMembersOnHostsOfTheirOwn:
    """Three members of etcd beside three API servers, which talk to all of them."""

    @pytest.fixture
    def world(self, tmp_path) -> World:
        world = World(load(LAB.parent / "ha.yaml"), tmp_path)
        world.run()
        world.bound()
        world.log.clear()
        return world

    def test_api_servers_leave_a_member_before_it_goes(self, world):
        names = [host.name for host in world.cluster.etcd_members]
        remove(world, *names[:2])
        planes = [host.name for host in world.cluster.control_plane]
        for plane in planes:
            assert first(world, plane, "restart kube-apiserver") < first(world, names[0], "stop etcd")
        assert members(world) == [names[2]] and not traces(world.hosts[names[0]])
        world.use(without(world.cluster, *names[:2]))
        assert changes(world.plan()) == {} and not world.live.kube().not_ready()

    def test_an_api_server_of_several_may_go(self, world):
        one, other, _ = (host.name for host in world.cluster.control_plane)
        remove(world, one)
        world.use(without(world.cluster, one))
        assert changes(world.plan()) == {} and not traces(world.hosts[one])
        assert not world.live.kube(world.cluster.host(other)).not_ready()


class TestAnApiAddress:
    def test_that_clients_use_goes_with_nobody(self, world):
        with pytest.raises(UsageError) as caught:
            remove(world, "lb")
        assert "10.240.0.9, the API's address that all clients use, is that of lb" in caught.value.evidence
        assert "write api.address in INV" in caught.value.hint

    def test_a_load_balancer_of_two_may_go(self, world):
        second = Host("lb-2", IPv4Address("10.240.0.8"), frozenset({Role.LB}))
        api = replace(world.cluster.api, vip=IPv4Address("10.240.0.99"), address="10.240.0.99")
        world.use(replace(world.cluster, hosts=(*world.cluster.hosts, second), api=api))
        world.run()
        world.run()
        world.log.clear()
        remove(world, "lb")
        assert first(world, "lb", "stop keepalived.service") < first(world, "lb", "stop haproxy.service")
        assert not traces(world.hosts["lb"])
        assert b"10.240.0.9\n" not in world.hosts["lb-2"].disk.read("/etc/keepalived/keepalived.conf")
        world.use(without(world.cluster, "lb"))
        assert changes(world.plan()) == {}
