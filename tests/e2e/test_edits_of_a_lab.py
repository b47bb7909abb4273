"""Edits of a lab that lives: what the table of changes says is what the plan says and what happens, and what is refused
leaves everything as it was."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from stage import Ran, Stage, of_the_lab

from hardway.etcd.membership import typed
from hardway.living.changes import Row, rows

pytestmark = [pytest.mark.lab, pytest.mark.soak]

ROLES = {
    "lb": ("10", ["lb"]),
    "plane-0": ("11", ["etcd", "control-plane"]),
    "plane-1": ("12", ["control-plane"]),
    "worker-0": ("20", ["worker"]),
    "worker-1": ("21", ["worker"]),
}
NODE = "10.231.4"
# By key: an edit that its only row, or the named one, speaks of.
EDITS: dict[tuple[str, str], dict[str, Any]] = {
    ("kubelet.max_pods", ""): {"kubelet": {"fail_cgroup_v1": False, "max_pods": 90}},
    ("network.node_ports", ""): {"network": {"node_ports": "31000-32000"}},
    ("audit.max_age_days", ""): {"audit": {"max_age_days": 7}},
    ("extra_args.kube-scheduler", ""): {"extra_args": {"kube-scheduler": {"kube-api-qps": 60}}},
    ("extra_args.etcd", ""): {"extra_args": {"etcd": {"auto-compaction-retention": "2h"}}},
    ("addons.coredns.stub_domains", ""): {"addons": {"coredns": {"stub_domains": {"corp.example.org": ["192.0.2.1"]}}}},
    ("pki.validity_days", ""): {"pki": {"validity_days": 300}},
}


@pytest.fixture(scope="class")
def stage(make_stage: Callable[[dict], Stage]) -> Iterator[Stage]:
    inventory = of_the_lab("e2e-edits", node=NODE, pods="10.173", services="10.53.0")
    hosts = [{"name": name, "address": f"{NODE}.{number}", "roles": roles} for name, (number, roles) in ROLES.items()]
    stage = make_stage({**inventory, "hosts": hosts})
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    yield stage
    stage.lab("wipe")


def named(inventory: dict, name: str) -> dict:
    return next(host for host in inventory["hosts"] if host["name"] == name)


def merged(whole: dict, part: dict) -> None:
    for key, value in part.items():
        if isinstance(value, dict) and isinstance(whole.get(key), dict):
            merged(whole[key], value)
        else:
            whole[key] = copy.deepcopy(value)


def restarts(plan: Ran) -> set[str]:
    changes = [change for step in plan.json["steps"] for change in step["changes"]]
    units = (change["resource"] for change in changes if change["restarts"])
    return {unit.removeprefix("unit ").removesuffix(".service") for unit in units}


def canary(stage: Stage) -> str:
    return stage.kubectl("get", "configmap", "canary", "-o", "jsonpath={.data.sings}{.metadata.uid}").ok().out


def refused(stage: Stage, before: str, name: str, *words: str) -> None:
    """Plan and bootstrap say the same, nothing is changed, and the cluster serves on."""
    assert f"[ERROR {name}]" in stage.hardway("plan", "INV").out
    ran = stage.hardway("bootstrap", "INV").ok(5)
    assert f"[ERROR {name}]" in ran.err and all(word in ran.err for word in words), ran
    assert canary(stage) == before


class TestEdits:
    chain = True

    def test_a_cluster_with_something_in_it(self, stage: Stage):
        stage.bootstrap()
        stage.verified()
        stage.kubectl("create", "configmap", "canary", "--from-literal=sings=yes").ok()

    def test_the_order_of_hosts_means_nothing(self, stage: Stage):
        stage.edit(lambda inventory: inventory["hosts"].reverse())
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out

    @pytest.mark.parametrize(
        ("row", "edit"),
        [
            pytest.param(row, EDITS[key, row.edit], id=key)
            for row in rows()
            for key in row.keys
            if (key, row.edit) in EDITS
        ],
    )
    def test_an_edit_restarts_what_its_row_says(self, stage: Stage, row: Row, edit: dict):
        before = canary(stage)
        stage.edit(lambda inventory: merged(inventory, edit))
        plan = stage.hardway("plan", "INV", "--output", "json").ok()
        assert restarts(plan) == set(row.restarts) and (plan.json["changes"] == 0) == row.nothing
        stage.bootstrap()
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out
        assert canary(stage) == before
        stage.settled()

    def test_a_flag_by_which_objects_are_found_stays(self, stage: Stage):
        before, inventory = canary(stage), stage.inventory.read_text()
        stage.edit(lambda data: merged(data, {"extra_args": {"kube-apiserver": {"etcd-prefix": "/elsewhere"}}}))
        refused(stage, before, "FixedFlag", "--etcd-prefix=/elsewhere", "would find none of the cluster's objects")
        stage.inventory.write_text(inventory)

    def test_haproxy_does_not_take_the_port_of_the_api_servers(self, stage: Stage):
        before, inventory = canary(stage), stage.inventory.read_text()
        stage.edit(lambda data: named(data, "lb").update(roles=["lb", "control-plane"]))
        refused(stage, before, "ApiPort", "listens on port 6443", "6444")
        stage.inventory.write_text(inventory)

    def test_an_etcd_host_keeps_its_member_under_another_name(self, stage: Stage):
        """The machine itself keeps its name: a host without the role worker is known by its address alone."""
        before, whole = canary(stage), stage.folder / "whole.yaml"
        whole.write_text(stage.inventory.read_text())
        [row] = [row for row in rows() if row.edit == "of an etcd host"]
        for old, new in (("plane-0", "plane-9"), ("plane-9", "plane-0")):
            stage.edit(lambda data, old=old, new=new: named(data, old).update(name=new))
            assert restarts(stage.hardway("plan", "INV", "--output", "json").ok()) == set(row.restarts)
            stage.bootstrap()
            command = f"PATH=/usr/local/bin:$PATH {typed('member', 'list')}"
            listed = stage.hardway("lab", "ssh", str(whole), "plane-0", command).ok().out
            assert f"started, {new}," in listed and old not in listed
            assert canary(stage) == before
        stage.settled()

    def test_a_control_plane_host_is_reset_before_it_is_removed(self, stage: Stage):
        before, whole = canary(stage), stage.inventory.read_text()
        stage.edit(lambda data: data["hosts"].remove(named(data, "plane-1")))
        refused(stage, before, "ApiServer", f"runs at {NODE}.12", f"hardway reset {stage.inventory} --limit HOST")
        edited = stage.inventory.read_text()
        stage.inventory.write_text(whole)
        stage.hardway("reset", "INV", "--limit", "plane-1", "--yes").ok()
        stage.inventory.write_text(edited)
        stage.bootstrap()
        assert canary(stage) == before
        stage.settled()
