"""What was changed by hand or in the inventory is named by the plan and mended by the run, that and nothing else."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from fakes.world import changes

from hardway.cluster import Host, Role

pytestmark = pytest.mark.slow


def restarted(world) -> list[tuple[str, str]]:
    return [(target, op.args[0]) for target, op in world.log if op.verb in ("restart", "start")]


def test_a_file_edited_by_hand_is_named_with_its_restart_and_mended(inventory, built):
    world = built(inventory)
    host, before = world.cluster.workers[-1].name, world.digest()
    disk = world.hosts[host].disk
    disk.write("/var/lib/kubelet/config.yaml", disk.read("/var/lib/kubelet/config.yaml") + b"maxPods: 7\n", "600")
    planned = world.plan()
    assert changes(planned) == {("kubelet", host): ["file /var/lib/kubelet/config.yaml", "unit kubelet.service"]}
    content, unit = next(step.changes for step in planned if step.changes)
    assert (
        "-maxPods: 7" in content.diff
        and unit.why == ("restart: /var/lib/kubelet/config.yaml changed",)
        and unit.restarts
    )
    assert changes(world.run()) == changes(planned)
    assert restarted(world) == [(host, "kubelet.service")] and world.digest() == before


def test_a_mode_set_by_hand_is_mended_without_a_restart(built):
    world = built("single")
    before = world.digest()
    world.hosts["all-in-one"].disk.chown("/etc/kubernetes/pki/ca.key", "644", "root", "root")
    assert changes(world.run()) == {("control-plane", "all-in-one"): ["file /etc/kubernetes/pki/ca.key"]}
    assert restarted(world) == [] and world.digest() == before


def test_a_secret_edited_by_hand_is_never_shown(built):
    world = built("single")
    world.hosts["all-in-one"].disk.write("/etc/kubernetes/pki/sa.key", b"their own secret", "600")
    shown = repr([step.changes for step in world.plan()])
    key = world.credentials.service_account().private.reveal().decode()
    assert "sa.key" in shown and "their own secret" not in shown and key.splitlines()[1] not in shown


def test_a_program_replaced_and_restarted_by_hand_does_not_go_on_running(built):
    world = built("single")
    host, before = world.hosts["all-in-one"], world.digest()
    host.disk.write("/usr/local/bin/kubelet", b"somebody's kubelet", "755")
    host.systemd.restart("kubelet.service")
    planned = world.plan()
    program, unit = ["binary /usr/local/bin/kubelet"], ["unit kubelet.service"]
    assert changes(planned) == {("binaries", "all-in-one"): program, ("kubelet", "all-in-one"): program + unit}
    world.run()
    assert (
        restarted(world) == [("all-in-one", "kubelet.service")] and world.outdated() == [] and world.digest() == before
    )


def test_a_stopped_and_a_disabled_unit_are_started_and_enabled(built):
    world = built("lab")
    before = world.digest()
    world.hosts["lb"].systemd.stop("haproxy.service")
    world.hosts["controller-1"].systemd.unit("kube-scheduler.service").enabled = False
    found = {step.target: step.changes[0].why for step in world.plan() if step.changes}
    assert found == {"lb": ("not enabled", "is inactive, to be started"), "controller-1": ("not enabled",)}
    world.run()
    assert restarted(world) == [("lb", "haproxy.service")] and world.digest() == before


def test_a_lost_route_is_set_again(built):
    world = built("lab")
    world.hosts["worker-0"].routes.clear()
    assert changes(world.run()) == {("pod-routes", "worker-0"): ["routes to pod CIDRs"]}
    assert world.hosts["worker-0"].routes == {"10.200.1.0/24 10.240.0.21"}


def test_a_deleted_object_and_a_changed_field_come_back(built):
    world = built("lab")
    before = world.objects.digest()
    deployment = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
    world.objects.by_path[deployment]["spec"]["replicas"] = 7
    del world.objects.by_path["/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/hardway:cluster-admins"]
    found = {change.key: change.why for step in world.plan() for change in step.changes}
    assert found == {
        "ClusterRoleBinding hardway:cluster-admins": ("new",),
        "Deployment kube-system/coredns": ("field spec.replicas",),
    }
    world.run()
    assert world.objects.digest() == before and len(world.log) == 2


def test_what_others_added_to_our_objects_is_left_alone(built):
    world = built("lab")
    deployment = world.objects.by_path["/apis/apps/v1/namespaces/kube-system/deployments/coredns"]
    deployment["metadata"]["annotations"] = {"somebody": "else"}
    deployment["spec"]["template"]["spec"]["containers"].append({"name": "sidecar", "image": "theirs"})
    assert changes(world.run()) == {}


def test_a_new_name_in_the_certificate_restarts_nothing(built):
    """The API servers read their certificate again by themselves."""
    world = built("lab")
    world.use(replace(world.cluster, api=replace(world.cluster.api, extra_sans=("api.example.org",))))
    planned = changes(world.plan())
    assert planned == {("pki", "operator"): ["keys and certificates"]} | {
        ("control-plane", f"controller-{i}"): ["file /etc/kubernetes/pki/apiserver.crt"] for i in range(3)
    }
    assert changes(world.run()) == planned and restarted(world) == [] and world.outdated() == []


def test_a_kubelet_that_goes_on_to_show_its_old_certificate_is_restarted(built):
    """Before Kubernetes 1.36 it did so to clients that use its address."""
    for version, restarts in (("1.35.4", [("worker-0", "kubelet.service")]), ("1.36.3", [])):
        world = built("lab")
        world.use(replace(world.cluster, versions=replace(world.cluster.versions, kubernetes=version)))
        world.run()
        world.log.clear()
        world.hosts["worker-0"].disk.write("/var/lib/kubelet/pki/kubelet.crt", b"older")
        world.run()
        assert restarted(world) == restarts, version


def test_one_more_worker_touches_the_others_only_where_it_must(built):
    world = built("lab")
    new = Host("worker-2", IPv4Address("10.240.0.22"), frozenset({Role.WORKER}), pod_cidr=IPv4Network("10.200.2.0/24"))
    before = {name: host.disk.read("/etc/kubernetes/pki/apiserver.crt") for name, host in world.hosts.items()}
    world.use(replace(world.cluster, hosts=(*world.cluster.hosts, new)))
    done = changes(world.run())
    others = {key: value for key, value in done.items() if key[1] not in ("worker-2", "operator", "kubernetes")}
    routes = ["file /usr/local/bin/pod-routes", "unit pod-routes.service"]
    old = [host.name for host in world.cluster.hosts if host.name != "worker-2"]
    assert others == {("prepare", name): ["block hardway in /etc/hosts"] for name in old} | {
        ("pod-routes", name): routes for name in old
    }
    assert before == {name: world.hosts[name].disk.read("/etc/kubernetes/pki/apiserver.crt") for name in before}
    assert {unit for name, unit in restarted(world) if name != "worker-2"} == {"pod-routes.service"}
    assert all("10.200.2.0/24 10.240.0.22" in world.hosts[name].routes for name in old) and changes(world.run()) == {}


def test_labels_and_taints_follow_the_inventory(built):
    world = built("lab")
    node = world.objects.by_path["/api/v1/nodes/worker-0"]
    node["metadata"]["labels"]["theirs"] = "kept"
    hosts = tuple(
        replace(host, labels={"disktype": "hdd"}) if host.name == "worker-0" else host for host in world.cluster.hosts
    )
    world.use(replace(world.cluster, hosts=hosts))
    assert changes(world.run()) == {("node-marks", "kubernetes"): ["Node worker-0 labels, taints and pod CIDR"]}
    labels = world.objects.by_path["/api/v1/nodes/worker-0"]["metadata"]["labels"]
    assert (
        labels == {"kubernetes.io/hostname": "worker-0", "theirs": "kept", "disktype": "hdd"}
        and changes(world.run()) == {}
    )


def test_a_foreign_file_in_our_place_is_kept_aside(bare):
    world = bare("single")
    host = world.hosts["all-in-one"]
    host.disk.write("/etc/crictl.yaml", b"theirs\n", "640")
    world.run()
    assert host.disk.read("/etc/crictl.yaml") != b"theirs\n"
    assert host.disk.files["/var/lib/hardway/before/etc/crictl.yaml"].content == b"theirs\n"
