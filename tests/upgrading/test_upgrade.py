"""`hardway upgrade` on a whole cluster in memory, over one, two and three minors."""

from __future__ import annotations

import dataclasses
import json

import pytest
from fakes.fake_live import FakeLive
from fakes.memory_pods import budget, pod
from fakes.memory_session import MemorySession
from fakes.world import Killed, World, changes
from upgrading.test_passes import SETS
from upgrading.upgrade_world import Watch, acts, kept, played, state, upgrade, wanting

from hardway.commands.certs.rotation import rotating
from hardway.drain import Options as DrainOptions
from hardway.errors import ConnectionFailed, DrainStopped, DriftError, HardwayError, PreflightError, RemoteCommandError
from hardway.pki.encryption import new_key
from hardway.pki.rotation import Rotation, Stage
from hardway.upgrading.standing import SERVERS

pytestmark = pytest.mark.slow
NODES = "/api/v1/nodes"
REPLACED = ("etcd", *SERVERS, "containerd", "containerd-shim-runc-v2", "kubelet", "kube-proxy")


def watched(world: World, monkeypatch) -> Watch:
    watch, answer = Watch(world), FakeLive._apiserver
    monkeypatch.setattr(FakeLive, "_apiserver", lambda live, host: watch.asked(live, host) or answer(live, host))
    return watch


def cordoned(world: World) -> list[str]:
    nodes = ((path, body) for path, body in world.objects.by_path.items() if path.startswith(f"{NODES}/"))
    return sorted(path.rpartition("/")[2] for path, body in nodes if body["spec"].get("unschedulable"))


def restarts(world: World, unit: str) -> list[str]:
    return [target for target, op in acts(world, "restart") if op.args[0] == f"{unit}.service"]


def refused(world: World, kind: type[HardwayError] = PreflightError, **options) -> HardwayError:
    """The error of an upgrade that touches nothing."""
    with pytest.raises(kind) as caught:
        upgrade(world, **options)
    assert world.log == [], "something was written"
    return caught.value


class TestTheWay:
    @pytest.mark.parametrize("start", [0, 1, 2])
    @pytest.mark.parametrize("name", ["lab", "single"])
    def test_it_comes_to_the_newest_minor_in_order(self, name, start, worlds, gates, monkeypatch):
        world = wanting(worlds(name, SETS[start]), SETS[3])
        watch = watched(world, monkeypatch)
        upgrade(world)
        assert watch.broken == [] and not played(world).way() and world.outdated() == []
        assert kept(world) == [] and cordoned(world) == [] and len(gates.snapshots) == 1
        seen = list(dict.fromkeys(watch.versions(SERVERS[0])))
        assert seen == [one.kubernetes for one in SETS[start + 1 :]]
        assert set(watch.versions("kubelet")) == {SETS[3].kubernetes}
        assert len(watch.versions("kubelet")) == len(world.cluster.workers), "one turn a worker"
        assert len(gates.passed) == len(seen) + 2, "a gate before each pass, before the workers and at the end"

    def test_a_second_run_changes_nothing(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        upgrade(world)
        before = state(world)
        world.log.clear()
        said = upgrade(world)
        assert "nothing to do" in said and f"Kubernetes {SETS[3].kubernetes}" in said
        assert world.log == [] and state(world) == before and len(gates.snapshots) == 1

    def test_it_is_what_a_bootstrap_wants(self, worlds, gates):
        world = wanting(worlds("ha", SETS[1]), SETS[3])
        upgrade(world)
        assert changes(world.plan()) == {}

    def test_each_pass_brings_the_programs_of_its_roles_alone(self, worlds, gates):
        """A kubelet between would never run."""
        world = wanting(worlds("single", SETS[0]), SETS[3])
        upgrade(world)
        sent = [op.args[0].rpartition("/")[2] for _, op in acts(world, "binary")]
        assert sent.count(".kubelet.next") == 1 and sent.count(".kube-apiserver.next") == 3

    def test_some_workers_at_once(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        said = upgrade(world, workers_at_once=2)
        assert "workers to Kubernetes 1.37.2; worker-0, worker-1" in said and cordoned(world) == []

    def test_an_api_server_pauses_while_its_member_restarts(self, worlds, gates):
        """It has no other member, and clients would notice; alone it goes on, for nobody else answers."""
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        upgrade(world)
        for name in ("controller-0", "controller-1", "controller-2"):
            mine = [(op.verb, op.args[0]) for target, op in acts(world, "pause", "restart", "start") if target == name]
            units = [(verb, unit.removesuffix(".service")) for verb, unit in mine]
            assert units[:3] == [("pause", "kube-apiserver"), ("restart", "etcd"), ("start", "kube-apiserver")]
        alone = wanting(worlds("single", SETS[2]), SETS[3])
        upgrade(alone)
        assert acts(alone, "pause") == [] and restarts(alone, "etcd") == ["all-in-one"]

    def test_a_patch_goes_the_same_way(self, worlds, gates, monkeypatch):
        world = wanting(worlds("lab", SETS[3]), dataclasses.replace(SETS[3], kubernetes="1.37.9"))
        watch = watched(world, monkeypatch)
        upgrade(world)
        assert watch.broken == [] and set(watch.versions("kube-scheduler")) == {"1.37.9"}
        assert watch.versions("etcd") == []


class TestTo:
    def test_another_version_than_the_inventorys(self, worlds, gates):
        world = worlds("lab", SETS[2])
        world.use(dataclasses.replace(world.cluster, source=world.cluster.source))
        said = upgrade(world, to="1.37")
        assert not played(wanting(world, SETS[3])).way()
        assert "write what runs now into the inventory" in said and "add the line kubernetes: 1.37.2" in said

    def test_versions_that_make_no_cluster(self, worlds, gates):
        for to, words in (("1.99.0", "is not supported"), ("newest", "is not a version")):
            with pytest.raises(HardwayError, match=words) as caught:
                upgrade(worlds("lab", SETS[2]), to=to)
            assert caught.value.exit_code == 2


class TestRefusals:
    def test_a_downgrade(self, worlds, gates):
        error = refused(wanting(worlds("lab", SETS[3]), SETS[2]))
        assert "[ERROR Downgrade] controller-0: runs" in error.evidence and "nothing has been changed" in error.hint

    def test_a_cluster_that_is_not_healthy(self, worlds, gates):
        gates.bad = ("leaders: kube-scheduler: no process holds the lease",)
        error = refused(wanting(worlds("lab", SETS[2]), SETS[3]), DriftError)
        assert error.exit_code == 7 and "hardway doctor INV" in error.hint and "leaders" in error.evidence

    def test_a_control_plane_host_that_does_not_answer(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        world.away = {"controller-1"}
        assert refused(world, ConnectionFailed).host == "controller-1"

    def test_other_changes_of_the_inventory_before_it_has_begun(self, worlds, gates):
        world = worlds("lab", SETS[2])
        world.use(dataclasses.replace(world.cluster, versions=SETS[3], proxy_mode="nftables"))
        error = refused(world)
        assert "[ERROR Pending]" in error.evidence and "kube-proxy/config.yaml" in error.evidence
        assert f"kubernetes: {SETS[2].kubernetes}" in error.evidence and "--ignore Pending" in error.hint
        assert "WARNING Pending" in upgrade(world, ignore=("Pending",))

    @pytest.mark.parametrize("stage", ["begin", "sign", "drop"])
    def test_a_rotation_that_is_not_finished(self, worlds, gates, stage):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        rotation = Rotation("etcd-ca", world.store)
        rotation.begin(world.cluster.pki)
        for step in ("sign", "drop")[: ("begin", "sign", "drop").index(stage)]:
            getattr(rotation, step)()
        world.use(world.cluster)
        error = refused(world)
        assert "[ERROR CaRotation]" in error.evidence and "hardway certs rotate-ca etcd INV" in error.evidence
        assert "CaRotation" not in error.hint, "it is not to be ignored"

    def test_a_rotation_of_the_encryption_key_is_finished_first(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        new_key("aescbc", world.store)
        error = refused(world)
        assert "Pending" in error.evidence and "encryption-config.yaml" in error.evidence and world.log == []

    def test_nothing_else_is_pending(self, worlds, gates):
        """What a kubelet's minor changes in its files is explained by a version."""
        assert "Pending" not in upgrade(wanting(worlds("lab", SETS[0]), SETS[3]))

    def test_a_new_host_of_the_control_plane(self, worlds, gates):
        world = worlds("lab", SETS[2])
        world.hosts["controller-2"].disk.remove_tree("/var/lib/hardway")
        assert "[ERROR NotBuilt] controller-2" in refused(wanting(world, SETS[3])).evidence

    def test_a_disk_without_room(self, worlds, gates, monkeypatch):
        monkeypatch.setattr("hardway.commands.upgrade.room._size", lambda known, host, roles: 400 << 20)
        world = wanting(worlds("lab", SETS[1]), SETS[3])
        world.hosts["controller-2"].survey["disk_free_kb"] = str(700 << 10)
        world.hosts["worker-0"].survey["disk_free_kb"] = str(470 << 10)
        error = refused(world)
        assert "[ERROR Room] controller-2: 700 MB free" in error.evidence and "864 MB needed" in error.evidence
        assert "worker-0" not in error.evidence, "one step, so one set of programs beside the old one"

    def test_flags_that_the_versions_to_come_do_not_have(self, worlds, gates):
        world = worlds("lab", SETS[2])
        world.use(dataclasses.replace(world.cluster, extra_args={"kubelet": {"boot-id-file": "/x"}}))
        error = refused(world, to="1.37.2")
        assert "[ERROR Removed] kubelet" in error.evidence and "extra_args.kubelet.boot-id-file" in error.evidence

    def test_feature_gates_in_files_of_peoples_own(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        path = "/etc/kubernetes/kubelet.conf.d/50-mine.conf"
        text = b"kind: KubeletConfiguration\nfeatureGates: {PodLifecycleSleepAction: true, NodeSwap: true}\n"
        world.hosts["worker-1"].disk.write(path, text)
        world.hosts["worker-0"].disk.write(path, b"\t: no YAML\n")
        error = refused(world)
        assert f"[ERROR Removed] worker-1: {path}: Kubernetes 1.37 has no feature gate PodLifecycle" in error.evidence
        assert "NodeSwap" not in error.evidence and "worker-0" not in error.evidence


METRICS = """# HELP apiserver_requested_deprecated_apis [STABLE] Gauge of deprecated APIs that have been requested
apiserver_requested_deprecated_apis{group="",removed_release="",resource="componentstatuses",subresource="",version="v1"} 1
apiserver_requested_deprecated_apis{group="storage.k8s.io",removed_release="1.37",resource="things",subresource="",version="v1beta1"} 1
apiserver_requested_deprecated_apis{group="later.io",removed_release="1.40",resource="things",subresource="",version="v1beta1"} 1
"""  # noqa: E501


def audited(world: World, *people: str) -> None:
    for who in people:
        event = {
            "user": {"username": who}, "userAgent": "old-client/v1 (linux)",
            "objectRef": {"resource": "things", "apiGroup": "storage.k8s.io", "apiVersion": "v1beta1"},
            "annotations": {"k8s.io/deprecated": "true", "k8s.io/removed-release": "1.37"},
        }  # fmt: skip
        disk = world.hosts["controller-1"].disk
        log = "/var/log/kubernetes/audit/audit.log"
        disk.mkdir("/var/log/kubernetes/audit")
        disk.write(log, disk.read(log) + json.dumps(event).encode() + b"\n")


class TestApis:
    def test_a_deprecated_api_that_will_be_gone_is_named_with_who_calls_it(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        world.objects.metrics = METRICS
        audited(world, "system:serviceaccount:shop:cart", "jane")
        error = refused(world)
        assert "things of storage.k8s.io/v1beta1 is called" in error.evidence and "later.io" not in error.evidence
        assert "by system:serviceaccount:shop:cart (old-client/v1), jane (old-client/v1)" in error.evidence
        assert "WARNING DeprecatedApi" in upgrade(world, ignore=("DeprecatedApi",))

    def test_of_a_later_minor_nothing_is_said(self, worlds, gates):
        world = wanting(worlds("lab", SETS[1]), SETS[2])
        world.objects.metrics = METRICS
        assert "Deprecated" not in upgrade(world)

    def test_objects_that_the_next_minor_cannot_read(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        api = "/apis/scheduling.k8s.io/v1alpha2"
        resource = {"name": "workloads", "verbs": ["get", "list"]}
        world.objects.save(api, {"kind": "APIResourceList", "resources": [resource], "metadata": {}})
        world.objects.save(
            f"{api}/workloads", {"kind": "WorkloadList", "items": [{"kind": "Workload"}], "metadata": {}}
        )
        assert "1 workloads of scheduling.k8s.io/v1alpha2 are stored" in refused(world).evidence


class TestWorkers:
    def test_what_a_person_has_cordoned_stays_so(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        world.objects.by_path[f"{NODES}/worker-0"]["spec"]["unschedulable"] = True
        said = upgrade(world)
        assert cordoned(world) == ["worker-0"] and "worker-0: stays cordoned" in said

    def test_a_budget_that_can_never_allow_it_is_named_before_anything(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        pod(world.objects, "worker-1", "web-1")
        budget(world.objects, "web", {"app": "web"}, 1)
        error = refused(world)
        assert "[ERROR Drain] worker-1" in error.evidence and "default/web" in error.evidence

    def test_pods_that_would_be_lost_need_their_option(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        pod(world.objects, "worker-1", "alone", owner=None)
        assert "--force" in refused(world).evidence
        upgrade(world, drain=DrainOptions(force=True))
        assert cordoned(world) == []

    def test_a_drain_that_does_not_end_stops_and_the_next_run_goes_on_with_it(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        for number in range(2):
            pod(world.objects, "worker-0", f"web-{number}")
        budget(world.objects, "web", {"app": "web"}, 1)  # the second has to wait for one that never comes
        with pytest.raises(DrainStopped) as caught:
            upgrade(world, drain=DrainOptions(timeout=0.2))
        assert caught.value.exit_code == 6 and "default/web" in caught.value.evidence
        assert cordoned(world) == ["worker-0"] and restarts(world, "kubelet") == []
        del world.objects.by_path["/apis/policy/v1/namespaces/default/poddisruptionbudgets/web"]
        upgrade(world)
        assert cordoned(world) == [] and not played(world).way()

    def test_one_that_does_not_answer_is_left_out_and_named(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        world.away = {"worker-1"}
        with pytest.raises(ConnectionFailed) as caught:
            upgrade(world)
        assert caught.value.exit_code == 4 and "left out" in caught.value.evidence
        assert restarts(world, "kubelet") == ["worker-0"]
        world.away = set()
        upgrade(world)
        assert restarts(world, "kubelet") == ["worker-0", "worker-1"] and not played(world).way()

    def test_one_that_answers_no_longer_is_left_out_from_then_on(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        gone = world.hosts["controller-2"].w_restart

        def restart(unit: str, how: str) -> None:
            if unit == "kube-apiserver.service":
                world.away.add("worker-0")
            gone(unit, how)

        world.hosts["controller-2"].w_restart = restart
        with pytest.raises(ConnectionFailed):
            upgrade(world)
        assert restarts(world, "kubelet") == ["worker-1"]


class TestWithCertificates:
    def test_a_rotation_waits_for_an_upgrade_that_has_begun(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        world.death = lambda target, op: target == "controller-1" and op.verb == "restart"
        with pytest.raises(Killed):
            upgrade(world)
        world.revive()
        world.log.clear()
        with pytest.raises(DriftError) as caught:
            rotating.rotate(MemorySession.on(world), "kubernetes", "")
        assert "hardway upgrade" in caught.value.hint and world.log == []

    def test_an_upgrade_that_has_begun_is_finished_with_what_is_trusted_now(self, worlds, gates):
        """Somebody has begun a rotation with another computer's state directory, say."""
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        world.death = lambda target, op: target == "controller-1" and op.verb == "restart"
        with pytest.raises(Killed):
            upgrade(world)
        world.revive()
        Rotation("ca", world.store).begin(world.cluster.pki)
        world.use(world.cluster)
        assert "WARNING CaRotation" in upgrade(world)
        assert not played(world).way() and changes(world.plan()) == {}
        assert Rotation("ca", world.store).stage is Stage.TRUST


class TestFailures:
    def test_the_first_api_server_that_does_not_come_back_stops_all_and_its_way_back_is_shown(self, worlds, gates):
        world = wanting(worlds("lab", SETS[1]), SETS[3])
        for name in ("controller-0", "controller-1", "controller-2"):
            world.hosts[name].systemd.broken.add("kube-apiserver.service")
        with pytest.raises(HardwayError) as caught:
            upgrade(world)
        [failed] = restarts(world, "kube-apiserver")
        text = "\n".join(caught.value.lines())
        assert f"or go back on {failed}: systemctl stop kube-apiserver" in text and "hardway upgrade INV" in text
        assert "mv -f /usr/local/bin/.$p.before /usr/local/bin/$p" in text
        before = world.hosts[failed].disk.read("/usr/local/bin/.kube-apiserver.before").decode()
        assert (
            SETS[1].kubernetes in before
            and SETS[2].kubernetes in world.hosts[failed].disk.read("/usr/local/bin/kube-apiserver").decode()
        )
        for host in world.hosts.values():
            host.systemd.broken.clear()
        gates.bad = (f"apiservers-ready: {failed}: connection refused",)
        world.log.clear()
        with pytest.raises(DriftError):  # the pass that had begun is completed without a gate, the next one has one
            upgrade(world)
        assert {target for target, op in acts(world, "start", "restart") if op.args[0].startswith("kube-api")} == {
            "controller-0", "controller-1", "controller-2",
        }  # fmt: skip
        gates.bad = ()
        upgrade(world)
        assert not played(world).way() and kept(world) == []

    def test_of_etcd_it_says_that_it_never_goes_back_by_itself(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        for name in ("controller-0", "controller-1", "controller-2"):
            world.hosts[name].systemd.broken.add("etcd.service")
        with pytest.raises(HardwayError) as caught:
            upgrade(world)
        assert "etcd never goes back by itself" in "\n".join(caught.value.lines())
        assert len(restarts(world, "etcd")) == 1 and restarts(world, "kube-apiserver") == []

    def test_the_first_worker_that_does_not_come_back_leaves_the_second_alone(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        world.hosts["worker-0"].systemd.broken.add("kubelet.service")
        with pytest.raises(RemoteCommandError) as caught:
            upgrade(world)
        assert "or go back on worker-0: systemctl stop kubelet;" in caught.value.hint
        assert restarts(world, "kubelet") == ["worker-0"] and cordoned(world) == ["worker-0"]
        world.hosts["worker-0"].systemd.broken.clear()
        world.log.clear()
        upgrade(world)
        assert cordoned(world) == [] and not played(world).way()

    def test_going_back_by_the_commands_is_noticed(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        world.hosts["worker-0"].systemd.broken.add("kubelet.service")
        with pytest.raises(RemoteCommandError):
            upgrade(world)
        host = world.hosts["worker-0"]
        host.systemd.broken.clear()
        host.disk.files["/usr/local/bin/kubelet"] = host.disk.files.pop("/usr/local/bin/.kubelet.before")
        host.systemd.restart("kubelet.service")
        assert "worker-0" in played(world).way().names
        upgrade(world)
        assert not played(world).way() and cordoned(world) == []


class TestKeep:
    def test_replaced_programs_stay_if_wanted_until_a_reset(self, worlds, gates):
        world = wanting(worlds("single", SETS[1]), SETS[3])
        upgrade(world, keep=True)
        names = {path.rpartition("/")[2] for path in kept(world)}
        assert names == {f".{name}.before" for name in REPLACED}, "runc and the CNI plugins have the same versions"
        said = world.hosts["all-in-one"].disk.read("/usr/local/bin/.kube-apiserver.before").decode()
        assert SETS[2].kubernetes in said, "the one that it took the place of in the last pass"
        assert changes(world.plan()) == {}, "they are nobody's business"
        copy = world.copy()
        copy.reset()
        assert kept(copy) == []
        upgrade(world)
        assert kept(world) == [], "without --keep they go, at any time"


class TestPlan:
    def foreseen(self, world: World, to: str = "", **options):
        from fakes.memory_session import MemorySession

        from hardway.commands import upgrade as command

        session = MemorySession.on(world)
        return command.foresee(session, command.aimed(session.cluster, to), command.Options(**options))

    def test_every_step_in_its_order_and_nothing_is_written(self, worlds, gates):
        from hardway.commands.upgrade import as_json, as_text

        world = wanting(worlds("lab", SETS[0]), SETS[3])
        found = self.foreseen(world)
        assert world.log == [] and gates.snapshots == [] and not found.refused
        titles = [step.title for step in found.steps]
        assert titles[1:4] == [
            "Kubernetes 1.35.4, one host at a time",
            "Kubernetes 1.36.3, one host at a time",
            "etcd 3.7.3, Kubernetes 1.37.2, one host at a time",
        ]
        assert [step.hosts for step in found.steps][4:6] == [("worker-0",), ("worker-1",)] and "snapshot" in titles[0]
        text = as_text(found)
        assert "Kubernetes 1.34.4 -> 1.37.2" in text and "cordon, then evict 1 pod: kube-system/coredns-" in text
        assert "kubelets come up 3 minors at once" in text and "etcd never goes back by itself" in text
        document = json.loads(as_json(found))
        assert document["schema"] == 1 and document["then"]["etcd"] == "3.7.3" and len(document["steps"]) == len(titles)

    def test_what_is_wrong_is_told_all_together(self, worlds, gates):
        world = wanting(worlds("single", SETS[2]), SETS[3])
        pod(world.objects, "all-in-one", "alone", owner=None)
        world.objects.metrics, gates.bad = METRICS, ("leaders: kube-scheduler: nobody",)
        found = self.foreseen(world)
        assert found.refused and {one.name for one in found.findings} == {"Drain", "DeprecatedApi"} and found.health.bad
        assert any("one control-plane host" in line for line in found.risks)
        assert any("one worker" in line for line in found.risks)

    def test_the_middle_of_an_upgrade_is_told(self, worlds, gates):
        world = wanting(worlds("lab", SETS[2]), SETS[3])
        world.hosts["controller-1"].systemd.broken.add("kube-apiserver.service")
        with pytest.raises(HardwayError):
            upgrade(world)
        found = self.foreseen(world)
        # The API server that paused for its member did not come back, so the next member was left alone.
        assert found.begun and found.steps[1].title.startswith("complete etcd 3.7.3, Kubernetes 1.37.2")

    def test_a_cluster_that_is_there(self, worlds, gates):
        found = self.foreseen(worlds("lab", SETS[3]))
        assert len(found.steps) == 1 and found.now == found.then and not found.begun
