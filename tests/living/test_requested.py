"""What pods request as the kubelet counts it, and whose pods are asked for."""

from dataclasses import replace
from pathlib import Path

import pytest
from fakes.memory_kube import MemoryKube
from fakes.memory_pods import pod
from fakes.world import World

from hardway.facts import Facts
from hardway.foreign.quantity import amount
from hardway.inventory import load
from hardway.living import Lives, what_lives
from hardway.living.requested import growth, of_pod, together
from hardway.preflight import findings

LAB = load(Path(__file__).parents[2] / "inventory" / "lab.yaml")


def container(cpu: str, **more) -> dict:
    return {"resources": {"requests": {"cpu": cpu, "nvidia.com/gpu": "1"}}, **more}


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({}, None),
        ({"containers": [{}]}, None),
        ({"containers": [container("100m"), container("1")]}, "1100m"),
        ({"containers": [container("100m")], "initContainers": [container("1"), container("2")]}, "2"),
        ({"containers": [container("3")], "initContainers": [container("1"), container("2")]}, "3"),
        ({"containers": [container("1")], "initContainers": [container("1", **SIDECAR)]}, "2"),
        ({"containers": [container("1")], "initContainers": [container("1", **SIDECAR), container("2")]}, "3"),
        ({"containers": [container("1")], "initContainers": [container("2"), container("1", **SIDECAR)]}, "2"),
        ({"containers": [container("1")], "overhead": {"cpu": "250m"}}, "1250m"),
        ({"containers": [container("1")], **container("4"), "overhead": {"cpu": "1"}}, "5"),
    ],
)
def test_what_a_pod_requests(spec, cpu):
    assert of_pod({"spec": spec, "status": {"phase": "Running"}}) == ({"cpu": amount(cpu)} if cpu else {})


def test_a_pod_that_has_ended_requests_nothing():
    for phase in ("Succeeded", "Failed"):
        assert of_pod({"spec": {"containers": [container("1")]}, "status": {"phase": phase}}) == {}
    assert together([{"cpu": amount(1)}, {}, {"cpu": amount("500m"), "memory": amount(1)}])["cpu"] == amount("1.5")


@pytest.mark.parametrize(
    ("wanted", "has", "more"),
    [
        ({}, {}, {}),
        ({}, {"cpu": "1"}, {}),
        ({"cpu": "1"}, {"cpu": "1000m"}, {}),
        ({"cpu": "1", "memory": "1Gi"}, {"cpu": "2", "memory": "512Mi"}, {"memory": amount("512Mi")}),
        ({"cpu": "0"}, {}, {}),
    ],
)
def test_only_what_is_kept_beyond_what_is_kept_now_counts(wanted, has, more):
    host = replace(LAB.host("worker-0"), reserved=wanted)
    assert growth(host, Facts(joined=True, reserved=has)) == more
    assert growth(host, Facts(joined=False, reserved=has)) == {}
    assert growth(host, Facts(known=False, joined=True)) == {}


@pytest.fixture
def world(tmp_path) -> World:
    world = World(LAB, tmp_path)
    world.run()
    world.bound()
    return world


def keeping(world: World, **reserved: str) -> World:
    """The same cluster under an inventory in which worker-0 keeps so much from pods."""
    hosts = [replace(h, reserved=reserved) if h.name == "worker-0" else h for h in world.cluster.hosts]
    world.use(replace(world.cluster, hosts=tuple(hosts)))
    return world


def told(world: World) -> list[tuple[bool, str]]:
    return [(one.warning, one.what) for one in findings(world.inputs()) if one.name == "Requested"]


def seen(world: World) -> Lives:
    """As a session asks, which has its keys."""
    world.live.credentials = world.credentials
    return what_lives(world.live, world.facts)


def large(world: World, cpu: str) -> None:
    pod(world.objects, "worker-0", "large")["spec"]["containers"] = [container(cpu)]


def test_pods_are_asked_for_only_where_a_kubelet_is_to_keep_more_from_them(world, monkeypatch):
    asked, get = [], MemoryKube.get
    monkeypatch.setattr(MemoryKube, "get", lambda api, path: asked.append(path) or get(api, path))
    assert seen(world).requested == {}
    large(world, "1")
    keeping(world, cpu="500m")
    assert seen(world).requested == {"worker-0": {"cpu": amount(1)}}
    assert [path for path in asked if "pods" in path] == ["/api/v1/pods?fieldSelector=spec.nodeName=worker-0"]


def test_a_reservation_that_pods_leave_no_room_for_is_refused_with_numbers_until_they_are_gone(world):
    large(world, "1500m")
    [(warning, what)] = told(keeping(world, cpu="600m"))
    assert not warning and "its pods request 1500m of cpu, and 1400m would be left" in what
    assert told(keeping(world, cpu="500m", memory="4Gi")) == []
    [path] = [path for path in world.objects.by_path if path.endswith("/large")]
    world.objects.by_path.pop(path)
    assert told(keeping(world, cpu="600m")) == []


def test_where_more_is_kept_than_there_is_that_alone_is_said(world):
    """That no pod fits then follows from it, whatever runs there by chance."""
    large(world, "100m")
    assert [one.name for one in findings(keeping(world, cpu="1000").inputs()) if not one.warning] == ["Reserved"]


def test_what_a_reservation_is_raised_by_counts(world):
    keeping(world, cpu="1").run()
    large(world, "800m")
    [(_, what)] = told(keeping(world, cpu="1300m"))
    assert "request 800m of cpu, and 700m would be left" in what
    assert told(keeping(world, cpu="1")) == told(keeping(world, cpu="500m")) == told(keeping(world)) == []


def test_without_an_api_server_nobody_knows_and_a_warning_says_so(world):
    keeping(world, cpu="500m")
    for host in world.cluster.control_plane:
        world.hosts[host.name].systemd.unit("kube-apiserver.service").active = "inactive"
    [(warning, what)] = told(world)
    assert warning and "no API server says" in what
    assert told(keeping(world)) == []
