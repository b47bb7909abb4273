"""Clusters of other shapes: one machine that is everything, and two load balancers that share an address and their
machines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from stage import COMMON, Stage, await_true

from hardway.foreign.quantity import amount


def host(name: str, address: str, *roles: str) -> dict:
    return {"name": name, "address": address, "roles": list(roles)}


SINGLE = {
    "cluster": "e2e-single",
    **COMMON,
    "network": {"node_cidr": "10.246.0.0/24", "pod_cidr": "10.206.0.0/16", "service_cidr": "10.38.0.0/24"},
    "addons": {"coredns": {"replicas": 1}},
    "lab": {"gateway": "10.246.0.1"},
    "hosts": [
        {
            **host("all-in-one", "10.246.0.10", "etcd", "control-plane", "worker"),
            "reserved": {"cpu": "250m", "memory": "256Mi", "pid": 1000},
        }
    ],
}

# Everything on three machines; the two that balance share the address 10.247.0.5.
SHARED = {
    "cluster": "e2e-shared",
    **COMMON,
    "network": {"node_cidr": "10.247.0.0/24", "pod_cidr": "10.207.0.0/16", "service_cidr": "10.39.0.0/24"},
    "api": {"vip": "10.247.0.5"},
    "lab": {"gateway": "10.247.0.1"},
    "hosts": [
        host("node-0", "10.247.0.10", "lb", "etcd", "control-plane", "worker"),
        host("node-1", "10.247.0.11", "lb", "etcd", "control-plane", "worker"),
        host("node-2", "10.247.0.12", "etcd", "control-plane", "worker"),
    ],
}


@pytest.fixture(scope="class")
def stage(request: pytest.FixtureRequest, make_stage: Callable[[dict], Stage]) -> Iterator[Stage]:
    stage = make_stage(request.cls.inventory)
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    yield stage
    stage.lab("wipe")


class TestOneMachine:
    chain = True
    inventory = SINGLE

    def test_bootstrap(self, stage: Stage):
        assert stage.bootstrap().events[-1]["changes"] > 30

    def test_plan_is_empty(self, stage: Stage):
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out

    def test_verify(self, stage: Stage):
        stage.verified()

    def test_the_kubelet_got_a_certificate_of_its_own(self, stage: Stage):
        requests = "{.items[*].status.conditions[*].type} {.items[*].status.certificate}"
        await_true(
            lambda: re.fullmatch(
                r"(Approved )+\S+.*", stage.kubectl("get", "csr", "-o", f"jsonpath={requests}").ok().out
            ),
            60,
            "the kubelet's certificate request to be approved and signed",
        )

    def test_pods_get_less_than_the_machine_has_by_what_is_reserved(self, stage: Stage):
        """The kubelet keeps 100Mi of memory free besides."""
        [node] = json.loads(stage.kubectl("get", "nodes", "-o", "json").ok().out)["items"]
        there, left = node["status"]["capacity"], node["status"]["allocatable"]
        assert amount(there["cpu"]) - amount(left["cpu"]) == amount("250m"), (there, left)
        assert amount(there["memory"]) - amount(left["memory"]) == amount("356Mi"), (there, left)

    def test_more_than_the_machine_has_is_refused_and_less_is_given_back(self, stage: Stage):
        before = stage.inventory.read_text()
        stage.edit(lambda inventory: inventory["hosts"][0]["reserved"].update(cpu=1000))
        assert "[ERROR Reserved] all-in-one: 1000000m of cpu" in stage.hardway("bootstrap", "INV").ok(5).err
        stage.inventory.write_text(before)
        stage.edit(lambda inventory: inventory["hosts"][0]["reserved"].update(cpu="100m"))
        done = stage.bootstrap().changes
        assert {(phase, host) for phase, host, _ in done} == {("kubelet", "all-in-one")}, done
        node = ["get", "node", "all-in-one", "-o", "json"]
        status = lambda: json.loads(stage.kubectl(*node).ok().out)["status"]  # noqa: E731
        kept = lambda: amount(status()["capacity"]["cpu"]) - amount(status()["allocatable"]["cpu"])  # noqa: E731
        await_true(lambda: kept() == amount("100m"), 30, "the node to say what pods may have")

    def test_the_control_plane_runs_in_its_sandbox(self, stage: Stage):
        for unit in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"):
            pid = stage.ssh("all-in-one", f"systemctl show -p MainPID --value {unit}").strip()
            assert "NoNewPrivs:\t1" in stage.ssh("all-in-one", f"cat /proc/{pid}/status"), unit
            tried = stage.ssh("all-in-one", f"nsenter -t {pid} -m sh -c 'touch /usr/x /etc/x' 2>&1 || true")
            assert tried.count("Read-only file system") == 2, (unit, tried)

    def test_images_that_were_brought_stay_pinned_when_containerd_restarts(self, stage: Stage):
        def pinned() -> dict[str, bool]:
            images = json.loads(stage.ssh("all-in-one", "crictl images -o json"))["images"]
            return {tag: image["pinned"] for image in images for tag in image["repoTags"]}

        before = pinned()
        assert len(before) >= 3 and all(before.values()), before
        stage.ssh("all-in-one", "systemctl restart containerd")
        await_true(lambda: pinned() == before, 60, "the same images to be pinned", lambda: str(pinned()))

    def test_an_image_that_is_not_pinned_is_pinned_and_nothing_else_is_done(self, stage: Stage):
        [busybox] = stage.ssh("all-in-one", "ctr -n k8s.io images ls -q | grep busybox | grep -v sha256").split()
        stage.ssh("all-in-one", f"ctr -n k8s.io images label {busybox} io.cri-containerd.pinned=")
        assert stage.bootstrap().changes == {("containers", "all-in-one", f"image {busybox}")}

    def test_another_image_under_the_name_of_ours_is_replaced(self, stage: Stage):
        names = stage.ssh("all-in-one", "ctr -n k8s.io images ls -q | grep -v sha256").split()
        busybox, pause = (next(name for name in names if word in name) for word in ("busybox", "pause"))
        stage.ssh("all-in-one", f"ctr -n k8s.io images tag --force {busybox} {pause}")
        assert "other content under its name" in stage.hardway("plan", "INV").ok().out
        assert stage.bootstrap().changes == {("containers", "all-in-one", f"image {pause}")}
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out

    def test_it_survives_a_power_cut(self, stage: Stage):
        stage.lab("power-off", "all-in-one")
        stage.lab("power-on", "all-in-one")
        stage.settled()

    def test_reset_and_bootstrap_again(self, stage: Stage):
        stage.hardway("reset", "INV", "--yes").ok()
        stage.bootstrap()
        stage.verified()


@pytest.mark.soak  # In every run test_no_secret_shown has two balancers that share an address.
class TestSharedAddress:
    chain = True
    inventory = SHARED

    def test_bootstrap(self, stage: Stage):
        assert stage.bootstrap().events[-1]["changes"] > 100

    def test_plan_is_empty(self, stage: Stage):
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out

    def test_verify(self, stage: Stage):
        stage.verified()

    def test_exactly_one_balancer_holds_the_address(self, stage: Stage):
        assert len(holders(stage, "node-0", "node-1")) == 1

    def test_the_address_moves_when_its_haproxy_stops(self, stage: Stage):
        [holder] = holders(stage, "node-0", "node-1")
        other = {"node-0": "node-1", "node-1": "node-0"}[holder]
        stage.ssh(holder, "systemctl stop haproxy")
        await_true(lambda: holders(stage, "node-0", "node-1") == [other], 30, f"{other} to hold the address")
        await_true(lambda: answers(stage), 30, "the API at the shared address")
        stage.ssh(holder, "systemctl start haproxy")

    def test_the_address_moves_when_its_machine_dies(self, stage: Stage):
        await_true(lambda: len(holders(stage, "node-0", "node-1")) == 1, 30, "one holder")
        [holder] = holders(stage, "node-0", "node-1")
        other = {"node-0": "node-1", "node-1": "node-0"}[holder]
        stage.lab("power-off", holder)
        await_true(lambda: holders(stage, other) == [other], 30, f"{other} to hold the address")
        await_true(lambda: answers(stage), 60, "the API at the shared address")
        stage.lab("power-on", holder)

    def test_it_comes_back_whole(self, stage: Stage):
        stage.settled()


def holders(stage: Stage, *hosts: str) -> list[str]:
    """The hosts that have the shared address now."""
    return [name for name in hosts if " 10.247.0.5/" in stage.ssh(name, "ip -o addr")]


def answers(stage: Stage) -> bool:
    """Whether five calls in a row reach the API."""
    return all(stage.kubectl("get", "nodes").code == 0 for _ in range(5))
