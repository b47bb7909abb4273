"""Workers that leave a cluster which lives: in which order, what is left of them, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from fakes.memory_pods import budget, pod
from fakes.node_world import dies_at, leaving, moments, planned, power_off, remove, steps, traces, without, written
from fakes.world import Killed, World, changes

from hardway.cluster import Host, Role
from hardway.commands.node.plan import as_json, as_text
from hardway.drain import cordon
from hardway.drain.cordon import MARK
from hardway.errors import ConnectionFailed, DrainRefused, DrainStopped, PreflightError, UsageError

pytestmark = pytest.mark.slow

W1 = "worker-1"
NODE = f"/api/v1/nodes/{W1}"
BLOCK = "10.200.1.0/24"


def first(world: World, target: str, act: str) -> int:
    return next(i for i, (name, op) in enumerate(world.log) if name == target and act in str(op))


def kept(world: World, name: str) -> list[str]:
    """What the API has of a node."""
    return [path for path in world.objects.by_path if path.endswith((f"/{name}", f"csr-{name}"))]


def on(world: World, node: str) -> list[str]:
    found = world.live.kube().get(f"/api/v1/pods?fieldSelector=spec.nodeName={node}")["items"]
    return [one["metadata"]["name"] for one in found]


class TestAWorker:
    def test_nothing_of_it_is_left_anywhere(self, world):
        said = remove(world, W1)
        assert kept(world, W1) == [] and on(world, W1) == []
        assert not traces(world.hosts[W1]) and world.hosts[W1].routes == set()
        others = [host for name, host in world.hosts.items() if name != W1]
        assert not any(BLOCK in route for host in others for route in host.routes)
        assert not any(W1.encode() in host.disk.read("/etc/hosts") for host in others)
        assert f"delete lines 75 to 79 of {world.cluster.source} ({W1})" in said

    def test_when_its_lines_are_deleted_nothing_is_left_to_do(self, world):
        remove(world, W1)
        world.use(without(world.cluster, W1))
        assert changes(world.plan()) == {}

    def test_in_the_order_that_harms_nobody(self, world):
        remove(world, W1)
        order = [
            first(world, "kubernetes", f"PATCH {NODE}"),
            first(world, "kubernetes", "/eviction"),
            first(world, W1, "stop kubelet.service"),
            first(world, W1, "cleanup pods"),
            first(world, W1, "forget"),
            first(world, "kubernetes", f"DELETE {NODE}"),
            first(world, "kubernetes", "DELETE /apis/coordination.k8s.io"),
            first(world, "kubernetes", "DELETE /apis/certificates.k8s.io"),
            first(world, "controller-0", "put /usr/local/bin/pod-routes"),
        ]
        assert order == sorted(order)

    def test_nothing_restarts_elsewhere_but_the_routes(self, world):
        remove(world, W1)
        restarted = {(name, act) for name, act in written(world, "restart", "start", "stop", "load") if name != W1}
        assert {act.split()[1] for _, act in restarted} == {"pod-routes.service"}

    def test_others_are_touched_for_names_and_routes_alone(self, world):
        before = world.copy()
        remove(world, W1)
        for name in before.hosts.keys() - {W1}:
            was, now = before.hosts[name].digest(), world.hosts[name].digest()
            changed = {path for path in was["files"] if was["files"][path] != now["files"].get(path)}
            stamps = {path for path in changed if path.startswith("/var/lib/hardway/")}
            assert changed - stamps == {"/etc/hosts", "/usr/local/bin/pod-routes"}

    def test_it_may_have_been_removed_already(self, world):
        remove(world, W1)
        world.log.clear()
        assert "nothing left to do" in as_text(planned(world, W1), "INV")
        assert f"delete lines 75 to 79 of {world.cluster.source}" in remove(world, W1) and world.log == []


class TestTheInventory:
    def test_a_person_may_have_deleted_the_lines_first(self, world):
        whole = world.copy()
        remove(whole, W1)
        world.use(without(world.cluster, W1))
        said = remove(world, W1)
        assert kept(world, W1) == [] and not traces(world.hosts[W1]) and "delete lines" not in said
        assert changes(world.plan()) == {}

    def test_a_name_that_is_nowhere_is_refused(self, world):
        with pytest.raises(UsageError) as caught:
            remove(world, "worker-7")
        assert "there is no host worker-7 in the inventory" in caught.value.message
        assert "no node or etcd member has that name" in caught.value.message
        assert "did you mean worker-" in caught.value.hint and world.log == []

    def test_one_that_could_not_be_asked_for_is_not_said_to_be_nowhere(self, world):
        world.use(without(world.cluster, W1))
        world.live.not_ready_apiservers |= {host.name for host in world.cluster.control_plane}
        with pytest.raises(UsageError, match="the API could not be asked"):
            remove(world, W1)

    def test_the_last_worker_is_refused(self, world):
        with pytest.raises(UsageError) as caught:
            remove(world, "worker-0", W1)
        assert "no host has the role worker: at least one must" in caught.value.evidence and world.log == []


class TestThePlan:
    def test_it_has_every_step_with_its_reason_and_changes_nothing(self, world):
        before = world.digest()
        found = planned(world, W1)
        assert list(steps(found, W1)) == ["cordon", "drain", "reset", "node"]
        assert "evict default/web-on-worker-1 (ReplicaSet web-1)" in steps(found, W1)["drain"]
        assert steps(found, W1)["node"] == (
            "stop kubelet on it",
            "delete its Node",
            "delete its Lease",
            "delete its request csr-worker-1",
        )
        assert world.digest() == before and world.log == []
        text = as_text(found, "cluster.yaml")
        assert "  1. cordon: No new pod starts" in text
        assert "on the other hosts:\n  change block hardway in /etc/hosts on lb, controller-0" in text
        assert "afterwards delete lines 75 to 79 of cluster.yaml (worker-1)" in text
        told = json.loads(as_json(found))
        assert told["schema"] == 1 and told["inventory"] == [{"host": W1, "first": 75, "last": 79}]
        assert [one["step"] for one in told["hosts"][0]["steps"]] == ["cordon", "drain", "reset", "node"]

    def test_what_it_says_of_others_is_what_is_done_there(self, world):
        told = {line.rpartition(" on ")[0] for line in planned(world, W1).elsewhere}
        files = {"/etc/hosts", "/usr/local/bin/pod-routes"}
        assert all(any(path in line for line in told) for path in files) and len(told) <= 4

    def test_of_two_it_has_both(self, world):
        more = pod(world.objects, "worker-0", "x")
        assert more
        with pytest.raises(UsageError):
            planned(world, "worker-0", W1)


class TestRefused:
    """Nothing is changed."""

    @pytest.fixture(autouse=True)
    def untouched(self, world):
        before = world.copy()
        yield
        before.live._kubelets("/api/v1/pods"), world.live._kubelets("/api/v1/pods")
        assert world.log == [] and world.hosts[W1].digest() == before.hosts[W1].digest()

    def test_a_pod_that_would_be_lost(self, world):
        pod(world.objects, W1, "alone", None)
        with pytest.raises(DrainRefused) as caught:
            remove(world, W1)
        assert "default/alone (no controller)" in caught.value.evidence
        assert caught.value.hint == f"if that may be lost: hardway node remove INV {W1} --force"

    def test_a_budget_that_never_allows_it(self, world):
        budget(world.objects, "web", {"app": "web"}, least=2)
        with pytest.raises(DrainRefused, match="can never be evicted"):
            remove(world, W1)

    def test_no_other_node_takes_its_pods(self, world):
        cordon(world.live.kube(), "worker-0", "node drain")
        world.log.clear()
        with pytest.raises(DrainRefused) as caught:
            remove(world, W1)
        assert "no other node takes the pods of worker-1" in caught.value.message and "--force" in caught.value.hint

    def test_a_host_of_another_cluster(self, world):
        world.hosts[W1].survey["cluster"] = "other 1234"
        with pytest.raises(PreflightError, match="worker-1 belongs to cluster other"):
            remove(world, W1)

    def test_one_that_does_not_answer_with_the_way_that_needs_no_answer(self, world):
        world.away = {W1}
        with pytest.raises(ConnectionFailed) as caught:
            remove(world, W1)
        assert caught.value.hint.endswith(f"if the machine is gone for good: hardway node remove INV {W1} --gone")

    def test_gone_is_not_said_of_one_that_answers(self, world):
        with pytest.raises(PreflightError, match="worker-1 answers, so it is not gone") as caught:
            remove(world, W1, gone=True)
        assert caught.value.hint == f"remove --gone: hardway node remove INV {W1}"

    def test_nor_of_one_whose_kubelet_reports(self, world, monkeypatch):
        monkeypatch.setattr("hardway.commands.node.refusals.NOTICED", 0.0)
        world.away = {W1}
        with pytest.raises(PreflightError, match="the kubelet of worker-1 still reports"):
            remove(world, W1, gone=True)


class TestAMachineThatHasBecomeAnotherHost:
    """The node worker-1 lives, and the inventory has its address as worker-7."""

    @pytest.fixture(autouse=True)
    def renamed(self, world):
        was = world.cluster.host(W1)
        new = replace(was, name="worker-7", pod_cidr=IPv4Network("10.200.7.0/24"))
        rest = (host for host in world.cluster.hosts if host.name != W1)
        world.use(replace(world.cluster, hosts=(*rest, new), source=None))

    def test_it_is_not_connected_to(self, world):
        with pytest.raises(ConnectionFailed, match="the machine of worker-1 is worker-7 now"):
            remove(world, W1)
        assert world.log == []

    def test_what_the_cluster_keeps_of_it_is_removed(self, world):
        """After the machine was reset."""
        world.hosts[W1].systemd.unit("kubelet.service").active = "inactive"
        before = world.hosts[W1].digest()
        remove(world, W1, gone=True)
        assert kept(world, W1) == [] and world.hosts[W1].digest() == before


class TestClientsOfTheApi:
    def test_they_must_have_left_a_host_before_it_leaves(self, world):
        """A bootstrap leads them to another address."""
        second = Host("lb-2", IPv4Address("10.240.0.8"), frozenset({Role.LB}))
        hosts = tuple(second if host.name == "lb" else host for host in world.cluster.hosts)
        api = replace(world.cluster.api, address="10.240.0.8")
        world.use(replace(world.cluster, hosts=(*hosts, world.cluster.host("lb")), api=api, source=None))
        world.run([phase for phase in world.phases if phase.name in ("preflight", "pki", "prepare", "load-balancer")])
        world.log.clear()
        with pytest.raises(PreflightError) as caught:
            remove(world, "lb")
        assert "worker-0, worker-1 still use the API at the address of lb" in caught.value.message and world.log == []
        assert caught.value.hint.startswith("hardway bootstrap INV")


class TestForce:
    def test_pods_that_no_node_takes_wait(self, world):
        cordon(world.live.kube(), "worker-0", "node drain")
        remove(world, W1, force=True)
        assert kept(world, W1) == []


class TestADrainThatStops:
    def test_the_host_stays_as_it_is_and_the_same_command_goes_on(self, world):
        pod(world.objects, "worker-0", "web-9")["status"]["conditions"] = []
        budget(world.objects, "web", {"app": "web"}, least=2)
        with pytest.raises(DrainStopped) as caught:
            remove(world, W1, timeout=0.02)
        assert f"hardway node remove INV {W1}   continues" in caught.value.hint
        assert world.live.runs(world.cluster.host(W1), "kubelet") and NODE in world.objects.by_path
        assert world.objects.by_path[NODE]["metadata"]["annotations"][MARK].endswith(" node remove")
        world.objects.by_path.pop("/apis/policy/v1/namespaces/default/poddisruptionbudgets/web")
        remove(world, W1)
        assert kept(world, W1) == []


class TestGone:
    def test_what_is_left_of_it_is_removed_without_it(self, world):
        power_off(world, W1)
        said = remove(world, W1, gone=True)
        assert kept(world, W1) == [] and on(world, W1) == []
        assert not any(BLOCK in route for name, host in world.hosts.items() if name != W1 for route in host.routes)
        assert not [act for name, act in written(world) if name == W1]
        assert f"{W1} may hold a certificate that is still valid" in said

    def test_its_pods_are_given_up_before_its_node_is_deleted(self, world):
        power_off(world, W1)
        remove(world, W1, gone=True)
        patches = [i for i, (_, op) in enumerate(world.log) if f"PATCH {NODE}" in str(op)]
        assert len(patches) == 2 and patches[-1] < first(world, "kubernetes", f"DELETE {NODE}")
        assert not any("eviction" in act for _, act in written(world))

    def test_it_is_told_beforehand(self, world):
        power_off(world, W1)
        found = steps(planned(world, W1, gone=True), W1)
        assert (
            list(found) == ["cordon", "release", "node"] and "without an answer from the machine" in found["release"][0]
        )

    def test_also_when_its_lines_are_deleted(self, world):
        power_off(world, W1)
        world.use(without(world.cluster, W1))
        remove(world, W1, gone=True)
        assert kept(world, W1) == [] and changes(world.plan()) == {}

    def test_another_worker_that_does_not_answer_is_left_out_and_said(self, world):
        power_off(world, W1)
        world.away = world.away | {"worker-0"}
        with pytest.raises(DrainRefused, match="no other node takes the pods"):
            world.live.not_ready_nodes.add("worker-0")
            remove(world, W1, gone=True)


def test_a_removal_that_dies_at_any_write_is_completed_by_the_next(world):
    start = world.copy()
    remove(world, W1)
    wanted, todo = (
        world.digest(),
        moments(world),
    )
    assert len(todo) > 60
    for moment in todo[::3]:
        victim = dies_at(start.copy(), moment)
        with pytest.raises(Killed):
            remove(victim, W1)
        victim.revive()
        remove(victim, W1)
        again = victim.digest()
        assert {name for name in wanted if wanted[name] != again[name]} == set(), f"killed before write {moment}"


def test_what_was_typed_is_what_goes_on():
    assert leaving("a", "b", gone=True).again == "hardway node remove INV a b --gone"
