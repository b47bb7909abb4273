"""Hosts that join a cluster which lives: everything on them, as little as possible on the others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes.large import LAB, cluster_of
from fakes.memory_session import MemorySession
from fakes.node_world import add, dies_at, moments, more, written
from fakes.world import Killed, World, changes

from hardway.cluster import Role
from hardway.commands.node import adding
from hardway.drain import cordon
from hardway.drain.cordon import cordon_of
from hardway.errors import ConnectionFailed, PreflightError, UsageError
from hardway.pki.encryption import new_key

pytestmark = pytest.mark.slow

C3, C4 = "controller-3", "controller-4"


@pytest.fixture(autouse=True)
def no_file(world):
    world.use(replace(world.cluster, source=None))


def worker(world: World, number: int = 2) -> str:
    more(world, f"worker-{number}", f"10.240.0.2{number}", Role.WORKER, block=f"10.200.{number}.0/24")
    return f"worker-{number}"


def two_more(world: World) -> None:
    more(world, C3, "10.240.0.13", Role.ETCD, Role.CONTROL_PLANE)
    more(world, C4, "10.240.0.14", Role.ETCD, Role.CONTROL_PLANE)


def members(world: World) -> dict[str, bool]:
    """Each by name, and whether it votes."""
    return {one.name: not one.learner for one in world.membership.members()}


class TestAWorker:
    def test_it_joins_and_the_others_know_it(self, world):
        add(world, worker(world))
        assert "/api/v1/nodes/worker-2" in world.objects.by_path
        for name, host in world.hosts.items():
            assert (name == "worker-2") != ("10.200.2.0/24 10.240.0.22" in host.routes)
            assert b"worker-2" in host.disk.read("/etc/hosts")
        assert changes(world.plan()) == {}

    def test_others_are_touched_for_names_and_routes_alone(self, world):
        before = world.copy()
        add(world, worker(world))
        for name in before.hosts:
            was, now = before.hosts[name].digest(), world.hosts[name].digest()
            changed = {path for path in was["files"] if was["files"][path] != now["files"].get(path)}
            assert {path for path in changed if not path.startswith("/var/lib/hardway/")} == {
                "/etc/hosts",
                "/usr/local/bin/pod-routes",
            }
        starts = [(name, act) for name, act in written(world, "restart", "start", "load") if name != "worker-2"]
        assert {act.split()[1] for _, act in starts} == {"pod-routes.service"}

    def test_a_second_time_nothing_is_changed(self, world):
        add(world, worker(world))
        world.log.clear()
        add(world, "worker-2")
        assert world.log == []

    def test_what_differs_elsewhere_stays_as_it_is(self, world):
        """Only a bootstrap of all hosts carries out an edit that is about all of them."""
        name = worker(world)
        world.use(replace(world.cluster, extra_args={"kube-apiserver": {"goaway-chance": "0.001"}}))
        add(world, name)
        assert {phase for phase, _ in changes(world.plan())} == {"control-plane"}

    def test_a_removal_that_was_begun_is_taken_back(self, world):
        add(world, worker(world))
        cordon(world.live.kube(), "worker-2", "node remove")
        assert "may have pods again" in add(world, "worker-2")
        assert cordon_of(world.objects.by_path["/api/v1/nodes/worker-2"]) is None

    def test_a_drained_one_stays_drained(self, world):
        cordon(world.live.kube(), "worker-1", "node drain")
        add(world, "worker-1")
        assert cordon_of(world.objects.by_path["/api/v1/nodes/worker-1"]).command == "node drain"

    def test_one_that_does_not_answer_is_an_error(self, world):
        world.away = {worker(world)}
        with pytest.raises(ConnectionFailed, match="does not answer"):
            add(world, "worker-2")

    def test_another_that_does_not_answer_is_left_out_and_said(self, world):
        name = worker(world)
        world.away = {"worker-1"}
        with pytest.raises(ConnectionFailed) as caught:
            add(world, name)
        assert "left out" in caught.value.evidence and "/api/v1/nodes/worker-2" in world.objects.by_path

    def test_the_plan_changes_nothing(self, world):
        session = MemorySession.on(world)
        name = worker(world)
        session = MemorySession.on(world)
        [found] = adding.plan(session, adding.Joining((name,)))
        assert world.log == [] and {one.host for one in found.changes if one.phase == "kubelet"} == {"worker-2"}
        assert {one.phase for one in found.changes if one.host == "worker-1"} == {"prepare", "pod-routes"}


class TestRefused:
    def test_a_host_that_is_not_in_the_inventory(self, world):
        with pytest.raises(UsageError, match="there is no host worker-7 in the inventory"):
            add(world, "worker-7")

    def test_where_there_is_no_cluster_yet(self, tmp_path):
        bare = World(LAB, tmp_path)
        with pytest.raises(PreflightError, match="there is no cluster yet") as caught:
            add(bare, "worker-1")
        assert caught.value.hint == "hardway bootstrap INV" and bare.log == []


class TestMembersOfEtcd:
    """From three control-plane hosts with etcd to five."""

    def test_each_is_a_learner_first_and_joins_before_the_next(self, world):
        two_more(world)
        acts: list[tuple[str, dict[str, bool]]] = []
        etcd = type(world.etcd())
        before = etcd.add_member, etcd.promote_member
        etcd.add_member = lambda self, *args: (acts.append(("add", members(world))), before[0](self, *args))[1]
        etcd.promote_member = lambda self, *args: (acts.append(("promote", members(world))), before[1](self, *args))[1]
        try:
            add(world, C3, C4)
        finally:
            etcd.add_member, etcd.promote_member = before
        assert [act for act, _ in acts] == ["add", "promote", "add", "promote"]
        assert acts[1][1][C3] is False and acts[2][1][C3] is True, "it has caught up before the next one comes"
        assert members(world) == dict.fromkeys([f"controller-{n}" for n in range(5)], True)

    def test_the_load_balancer_and_the_certificate_follow(self, world):
        two_more(world)
        add(world, C3, C4)
        config = world.hosts["lb"].disk.read("/etc/haproxy/haproxy.cfg")
        assert b"10.240.0.13" in config and b"10.240.0.14" in config
        assert changes(world.plan()) == {}

    def test_no_api_server_and_no_member_restarts_elsewhere(self, world):
        two_more(world)
        add(world, C3, C4)
        starts = [(name, act) for name, act in written(world, "restart", "start") if name not in (C3, C4)]
        assert starts == []

    def test_api_servers_use_a_member_only_when_it_votes(self, world):
        two_more(world)
        add(world, C3)
        position = {str(op): at for at, (name, op) in enumerate(world.log) if name in ("etcd", C3)}
        promoted = next(at for act, at in position.items() if act.startswith("promote controller-3"))
        assert position["start etcd.service queue"] < promoted < position["start kube-apiserver.service queue"]

    def test_a_run_that_dies_is_completed_by_the_next(self, world):
        more(world, C3, "10.240.0.13", Role.ETCD, Role.CONTROL_PLANE)
        world.credentials.ensure_all()
        start = world.copy()
        add(world, C3)
        wanted, todo = world.digest(), moments(world)
        for moment in todo[:: max(1, len(todo) // 25)]:
            victim = dies_at(start.copy(), moment)
            with pytest.raises(Killed):
                add(victim, C3)
            victim.revive()
            add(victim, C3)
            assert victim.digest().keys() == wanted.keys() and members(victim)[C3], f"killed before write {moment}"
            assert victim.hosts[C3].digest() == world.hosts[C3].digest()
            assert victim.hosts["lb"].digest() == world.hosts["lb"].digest()


def cost(folder, workers: int) -> dict[str, tuple[int, int]]:
    """Of each other host: round trips, and bytes that were sent to it, when one worker joins so many."""
    folder.mkdir()
    world = World(cluster_of(workers), folder)
    world.run()
    name = f"worker-{workers}"
    world.use(cluster_of(workers + 1))
    for host in world.hosts.values():
        host.round_trips = 0
        host.ops.clear()
    add(world, name)
    others = {key: host for key, host in world.hosts.items() if key != name}
    return {key: (host.round_trips, sum(op.blob.size for op in host.ops if op.blob)) for key, host in others.items()}


def test_a_worker_costs_each_other_host_the_same_in_a_small_cluster_and_in_a_large_one(tmp_path):
    """Two files with a line for each host: of others nothing else is read or sent."""
    few, many = cost(tmp_path / "5", 5), cost(tmp_path / "50", 50)
    assert {trips for trips, _ in few.values()} == {trips for trips, _ in many.values()} and len(few) == 9
    assert max(trips for trips, _ in many.values()) == 5, "each of two phases is read twice, and its units once"
    for found, hosts in ((few, 10), (many, 55)):
        assert max(sent for _, sent in found.values()) < 3000 + 100 * hosts


def test_a_new_api_server_writes_no_secret_that_the_others_cannot_read(world):
    """In the middle of a rotation: the new key is there, and nobody has it yet."""
    new_key("aescbc", world.store)
    two_more(world)
    with pytest.raises(PreflightError) as caught:
        add(world, C3, C4)
    assert "EncryptionUnread" in caught.value.evidence and world.log == []
