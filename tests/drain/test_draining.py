"""A drain: what it evicts and what it leaves, what it waits for and for how long, and how it goes on after a death."""

from __future__ import annotations

import pytest
from drain_world import NODE, Clock, Told
from fakes.memory_pods import budget, pod
from fakes.world import Killed

from hardway.drain import Cordon, cordon, uncordon
from hardway.drain.cordon import MARK, cordon_of
from hardway.errors import DrainRefused, DrainStopped, RemoteCommandError

pytestmark = pytest.mark.slow

PATH = f"/api/v1/nodes/{NODE}"
WEB = "/api/v1/namespaces/default/pods/web-0"


def on(world, node: str = NODE) -> list[str]:
    pods = world.live.kube().get(f"/api/v1/pods?fieldSelector=spec.nodeName={node}")["items"]
    return sorted(one["metadata"]["name"] for one in pods)


def node(world) -> dict:
    return world.objects.by_path[PATH]


class TestWhatGoes:
    def test_pods_are_evicted_and_their_node_is_cordoned_first(self, world, drain):
        made = drain()
        assert made.run().command == "node drain"
        assert on(world) == [] and node(world)["spec"]["unschedulable"] is True
        writes = [str(op) for target, op in world.log if target == "kubernetes"]
        assert (
            writes[0] == f"PATCH {PATH}" and all(line.endswith("/eviction") for line in writes[1:]) and len(writes) > 2
        )
        assert {event.owner for event in made.said} == {"Deployment web", "Deployment coredns"}

    def test_pods_of_a_daemon_set_and_static_pods_stay(self, world, drain):
        world.objects.save("/apis/apps/v1/namespaces/default/daemonsets/agent", {"kind": "DaemonSet", "metadata": {}})
        pod(world.objects, NODE, "agent-1", ("DaemonSet", "agent"))
        pod(world.objects, NODE, "static", None, annotations={"kubernetes.io/config.mirror": "x"})
        drain().run()
        assert on(world) == ["agent-1", "static"]

    @pytest.mark.parametrize(
        ("owner", "more", "option", "allow"),
        [
            (None, {}, "--force", {"force": True}),
            (("DaemonSet", "gone"), {}, "--force", {"force": True}),
            (
                ("ReplicaSet", "web"),
                {"volumes": [{"name": "cache", "emptyDir": {}}, {"name": "conf", "configMap": {}}]},
                "--delete-emptydir-data",
                {"empty_dir": True},
            ),
        ],
    )
    def test_what_would_be_lost_is_named_before_anything_is_changed(self, world, drain, owner, more, option, allow):
        pod(world.objects, NODE, "precious", owner, **more)
        with pytest.raises(DrainRefused) as caught:
            drain().run()
        assert "default/precious (" in caught.value.evidence and option in caught.value.hint and world.log == []
        assert caught.value.hint == f"if that may be lost: hardway node drain INV {NODE} {option}"
        assert caught.value.exit_code == 5
        drain(**allow).run()
        assert on(world) == []

    def test_a_pod_that_is_finished_loses_nothing(self, world, drain):
        pod(world.objects, NODE, "job", None, volumes=[{"name": "t", "emptyDir": {}}])["status"]["phase"] = "Succeeded"
        drain().run()
        assert on(world) == []

    def test_a_node_that_is_drained_is_left_alone(self, world, drain):
        drain().run()
        world.log.clear()
        again = drain()
        again.run()
        assert world.log == [] and again.evicted == 0

    def test_there_must_be_such_a_node(self, drain):
        with pytest.raises(RemoteCommandError, match="there is no node worker-9"):
            drain("worker-9").run()


class TestBudgets:
    def test_one_that_can_never_allow_it_is_named_before_the_cordon(self, world, drain):
        budget(world.objects, "web", {"app": "web"}, least=2)
        with pytest.raises(DrainRefused) as caught:
            drain().run()
        assert world.log == [] and "2 pods can never be evicted" in caught.value.message
        first = "default/web-0 (Deployment web): the budget default/web can never allow it: 2 of 2 pods are healthy"
        assert caught.value.evidence.splitlines()[0] == f"{first} and it needs 2"
        assert "kubectl -n default get pdb" in caught.value.hint

    def test_two_for_one_pod_are_never_asked(self, world, drain):
        budget(world.objects, "one", {"app": "web"}, least=0)
        budget(world.objects, "two", {"app": "web"}, least=0)
        with pytest.raises(DrainRefused, match="can never be evicted") as caught:
            drain().run()
        assert "default/one, default/two both select it" in caught.value.evidence and world.log == []

    def test_one_pod_after_the_other_goes_as_the_budget_allows(self, world, drain, clock):
        """A third pod elsewhere becomes healthy, and with it the second eviction is allowed."""
        pod(world.objects, "worker-0", "web-9", ("ReplicaSet", "web-6d5f"))["status"]["conditions"] = []
        budget(world.objects, "web", {"app": "web"}, least=1)
        clock.at[20.0] = lambda: pod(world.objects, "worker-0", "web-8", ("ReplicaSet", "web-6d5f"))
        made = drain()
        made.run()
        waits = [event for event in made.said if event.kind == "pod-waits"]
        assert on(world) == [] and 20 < clock.now < 30
        assert [event.why for event in waits] == ["The disruption budget web needs 1 healthy pods and has 1 currently"]

    def test_at_the_deadline_pod_budget_and_owner_are_named_and_nothing_is_deleted(self, world, drain, clock):
        pod(world.objects, "worker-0", "web-9", ("ReplicaSet", "web-6d5f"))["status"]["conditions"] = []
        budget(world.objects, "web", {"app": "web"}, least=1)
        with pytest.raises(DrainStopped) as caught:
            drain(timeout=60).run()
        error = caught.value
        assert error.message == f"{NODE} is not drained: 1 pod left" and 60 < error.waited_seconds < 62
        [line] = error.evidence.splitlines()
        assert line.startswith("default/web-1 (Deployment web): The disruption budget web needs 1 healthy pods")
        assert line.endswith("(budget default/web: 1 of 2 pods are healthy and it needs 1)")
        assert error.hint.split("; ") == [
            "kubectl -n default get pdb,pods -o wide",
            f"hardway node drain INV {NODE}   continues",
            f"hardway node uncordon INV {NODE}   gives it up",
        ]
        assert on(world) == ["web-1"] and node(world)["spec"]["unschedulable"] and error.exit_code == 6
        assert not any("DELETE" in str(op) for _, op in world.log)

    def test_a_blocked_pod_is_asked_for_ever_more_rarely(self, world, drain, clock, monkeypatch):
        from hardway.drain import draining

        asked = []
        monkeypatch.setattr(
            draining, "evict", lambda api, pod, grace: asked.append(clock.now) or (draining.Verdict.LATER, "no")
        )
        with pytest.raises(DrainStopped):
            drain(timeout=60).run()
        moments = sorted(set(asked))
        pauses = [later - earlier for earlier, later in zip(moments, moments[1:], strict=False)]
        assert pauses[:4] == [0.5, 1.0, 2.0, 4.0] and set(pauses[4:]) == {5.0}

    def test_what_the_api_will_never_do_is_not_waited_for(self, world, drain, clock, monkeypatch):
        from hardway.drain import draining

        monkeypatch.setattr(
            draining, "evict", lambda api, pod, grace: (draining.Verdict.NEVER, "forbidden by a webhook")
        )
        with pytest.raises(DrainStopped) as caught:
            drain().run()
        assert clock.now == 0.0 and "default/web-0 (Deployment web): forbidden by a webhook" in caught.value.evidence


class TestPodsThatEnd:
    def test_they_are_waited_for_by_their_uid(self, world, drain, clock):
        """A StatefulSet's pod is there again under the same name, elsewhere."""
        pod(world.objects, NODE, "db-0", ("StatefulSet", "db"), labels={"app": "db"})
        world.live._runs_kubelet = lambda name: False

        def moved() -> None:
            for name in on(world):
                world.objects.by_path.pop(f"/api/v1/namespaces/default/pods/{name}", None)
            pod(world.objects, "worker-0", "db-0", ("StatefulSet", "db"), labels={"app": "db"})["metadata"]["uid"] = (
                "second"
            )
            world.live._runs_kubelet = lambda name: True

        clock.at[10.0] = moved
        drain().run()
        assert on(world) == [] and "db-0" in on(world, "worker-0") and 10 <= clock.now < 12

    def test_one_that_does_not_end_is_named_with_its_time(self, world, drain):
        world.live._runs_kubelet = lambda name: False
        with pytest.raises(DrainStopped) as caught:
            drain(timeout=30).run()
        assert "it has been ending since 2026-01-01T00:00:10Z, with" in caught.value.evidence
        assert "the kubelet" not in caught.value.evidence and "--gone" not in caught.value.hint

    def test_a_kubelet_that_does_not_report_is_said_to_be_the_cause(self, world, drain):
        world.live._runs_kubelet = lambda name: False
        world.live.not_ready_nodes.add(NODE)
        with pytest.raises(DrainStopped) as caught:
            drain(timeout=30).run()
        assert f"the kubelet of {NODE} does not report, so its pods cannot end" in caught.value.evidence
        assert f"hardway node remove INV {NODE} --gone" in caught.value.hint

    def test_a_pod_that_comes_after_the_look_goes_too(self, world, drain, clock):
        world.live._runs_kubelet = lambda name: False
        clock.at[1.0] = lambda: pod(world.objects, NODE, "late")
        clock.at[3.0] = lambda: setattr(world.live, "_runs_kubelet", lambda name: True)
        drain().run()
        assert on(world) == []


class TestTheApi:
    def test_it_may_be_away_for_a_while(self, world, drain, clock):
        planes = {host.name for host in world.cluster.control_plane}
        world.live._runs_kubelet = lambda name: False
        clock.at[2.0] = lambda: world.live.not_ready_apiservers.update(planes)
        clock.at[30.0] = lambda: (
            world.live.not_ready_apiservers.clear(),
            setattr(world.live, "_runs_kubelet", lambda name: True),
        )
        drain().run()
        assert on(world) == [] and clock.now >= 30

    def test_it_is_not_taken_for_a_drained_node(self, world, drain, clock):
        planes = {host.name for host in world.cluster.control_plane}
        world.live._runs_kubelet = lambda name: False
        clock.at[2.0] = lambda: world.live.not_ready_apiservers.update(planes)
        with pytest.raises(DrainStopped) as caught:
            drain(timeout=30).run()
        assert caught.value.message == f"{NODE} is not drained" and "the API gives no answer" in caught.value.evidence


class TestWhoseCordon:
    def test_a_persons_stays_a_persons(self, world, drain):
        node(world)["spec"]["unschedulable"] = True
        assert drain().run() == Cordon()
        assert MARK not in node(world)["metadata"].get("annotations", {})
        assert uncordon(world.live.kube(), NODE, of="node drain") == Cordon() and node(world)["spec"]["unschedulable"]
        assert uncordon(world.live.kube(), NODE) == Cordon() and cordon_of(node(world)) is None

    def test_ours_is_undone_by_the_command_that_made_it(self, world):
        api = world.live.kube()
        made = cordon(api, NODE, "upgrade")
        assert made.command == "upgrade" and made.since.endswith("Z")
        assert uncordon(api, NODE, of="upgrade") == made
        assert cordon_of(node(world)) is None and MARK not in node(world)["metadata"]["annotations"]
        assert uncordon(api, NODE, of="upgrade") is None

    def test_one_command_leaves_the_cordon_of_another(self, world):
        api = world.live.kube()
        made = cordon(api, NODE, "node drain")
        assert cordon(api, NODE, "upgrade") == made
        uncordon(api, NODE, of="upgrade")
        assert cordon_of(node(world)) == made
        assert cordon(api, NODE, "node remove", take_over=True) == Cordon("node remove", made.since)

    def test_a_mark_without_a_cordon_is_from_one_that_a_person_undid(self, world):
        api = world.live.kube()
        cordon(api, NODE, "node drain")
        node(world)["spec"].pop("unschedulable")
        assert cordon_of(node(world)) is None
        assert uncordon(api, NODE) is None and MARK not in node(world)["metadata"]["annotations"]

    def test_a_kubelet_that_writes_meanwhile_is_no_obstacle(self, world, monkeypatch):
        api = world.live.kube()
        ask, times = api.get, iter(range(9))

        def get(path):
            found = ask(path)
            if path == PATH and next(times) < 2:
                world.objects.save(PATH, node(world))
            return found

        monkeypatch.setattr(api, "get", get)
        assert cordon(api, NODE, "node drain").command == "node drain"


def test_a_drain_that_dies_at_any_write_is_completed_by_the_next(world):
    start = world.copy()
    Told(world, Clock()).run()
    count = len(world.log)
    assert count >= 4
    for moment in range(count):
        victim, left = start.copy(), [moment]
        victim.death = lambda target, op, left=left: left.append(left.pop() - 1) or left[0] < 0
        with pytest.raises(Killed):
            Told(victim, Clock()).run()
        victim.revive()
        Told(victim, Clock()).run()
        assert unmarked(victim) == unmarked(world), f"killed before write {moment}"


def unmarked(world) -> dict:
    """Everything but when the cordon began."""
    world = world.copy()
    since, _, command = node(world)["metadata"]["annotations"].pop(MARK).partition(" ")
    assert since.endswith("Z") and command == "node drain"
    return world.digest()
