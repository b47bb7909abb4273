"""Workers that leave the inventory, come into it, change in it or do not answer, on a cluster that lives."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from types import SimpleNamespace

import pytest
from fakes.world import World, changes

from hardway.cluster import Host, Role
from hardway.errors import PreflightError, RemoteCommandError
from hardway.phase import API
from hardway.preflight import findings, judge
from hardway.run.selection import Selection

pytestmark = pytest.mark.slow

BLOCK, HOP = "10.200.1.0/24", "10.240.0.21"  # of worker-1
NODE = "/api/v1/nodes/worker-1"


def without(world: World, *names: str) -> None:
    """The inventory no longer names them; their machines run on."""
    world.use(replace(world.cluster, hosts=tuple(host for host in world.cluster.hosts if host.name not in names)))


def edited(world: World, name: str, **keys) -> None:
    hosts = (replace(host, **keys) if host.name == name else host for host in world.cluster.hosts)
    world.use(replace(world.cluster, hosts=tuple(hosts)))


def more(world: World, name: str, address: str, block: str) -> None:
    new = Host(name, IPv4Address(address), frozenset({Role.WORKER}), pod_cidr=IPv4Network(block))
    world.use(replace(world.cluster, hosts=(*world.cluster.hosts, new)))


def refused(world: World) -> list[str]:
    """What preflight refuses, word by word."""
    with pytest.raises(PreflightError) as caught:
        judge(world.inputs())
    return caught.value.evidence.splitlines()


def silence_api(world: World) -> None:
    world.live.not_ready_apiservers |= {host.name for host in world.cluster.control_plane}


def routed(world: World, name: str) -> bool:
    return f"{BLOCK} {HOP}" in world.hosts[name].routes


class TestDeparted:
    """A worker was deleted from the inventory."""

    def test_its_routes_stay_everywhere_as_long_as_its_node_exists(self, built):
        world = built("lab")
        without(world, "worker-1")
        assert {key[0] for key in changes(world.run())} == {"prepare"}
        assert all(routed(world, host.name) for host in world.cluster.hosts)
        assert changes(world.plan()) == {}

    def test_its_routes_go_when_its_node_is_deleted_and_nothing_else_is_touched(self, built):
        world = built("lab")
        without(world, "worker-1")
        world.run()
        del world.objects.by_path[NODE]
        world.log.clear()
        done = changes(world.run())
        assert set(done) == {("pod-routes", host.name) for host in world.cluster.hosts}
        assert not any(routed(world, host.name) for host in world.cluster.hosts)
        assert {op.args[0] for _, op in world.log if op.verb in ("restart", "start")} == {"pod-routes.service"}
        assert findings(world.inputs()) == []

    def test_nothing_is_taken_away_while_no_api_server_says_who_is_there(self, built):
        world = built("lab")
        without(world, "worker-1")
        world.run()
        del world.objects.by_path[NODE]
        silence_api(world)
        assert {key[0] for key in changes(world.plan())} <= {"pod-routes", "rbac", "dns", "node-marks"}
        assert ("pod-routes", "controller-0") not in changes(world.plan())

    def test_a_node_that_does_not_say_its_block_is_known_by_the_routes_to_it(self, built):
        """As an earlier hardway left it."""
        world = built("lab")
        world.objects.by_path[NODE]["spec"] = {}
        without(world, "worker-1")
        world.run()
        assert all(routed(world, host.name) for host in world.cluster.hosts)

    def test_a_new_worker_learns_the_way_to_it(self, built):
        world = built("lab")
        without(world, "worker-1")
        more(world, "worker-2", "10.240.0.22", "10.200.2.0/24")
        world.run()
        assert routed(world, "worker-2")

    def test_it_is_named_with_the_command_that_removes_it(self, built):
        world = built("lab")
        without(world, "worker-1")
        [found] = judge(world.inputs())
        assert (found.name, found.host, found.warning) == ("Departed", "worker-1", True)
        assert found.remedy.endswith("or remove it: hardway node remove INV worker-1")

    def test_its_block_is_given_to_nobody_else(self, built):
        world = built("lab")
        without(world, "worker-1")
        more(world, "worker-9", "10.240.0.29", BLOCK)
        [error] = [line for line in refused(world) if "ERROR" in line]
        assert error.startswith("[ERROR BlockTaken] worker-9: ") and f"{BLOCK} is still the block of worker-1" in error

    def test_its_block_is_given_to_nobody_else_while_no_api_server_answers(self, built):
        world = built("lab")
        without(world, "worker-1")
        more(world, "worker-9", "10.240.0.29", BLOCK)
        silence_api(world)
        error, remedy = refused(world)
        assert error.startswith("[ERROR BlockTaken] worker-9: ") and HOP in error
        assert "hardway bootstrap INV --exclude worker-9" in remedy

    def test_a_machine_with_its_address_is_refused(self, built):
        world = built("lab")
        without(world, "worker-1")
        more(world, "worker-9", HOP, "10.200.9.0/24")
        error, remedy = (line for line in refused(world) if "WARNING" not in line)
        assert error.startswith("[ERROR Renamed] worker-9: ") and "the node worker-1" in error
        assert "hardway node remove INV worker-1 --gone" in remedy


class TestBlock:
    """A block of pod addresses belongs to a worker for good."""

    def test_a_node_says_which_block_it_has(self, built):
        world = built("lab")
        spec = world.objects.by_path[NODE]["spec"]
        assert (spec["podCIDR"], spec["podCIDRs"]) == (BLOCK, [BLOCK])

    def test_a_node_of_an_earlier_hardway_is_told_once(self, built):
        world = built("lab")
        world.objects.by_path[NODE]["spec"] = {"taints": [{"key": "theirs", "effect": "NoSchedule"}]}
        [step] = [step for step in world.run() if step.changes]
        assert [change.why for change in step.changes] == [(f"pod CIDR: {BLOCK}",)]
        assert world.objects.by_path[NODE]["spec"]["podCIDR"] == BLOCK
        assert world.objects.by_path[NODE]["spec"]["taints"] == [{"key": "theirs", "effect": "NoSchedule"}]
        assert changes(world.run()) == {}

    def test_the_api_refuses_another_one(self, built):
        """Which is why preflight asks first."""
        world = built("lab")
        with pytest.raises(RemoteCommandError, match="422"):
            world.live.kube().send(
                "PATCH", NODE, {"spec": {"podCIDR": "10.200.7.0/24"}}, "application/merge-patch+json"
            )

    @pytest.mark.parametrize("where", ["host", "node", "routes"])
    def test_another_one_in_the_inventory_is_refused_whoever_remembers(self, built, where):
        world = built("lab")
        edited(world, "worker-1", pod_cidr=IPv4Network("10.200.7.0/24"))
        if where == "host":
            world.objects.by_path[NODE]["spec"] = {}
        else:
            world.left_out = frozenset({"worker-1"})
        if where == "routes":
            silence_api(world)
        error, remedy = refused(world)
        assert error.startswith("[ERROR PodBlock] worker-1: ") and BLOCK in error and "10.200.7.0/24" in error
        assert f"write `pod_cidr: {BLOCK}` for worker-1" in remedy
        assert "hardway node remove INV worker-1; then hardway node add INV worker-1" in remedy

    def test_a_file_edited_by_hand_is_repaired_as_long_as_the_node_remembers(self, built):
        world, path = built("lab"), "/etc/cni/net.d/10-bridge.conflist"
        disk = world.hosts["worker-1"].disk
        disk.write(path, disk.read(path).replace(b"10.200.1.0/24", b"10.200.7.0/24"), "600")
        assert judge(world.inputs()) == []
        assert changes(world.run()) == {("containers", "worker-1"): [f"file {path}"]}

    def test_a_run_that_is_about_others_is_refused_too(self, built):
        """It would lead their routes to where no pod is."""
        world = built("lab")
        edited(world, "worker-1", pod_cidr=IPv4Network("10.200.7.0/24"))
        world.limit("controller-0")
        assert "[ERROR PodBlock] worker-1" in refused(world)[0]

    def test_a_worker_with_another_address_keeps_its_block_when_it_is_written_down(self, built):
        world = built("lab")
        edited(world, "worker-1", address=IPv4Address("10.240.0.31"))
        world.hosts["worker-1"].host = world.cluster.host("worker-1")
        assert judge(world.inputs()) == []
        world.run()
        assert f"{BLOCK} 10.240.0.31" in world.hosts["controller-0"].routes and changes(world.run()) == {}

    def test_it_is_moved_after_the_node_was_removed(self, built):
        """The commands of the remedy."""
        world = built("lab")
        edited(world, "worker-1", pod_cidr=IPv4Network("10.200.7.0/24"))
        assert world.reset("worker-1") > 30
        assert "[ERROR PodBlock] worker-1" in refused(world)[0], "its Node remembers"
        del world.objects.by_path[NODE]
        assert judge(world.inputs()) == []
        world.run()
        assert "10.200.7.0/24 10.240.0.21" in world.hosts["controller-0"].routes and not routed(world, "controller-0")
        assert world.objects.by_path[NODE]["spec"]["podCIDR"] == "10.200.7.0/24"


class TestRenamed:
    """A machine that is a Node of the cluster under another name."""

    @pytest.fixture
    def world(self, built) -> World:
        """`hostnamectl set-hostname worker-7` was done on worker-1, and the inventory follows."""
        world = built("lab")
        machine, was = world.hosts["worker-1"], world.cluster.host("worker-1")
        new = replace(was, name="worker-7", pod_cidr=was.pod_cidr)
        machine.host, world.hosts["worker-7"] = new, machine
        del world.hosts["worker-1"]
        hosts = (new if host.name == "worker-1" else host for host in world.cluster.hosts)
        world.use(replace(world.cluster, hosts=tuple(hosts)))
        return world

    @pytest.mark.parametrize("answers", [True, False])
    def test_it_is_refused_with_the_commands(self, world, answers):
        if not answers:
            silence_api(world)
        error, remedy = refused(world)
        assert error.startswith("[ERROR Renamed] worker-7: ") and "is the node worker-1 of the cluster" in error
        assert "hardway node drain INV worker-1; hardway reset INV --limit worker-7" in remedy
        assert remedy.endswith("hardway node remove INV worker-1 --gone")
        assert "hostnamectl set-hostname worker-1" in remedy

    def test_the_name_of_the_machine_itself_is_no_second_error(self, world):
        world.hosts["worker-7"].survey = {"hostname": "worker-1"}
        assert [line[:16] for line in refused(world) if "ERROR" in line] == ["[ERROR Renamed] "]

    def test_a_node_that_an_earlier_rename_left_behind_is_named_and_no_machine_is_to_be_reset(self, built):
        world = built("lab")
        ghost = json.loads(json.dumps(world.objects.by_path[NODE]))
        ghost["metadata"]["name"] = "old-name"
        world.objects.by_path["/api/v1/nodes/old-name"] = {**ghost, "spec": {}}
        [found] = judge(world.inputs())
        assert (found.name, found.host, found.warning) == ("Departed", "old-name", True)
        assert "hardway node remove INV old-name --gone   (worker-1 has its address now)" in found.remedy
        assert changes(world.run()) == {}

    def test_it_is_a_new_worker_after_the_node_was_removed(self, world):
        assert world.reset("worker-7") > 30
        del world.objects.by_path[NODE]
        assert judge(world.inputs()) == []
        world.run()
        assert {name for name in world.live.nodes()} == {"worker-0", "worker-7"} and changes(world.run()) == {}


class TestLimited:
    """With --limit nobody else is waited for."""

    def test_a_worker_that_was_never_built_is_nobodys_concern(self, bare):
        world = bare("lab")
        everybody = [host.name for host in world.cluster.hosts]
        world.limit(*(name for name in everybody if name != "worker-1"))
        world.run()
        assert list(world.live.nodes()) == ["worker-0"]
        world.limit("worker-0")
        assert changes(world.plan()) == {} and changes(world.run()) == {}
        world.limit()
        assert ("node-marks", API.name) in changes(world.run()) and changes(world.plan()) == {}

    def test_the_load_balancer_alone_waits_for_no_api_server(self, bare):
        world = bare("lab")
        world.limit("lb")
        names = {phase.name for phase in Selection(until="load-balancer").phases()}
        world.run(tuple(phase for phase in world.phases if phase.name in names))
        assert world.hosts["lb"].systemd.unit("haproxy.service").active == "active"

    def test_it_waits_for_the_api_servers_that_are_there(self, built):
        world = built("lab")
        world.limit("lb")
        phase = next(phase for phase in world.phases if phase.name == "load-balancer")
        world.live.concerned = world.names
        assert phase.ready(world.live, world.cluster.host("lb")) is None
        world.live.balanced = lambda: SimpleNamespace(not_ready=lambda: "HAProxy knows no server")
        assert "the API to answer" in phase.ready(world.live, world.cluster.host("lb")).what
        silence_api(world)
        assert phase.ready(world.live, world.cluster.host("lb")) is None
        world.live.concerned |= {"controller-0"}
        assert "the API to answer" in phase.ready(world.live, world.cluster.host("lb")).what

    def test_cluster_dns_is_waited_for_where_the_run_is(self, built):
        world = built("lab")
        phase = next(phase for phase in world.phases if phase.name == "dns")
        world.live.not_ready_nodes.add("worker-1")
        for limit, awaited in (((), True), (("worker-0",), False), (("worker-1",), True), (("lb",), False)):
            world.live.concerned = Selection(limit=limit).hosts(world.cluster)
            assert bool(phase.ready(world.live, API)) is awaited, limit

    def test_labels_of_others_are_left_alone(self, built):
        world = built("lab")
        edited(world, "worker-1", labels={"disktype": "hdd"})
        world.limit("worker-0")
        assert changes(world.run()) == {}

    def test_no_member_is_announced_that_this_run_does_not_start(self, built):
        world = built("lab")
        world.hosts["controller-1"].disk.remove_tree("/var/lib/etcd/member")
        world.hosts["controller-1"].systemd.stop("etcd.service")
        world.limit("worker-0")
        assert not any(step.phase == "etcd-members" and step.changes for step in world.plan())

    def test_only_the_machines_of_the_run_must_be_fit(self, bare):
        world = bare("lab")
        world.hosts["worker-1"].survey = {"hostname": "debian", "var_free_kb": "1024", "memory_kb": "1024"}
        assert {line.split("]")[0] for line in refused(world) if line[0] == "["} == {"[ERROR NodeName", "[ERROR Disk"}
        world.limit("worker-0")
        assert judge(world.inputs()) == []

    def test_whose_the_other_machines_are_counts_for_every_run(self, bare):
        world = bare("lab")
        world.hosts["worker-1"].disk.mark("cluster", b"shop 0123456789abcdef\n")
        world.limit("worker-0")
        assert "[ERROR Foreign] worker-1" in refused(world)[0]


@pytest.fixture
def away(built) -> World:
    """A cluster of which worker-1 is off, and was left out of the run or excluded from it."""
    world = built("lab")
    world.live.not_ready_nodes.add("worker-1")
    world.left_out = frozenset({"worker-1"})
    world.hosts["worker-1"].round_trips = 0
    return world


class TestAway:
    """A worker that is not in the run for a while."""

    def test_nothing_changes_for_the_others(self, away):
        assert changes(away.plan()) == {} and changes(away.run()) == {}
        assert routed(away, "worker-0") and away.hosts["worker-1"].round_trips == 0

    def test_the_others_get_what_is_new(self, away):
        edited(away, "worker-0", labels={"disktype": "hdd"})
        away.use(replace(away.cluster, api=replace(away.cluster.api, extra_sans=("api.example.org",))))
        away.live.not_ready_nodes.add("worker-1")
        done = changes(away.run())
        assert {target for phase, target in done if phase == "control-plane"} == {f"controller-{i}" for i in range(3)}
        assert done["node-marks", API.name] == ["Node worker-0 labels, taints and pod CIDR"]
        assert b"10.240.0.21 worker-1" in away.hosts["lb"].disk.read("/etc/hosts")

    def test_a_new_worker_knows_the_way_to_it(self, away):
        more(away, "worker-2", "10.240.0.22", "10.200.2.0/24")
        away.live.not_ready_nodes.add("worker-1")
        away.run()
        assert routed(away, "worker-2")

    def test_it_is_brought_up_to_date_when_it_is_back(self, away):
        edited(away, "worker-1", labels={"disktype": "hdd"})
        more(away, "worker-2", "10.240.0.22", "10.200.2.0/24")
        away.live.not_ready_nodes.add("worker-1")
        away.run()
        away.left_out = frozenset()
        away.live.not_ready_nodes.clear()
        done = changes(away.run())
        assert {target for _, target in done} == {"worker-1", API.name}
        assert json.loads(json.dumps(away.objects.by_path[NODE]))["metadata"]["labels"]["disktype"] == "hdd"

    @pytest.mark.parametrize("resolver", ["127.0.0.1", "192.0.2.53"])
    def test_cluster_dns_forwards_as_before(self, bare, resolver):
        """Whether worker-1 has a name server that pods reach is not known while it is off."""
        world = bare("lab")
        world.hosts["worker-1"].survey = {"nameservers": resolver}
        world.run()
        before = world.objects.by_path["/api/v1/namespaces/kube-system/configmaps/coredns"]["data"]["Corefile"]
        assert ("forward . /etc/resolv.conf" in before) is (resolver == "192.0.2.53")
        world.left_out = frozenset({"worker-1"})
        assert changes(world.run()) == {}

    def test_all_workers_may_be_off(self, built):
        world = built("lab")
        world.left_out = frozenset({"worker-0", "worker-1"})
        world.live.not_ready_nodes |= world.left_out
        world.hosts["lb"].systemd.stop("haproxy.service")
        assert changes(world.run()) == {("load-balancer", "lb"): ["unit haproxy.service"]}


class TestRoutes:
    """One bad next hop, or one worker more, harms no other route."""

    def test_a_next_hop_that_cannot_be_set_stops_no_other(self, built):
        world = built("lab")
        more(world, "worker-2", "10.240.0.22", "10.200.2.0/24")
        world.hosts["lb"].unreachable = {"10.240.0.22"}
        with pytest.raises(RemoteCommandError) as caught:
            world.run()
        assert caught.value.host == "lb" and caught.value.command == "restart pod-routes.service wait"
        assert {f"{BLOCK} {HOP}", "10.200.0.0/24 10.240.0.20"} <= world.hosts["lb"].routes
        assert "routes to pod CIDRs" in changes(world.plan())["pod-routes", "lb"], "it is not forgotten"
        world.hosts["lb"].unreachable = set()
        world.run()
        assert "10.200.2.0/24 10.240.0.22" in world.hosts["lb"].routes and changes(world.plan()) == {}

    def test_a_reset_takes_them_away(self, built):
        """Nothing does when the unit merely stops."""
        world = built("lab")
        world.hosts["lb"].systemd.stop("pod-routes.service")
        assert routed(world, "lb")
        assert world.reset("lb") > 5
        assert world.hosts["lb"].routes == set() and routed(world, "worker-0")
        assert "/usr/local/bin/pod-routes" not in world.hosts["lb"].disk.files

    def test_the_order_of_the_inventory_is_no_change(self, built):
        world = built("lab")
        world.use(replace(world.cluster, hosts=tuple(reversed(world.cluster.hosts))))
        assert not [key for key in changes(world.plan()) if key[0] == "pod-routes"]
