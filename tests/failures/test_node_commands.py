"""Drains and removals that are refused or stopped, on two lab machines; afterwards the cluster is as it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from stage import Stage, await_true, of_the_lab

from .cases import case

pytestmark = [pytest.mark.lab, pytest.mark.soak]

NODE = "10.239.3"
ROLES = {"one": ["etcd", "control-plane", "worker"], "two": ["worker"]}


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    inventory = of_the_lab("drains", node=NODE, pods="10.189", services="10.69.0")
    hosts = [
        {"name": name, "address": f"{NODE}.{10 + number}", "roles": of}
        for number, (name, of) in enumerate(ROLES.items())
    ]
    stage = make_stage({**inventory, "hosts": hosts, "addons": {"coredns": {"replicas": 1}}})
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    stage.bootstrap()
    return stage


@pytest.fixture(autouse=True)
def whole_again(stage: Stage) -> Iterator[None]:
    yield
    stage.kubectl("delete", "deployment,pod,pdb", "--all", "-n", "default", "--wait", "--grace-period=0").ok()
    stage.hardway("node", "uncordon", "INV", "one", "two").ok()
    assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out


def image(stage: Stage) -> str:
    said = stage.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.images[*].names[*]}").ok().out
    return next(name for name in said.split() if "busybox" in name and "@" not in name)


def run_there(stage: Stage, replicas: int = 1, **spec: Any) -> None:
    """A Deployment `web` whose pods all run on the node two."""
    container = {"name": "sleep", "image": image(stage), "command": ["sleep", "1d"], **spec.pop("container", {})}
    pod = {"nodeSelector": {"kubernetes.io/hostname": "two"}, "terminationGracePeriodSeconds": 0, **spec}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {**pod, "containers": [container]}}
    whole = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": whole}
    stage.kubectl("apply", "-f", "-", stdin=json.dumps(body)).ok()
    await_true(lambda: len(running(stage)) == replicas, 120, "the pods to run", lambda: str(running(stage)))


def running(stage: Stage) -> list[str]:
    found = ("-l", "app=web", "--field-selector", "status.phase=Running,spec.nodeName=two", "-o", "name")
    return stage.kubectl("get", "pods", *found).ok().out.split()


def cordoned(stage: Stage) -> str:
    return stage.kubectl("get", "node", "two", "-o", "jsonpath={.spec.unschedulable}").ok().out


@case("drain-would-lose")
def test_pods_that_would_be_lost(stage: Stage, told):
    run_there(stage, volumes=[{"name": "cache", "emptyDir": {}}])
    alone = {"nodeName": "two", "containers": [{"name": "c", "image": image(stage), "command": ["sleep", "1d"]}]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alone"}, "spec": alone}
    stage.kubectl("apply", "-f", "-", stdin=json.dumps(body)).ok()
    told(stage.hardway("node", "drain", "INV", "two"), "two")
    assert cordoned(stage) == "" and len(running(stage)) == 1


@case("drain-never-allowed")
def test_a_budget_that_needs_all_pods(stage: Stage, told):
    run_there(stage, 2)
    stage.kubectl("create", "pdb", "web", "--selector=app=web", "--min-available=2").ok()
    allowed = ("get", "pdb", "web", "-o", "jsonpath={.status.expectedPods}")
    await_true(lambda: stage.kubectl(*allowed).out == "2", 30, "the budget's status")
    told(stage.hardway("node", "drain", "INV", "two"), "two")
    assert cordoned(stage) == "" and len(running(stage)) == 2


@case("drain-blocked")
def test_a_budget_with_nothing_to_give(stage: Stage, told):
    """The second pod is never ready, so the first one is needed."""
    probe = {"readinessProbe": {"exec": {"command": ["sh", "-c", "test -e /ready"]}, "periodSeconds": 1}}
    run_there(stage, 2, container=probe)
    first = running(stage)[0]
    stage.kubectl("exec", first, "--", "touch", "/ready").ok()
    stage.kubectl("create", "pdb", "web", "--selector=app=web", "--min-available=1").ok()
    healthy = ("get", "pdb", "web", "-o", "jsonpath={.status.currentHealthy}")
    await_true(lambda: stage.kubectl(*healthy).out == "1", 60, "one healthy pod")
    told(stage.hardway("node", "drain", "INV", "two", "--timeout", "10"), "two")
    assert cordoned(stage) == "true" and first in running(stage)
    assert "[node-cordoned] two" in stage.hardway("doctor", "INV").out
    stage.kubectl("delete", "pdb", "web").ok()
    stage.hardway("node", "drain", "INV", "two").ok()
    assert running(stage) == []


@case("node-not-gone")
def test_a_machine_that_answers_is_not_gone(stage: Stage, told):
    told(stage.hardway("node", "remove", "INV", "two", "--gone", "--yes"), "two")


@case("removal-breaks-inventory")
def test_the_only_member_of_etcd_stays(stage: Stage, told):
    told(stage.hardway("node", "remove", "INV", "one", "--yes"), "one")
