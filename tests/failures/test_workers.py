"""Workers of a cluster that lives: one is never built, off, deleted from the inventory, renamed, given other pods.

One story on three lab machines; what is refused changes nothing, and what is done loses no object and no pod.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from canary import Canary
from stage import Stage, await_true, of_the_lab

from .cases import case

pytestmark = [pytest.mark.lab, pytest.mark.soak]

NODE, PODS = "10.239.1", "10.199"
# Derived from the last byte of the address: the names end with no number.
BLOCKS = {"one": f"{PODS}.10.0/24", "two": f"{PODS}.11.0/24", "three": f"{PODS}.12.0/24"}


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    """One machine that is everything, and two more workers; nothing is built yet."""
    inventory = of_the_lab("workers", node=NODE, pods=PODS, services="10.79.0")
    roles = {"one": ["etcd", "control-plane", "worker"], "two": ["worker"], "three": ["worker"]}
    hosts = [
        {"name": name, "address": f"{NODE}.{10 + number}", "roles": of}
        for number, (name, of) in enumerate(roles.items())
    ]
    stage = make_stage({**inventory, "hosts": hosts, "ssh": {"connect_timeout": 5}})
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    return stage


def edited(stage: Stage, change: Callable[[list[dict[str, Any]]], Any]) -> str:
    """Another inventory of the same cluster, whose hosts are as `change` leaves them."""
    inventory = yaml.safe_load(stage.inventory.read_text())
    change(inventory["hosts"])
    path = stage.folder / "edited.yaml"
    path.write_text(yaml.safe_dump(inventory, sort_keys=False))
    return str(path)


def without(name: str) -> Callable[[list[dict[str, Any]]], Any]:
    return lambda hosts: hosts.remove(next(host for host in hosts if host["name"] == name))


def keys(name: str, /, **given: Any) -> Callable[[list[dict[str, Any]]], Any]:
    return lambda hosts: next(host for host in hosts if host["name"] == name).update(given)


def routes(stage: Stage, host: str) -> dict[str, str]:
    """The next hop of each block that hardway routes on a machine."""
    rows = [line.split() for line in stage.ssh(host, "ip -4 route show proto 200").splitlines()]
    return {row[0]: row[2] for row in rows}


def nodes(stage: Stage) -> dict[str, str]:
    """The block of each Node by its name."""
    columns = "custom-columns=NAME:.metadata.name,PODS:.spec.podCIDR"
    said = stage.kubectl("get", "nodes", "--no-headers", "-o", columns).ok().out
    return dict(line.split() for line in said.splitlines())


def kubelets(stage: Stage, *hosts: str) -> dict[str, str]:
    """systemd's id of the present run of each kubelet."""
    return {host: stage.ssh(host, "systemctl show -p InvocationID --value kubelet").strip() for host in hosts}


class TestWorkers:
    """Steps of one story: the cluster of one step is that of the next."""

    chain = True

    @pytest.fixture(scope="class")
    def canary(self, stage: Stage) -> Canary:
        """On machines that stay: nothing is scheduled to the third meanwhile."""
        stage.kubectl("cordon", "three").ok()
        canary = Canary(stage).settle()
        stage.kubectl("uncordon", "three").ok()
        return canary

    def test_a_worker_that_was_never_built_is_not_waited_for(self, stage: Stage):
        stage.hardway("bootstrap", "INV", "--limit", "one", "--limit", "two", timeout=900).ok()
        assert nodes(stage) == {name: BLOCKS[name] for name in ("one", "two")}
        assert "no changes" in stage.hardway("plan", "INV", "--limit", "two", "--exit-code").ok().out
        stage.hardway("bootstrap", "INV", "--limit", "two").ok()

    def test_it_is_built_and_no_kubelet_of_the_others_is_restarted(self, stage: Stage):
        before = kubelets(stage, "one", "two")
        stage.bootstrap()
        assert nodes(stage) == BLOCKS and kubelets(stage, "one", "two") == before
        assert routes(stage, "two") == {BLOCKS["one"]: f"{NODE}.10", BLOCKS["three"]: f"{NODE}.12"}
        stage.settled()

    @case("worker-left-out")
    def test_a_worker_that_is_off_is_left_out(self, stage: Stage, canary: Canary, told):
        stage.lab("power-off", "three")
        path = edited(stage, keys("two", labels={"disktype": "ssd"}))
        told(stage.hardway("bootstrap", path, timeout=600), "three")
        assert "node/two" in stage.kubectl("get", "nodes", "-l", "disktype=ssd", "-o", "name").ok().out
        assert routes(stage, "two")[BLOCKS["three"]] == f"{NODE}.12"
        ran = stage.hardway("bootstrap", "INV", "--exclude", "three", timeout=600).ok()
        assert "three" not in ran.err
        canary.alive()
        stage.lab("power-on", "three")
        stage.settled()
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out

    @case("node-not-in-the-inventory")
    def test_a_worker_is_deleted_from_the_inventory(self, stage: Stage, canary: Canary, told):
        path = edited(stage, without("three"))
        assert "[WARNING Departed] three: " in stage.hardway("plan", path).ok().out
        stage.hardway("bootstrap", path, timeout=600).ok()
        for host in ("one", "two"):
            assert routes(stage, host)[BLOCKS["three"]] == f"{NODE}.12"
        assert "nodes-known" in stage.hardway("verify", path, timeout=600).ok(7).out
        told(stage.hardway("doctor", path))
        canary.alive()

    @case("pod-block-of-a-former-node")
    def test_its_block_is_given_to_nobody_else(self, stage: Stage, told):
        def four(hosts: list[dict[str, Any]]) -> None:
            without("three")(hosts)
            hosts.append({"name": "four", "address": f"{NODE}.40", "roles": ["worker"], "pod_cidr": BLOCKS["three"]})

        told(stage.hardway("bootstrap", edited(stage, four)), "four")

    @case("pod-block-changed")
    def test_a_worker_is_given_another_block(self, stage: Stage, canary: Canary, told):
        told(stage.hardway("bootstrap", edited(stage, keys("two", pod_cidr=f"{PODS}.77.0/24"))), "two")
        canary.alive()

    @case("node-renamed")
    def test_a_worker_is_renamed(self, stage: Stage, canary: Canary, told):
        stage.ssh("two", "hostnamectl set-hostname zwei")
        try:
            told(stage.hardway("bootstrap", edited(stage, keys("two", name="zwei"))), "zwei")
        finally:
            stage.ssh("two", "hostnamectl set-hostname two")
        assert sorted(nodes(stage)) == sorted(BLOCKS)
        canary.alive()

    def test_a_route_that_cannot_be_set_stops_no_other_and_is_tried_again(self, stage: Stage, canary: Canary):
        bad = "  route 10.99.0.0/24 via 10.98.0.1"
        before = routes(stage, "one")
        stage.ssh("one", f"sed -i '/^  have=/a {bad}' /usr/local/bin/pod-routes; systemctl restart pod-routes || true")
        state = lambda: stage.ssh("one", "systemctl is-active pod-routes || true").strip()  # noqa: E731
        assert routes(stage, "one") == before
        await_true(lambda: state() == "activating", 20, "systemd to try again")
        stage.bootstrap()
        assert state() == "active" and routes(stage, "one") == before
        canary.alive()

    @pytest.mark.parametrize(
        "what",
        [
            "ip route flush proto 200",
            f"ip link set eth0 down; sleep 1; ip link set eth0 up; ip route add default via {NODE}.1",
            "ip -4 route show proto 200 | head -n 1 | xargs ip route del",
        ],
    )
    def test_routes_that_are_taken_away_come_back_by_themselves(self, stage: Stage, canary: Canary, what: str):
        before = routes(stage, "two")
        stage.ssh("two", f"systemd-run --quiet --collect --wait sh -c '{what}'")
        await_true(lambda: routes(stage, "two") == before, 15, "the routes to be back")
        canary.alive()

    def test_a_worker_with_a_32_address_routes_to_those_on_its_link(self, stage: Stage, canary: Canary):
        """As machines are set up that know of no network, only of ways: the kernel takes no gateway there by itself."""
        own, net, before = f"{NODE}.11", f"{NODE}.0/24", routes(stage, "two")
        alone = f"ip address add {own}/32 dev eth0; ip route replace {net} dev eth0 scope global"
        stage.ssh("two", f"systemd-run -q --wait sh -c '{alone}; ip address delete {own}/24 dev eth0'")
        try:
            stage.ssh("two", "ip route flush proto 200; systemctl restart pod-routes")
            await_true(lambda: routes(stage, "two") == before, 15, "the routes to be back")
            assert stage.ssh("two", "ip route show proto 200").count("onlink") == len(before)
            assert "NextHop" not in stage.hardway("preflight", "INV").ok().out
            canary.alive()
        finally:
            back = f"ip address add {own}/24 dev eth0; ip address delete {own}/32 dev eth0"
            gone = f"ip route delete {net} scope global"
            stage.ssh("two", f"systemd-run -q --wait sh -c '{back}; {gone}'; systemctl restart pod-routes")
        stage.settled()

    def test_the_routes_outlive_a_restart_of_the_unit_and_a_reboot(self, stage: Stage):
        before = routes(stage, "two")
        stage.ssh("two", "systemctl stop pod-routes")
        assert routes(stage, "two") == before
        stage.ssh("two", "systemctl start pod-routes")
        stage.lab("reboot", "two")
        await_true(lambda: routes(stage, "two") == before, 60, "the routes to be back")
        stage.settled()

    def test_it_is_removed_by_the_command_that_is_named(self, stage: Stage):
        path = edited(stage, without("three"))
        [remedy] = re.findall(r"or remove it: (hardway node remove .*)", stage.hardway("plan", path).ok().out)
        assert remedy == "hardway node remove INV three"
        stage.hardway("node", "remove", path, "three", "--yes", "--delete-emptydir-data", timeout=600).ok()
        assert "three" not in nodes(stage) and "no changes" in stage.hardway("plan", path).ok().out
        for host in ("one", "two"):
            assert BLOCKS["three"] not in routes(stage, host)
        assert routes(stage, "three") == {}
        assert "no changes" in stage.hardway("plan", path, "--exit-code").ok().out
        stage.hardway("verify", path, timeout=600).ok()

    def test_it_comes_back_as_a_new_worker(self, stage: Stage):
        stage.bootstrap()
        assert nodes(stage) == BLOCKS
        stage.settled()
