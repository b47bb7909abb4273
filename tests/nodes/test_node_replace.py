"""A host that takes another one's place, in one command that can be run again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from fakes.memory_pods import pod
from fakes.memory_session import MemorySession
from fakes.node_world import dies_at, moments, more, power_off, replace_by, traces, without
from fakes.world import Killed, World, changes

from hardway.cluster import Role
from hardway.commands.node.plan import as_json
from hardway.commands.node.replacing import Replacing, plan
from hardway.drain import Options
from hardway.errors import HardwayError, UsageError

pytestmark = pytest.mark.slow

OLD, NEW = "controller-1", "controller-9"
# In each run it gets the name of the new host, and so is another one.
ISSUED = "/etc/kubernetes/pki/apiserver.crt"


@pytest.fixture(autouse=True)
def no_file(world):
    world.use(replace(world.cluster, source=None))


def member(world: World, address: str = "10.240.0.19") -> None:
    """The lines of a control-plane host are those of a new machine now."""
    world.use(without(world.cluster, OLD))
    more(world, NEW, address, Role.ETCD, Role.CONTROL_PLANE)


def worker(world: World, keep: bool) -> None:
    if not keep:
        world.use(without(world.cluster, "worker-1"))
    more(world, "worker-9", "10.240.0.29", Role.WORKER, block="10.200.9.0/24")


def members(world: World) -> list[str]:
    return [one.name for one in world.membership.members()]


class TestAMemberOfEtcd:
    def test_it_joins_before_the_old_one_goes(self, world):
        member(world)
        replace_by(world, OLD, NEW)
        assert members(world) == ["controller-0", "controller-2", NEW] and not traces(world.hosts[OLD])
        acts = [(name, str(op)) for name, op in world.log]
        promoted = next(at for at, (name, act) in enumerate(acts) if act.startswith(f"promote {NEW}"))
        stopped = next(at for at, (name, act) in enumerate(acts) if name == OLD and act.startswith("stop "))
        assert promoted < stopped
        config = world.hosts["lb"].disk.read("/etc/haproxy/haproxy.cfg")
        assert b"10.240.0.19" in config and b"10.240.0.11" not in config
        assert changes(world.plan()) == {} and not world.live.kube().not_ready()

    def test_one_that_is_gone_goes_first(self, world):
        power_off(world, OLD)
        member(world)
        replace_by(world, OLD, NEW, gone=True)
        assert members(world) == ["controller-0", "controller-2", NEW]
        assert changes(world.plan()) == {} and not [name for name, _ in world.log if name == OLD]

    @pytest.mark.parametrize("gone", [False, True])
    def test_nothing_is_left_to_do_whichever_address_the_new_one_has(self, world, gone):
        if gone:
            power_off(world, OLD)
        member(world, "10.240.0.5")
        replace_by(world, OLD, NEW, gone)
        assert changes(world.plan()) == {}

    def test_it_is_shown_beforehand(self, world):
        member(world)
        joining, leaving = plan(MemorySession.on(world), Replacing.of(OLD, NEW, False, Options(), (), ""))
        assert world.log == [] and {one.host for one in joining[0].changes if one.phase == "etcd"} == {NEW}
        [host] = json.loads(as_json(leaving))["hosts"]
        assert host["host"] == OLD and [one["step"] for one in host["steps"]][-1] == "reset"

    def test_a_run_that_dies_is_completed_by_the_next(self, world):
        member(world)
        world.credentials.ensure_all()
        start = world.copy()
        replace_by(world, OLD, NEW)
        wanted, todo = world.digest(), moments(world)
        last = max(at for at, (name, _) in enumerate(world.log) if name == OLD)
        tried = [at for at in todo if at <= last]
        for moment in tried[:: max(1, len(tried) // 25)]:
            victim = dies_at(start.copy(), moment)
            with pytest.raises(Killed):
                replace_by(victim, OLD, NEW)
            victim.revive()
            gone = OLD not in members(victim)
            if gone:  # nothing says any more where it is, so the person puts its lines back
                victim.use(replace(victim.cluster, hosts=(*victim.cluster.hosts, world.hosts[OLD].host)))
            replace_by(victim, OLD, NEW)
            again = victim.digest()
            assert members(victim) == members(world), f"killed before write {moment}"
            for name in (OLD, NEW, "lb"):
                wanted[name]["files"].pop(ISSUED, None), again[name]["files"].pop(ISSUED, None)
                assert again[name] == wanted[name], f"killed before write {moment}"


class TestTheOnlyMember:
    """Of a cluster with one host for etcd and the control plane."""

    @pytest.fixture
    def world(self, lab, tmp_path) -> World:
        world = World(replace(without(lab.cluster, "controller-1", "controller-2"), source=None), tmp_path)
        world.run()
        world.bound()
        world.log.clear()
        return world

    def test_it_is_replaced_as_it_was_shown(self, world):
        only = "controller-0"
        more(world, NEW, "10.240.0.19", Role.ETCD, Role.CONTROL_PLANE)
        plan(MemorySession.on(world), Replacing.of(only, NEW, False, Options(), (), ""))
        assert world.log == []
        replace_by(world, only, NEW)
        world.use(without(world.cluster, only))
        assert members(world) == [NEW] and changes(world.plan()) == {}


class TestAWorker:
    @pytest.mark.parametrize("keep", [True, False], ids=["both named", "one named"])
    def test_it_joins_and_the_old_one_leaves(self, world, keep):
        worker(world, keep)
        replace_by(world, "worker-1", "worker-9")
        nodes = {path for path in world.objects.by_path if path.startswith("/api/v1/nodes/")}
        assert nodes == {"/api/v1/nodes/worker-0", "/api/v1/nodes/worker-9"} and not traces(world.hosts["worker-1"])
        world.use(without(world.cluster, "worker-1"))
        assert changes(world.plan()) == {}

    def test_one_that_alone_takes_pods_is_replaced_as_it_was_shown(self, world):
        world.objects.by_path["/api/v1/nodes/worker-0"]["spec"]["unschedulable"] = True
        worker(world, False)
        plan(MemorySession.on(world), Replacing.of("worker-1", "worker-9", False, Options(), (), ""))
        replace_by(world, "worker-1", "worker-9")
        nodes = {path for path in world.objects.by_path if path.startswith("/api/v1/nodes/")}
        assert nodes == {"/api/v1/nodes/worker-0", "/api/v1/nodes/worker-9"}

    def test_one_that_is_gone_is_replaced_though_no_other_takes_its_pods(self, world):
        world.objects.by_path["/api/v1/nodes/worker-0"]["spec"]["unschedulable"] = True
        power_off(world, "worker-1")
        worker(world, False)
        replace_by(world, "worker-1", "worker-9", gone=True)
        assert "/api/v1/nodes/worker-9" in world.objects.by_path and changes(world.plan()) == {}


class TestRefused:
    def test_by_itself(self, world):
        with pytest.raises(UsageError, match="cannot take its own place"):
            replace_by(world, "worker-1", "worker-1")

    def test_by_one_that_is_not_in_the_inventory(self, world):
        with pytest.raises(UsageError, match="there is no host worker-8 in the inventory"):
            replace_by(world, "worker-1", "worker-8")

    def test_before_anything_joins_when_the_old_one_does_not_answer(self, world):
        power_off(world, OLD)
        member(world)
        with pytest.raises(HardwayError) as caught:
            replace_by(world, OLD, NEW)
        assert "--gone" in str(caught.value.hint or caught.value.errors[0].hint) and world.log == []

    @pytest.mark.parametrize("name", ["worker-1", OLD])
    def test_before_anything_joins_when_the_old_one_may_not_leave(self, world, name):
        """A pod without a controller, which no other node would start again; a second member that is down."""
        if name == OLD:
            member(world)
            power_off(world, "controller-2")
        else:
            worker(world, True)
            pod(world.objects, name, "alone", None)
        with pytest.raises(HardwayError):
            replace_by(world, name, NEW if name == OLD else "worker-9")
        assert world.log == []

    def test_of_one_that_is_nowhere(self, world):
        with pytest.raises(UsageError) as caught:
            replace_by(world, "worker-7", "worker-1")
        assert "put its lines back and run the command again" in caught.value.hint and world.log == []
