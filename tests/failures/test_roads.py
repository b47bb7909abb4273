"""The API of a cluster that lives gets another port, another shared address, one load balancer less, none that share an
address: no node becomes NotReady, the API answers all the time, and what the cluster holds is all still there."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from clients import Caller
from stage import COMMON, Ran, Stage, await_true
from test_other_shapes import host
from watched import Watched

from .cases import case

pytestmark = [pytest.mark.lab, pytest.mark.soak]

NET = "10.237.1"
INVENTORY = {
    "cluster": "roads",
    **COMMON,
    "network": {"node_cidr": f"{NET}.0/24", "pod_cidr": "10.173.0.0/16", "service_cidr": "10.53.0.0/24"},
    "api": {"vip": f"{NET}.5"},
    "addons": {"coredns": {"replicas": 1}},
    "lab": {"gateway": f"{NET}.1"},
    "hosts": [
        host("lb-0", f"{NET}.10", "lb", "worker"),
        host("lb-1", f"{NET}.11", "lb", "worker"),
        host("one", f"{NET}.12", "etcd", "control-plane"),
        host("two", f"{NET}.13", "control-plane"),
    ],
}
CANARY = """
apiVersion: v1
kind: ConfigMap
metadata: {name: canary}
data: {sings: "yes"}
---
apiVersion: v1
kind: Secret
metadata: {name: canary}
stringData: {word: canary}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: canary}
spec:
  replicas: 2
  selector: {matchLabels: {app: canary}}
  template:
    metadata: {labels: {app: canary}}
    spec: {containers: [{name: pause, image: registry.k8s.io/pause:3.10, imagePullPolicy: IfNotPresent}]}
---
apiVersion: v1
kind: Service
metadata: {name: canary}
spec: {selector: {app: canary}, ports: [{port: 80}]}
"""


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    stage = make_stage(INVENTORY)
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    stage.bootstrap()
    image = stage.ssh("lb-0", "ctr -n k8s.io images ls -q | grep pause").split()[0]
    stage.kubectl("apply", "-f", "-", stdin=CANARY.replace("registry.k8s.io/pause:3.10", image)).ok()
    await_true(lambda: len(canaries(stage)) == 2, 120, "both pods to run")
    return stage


def canaries(stage: Stage, *on: str) -> dict[str, int]:
    """The pods that run, everywhere or on a host, each by its UID with the number of its restarts."""
    where = [f"--field-selector=spec.nodeName={host}" for host in on]
    listed = json.loads(stage.kubectl("get", "pods", "-l", "app=canary", "-o", "json", *where).ok().out)["items"]
    running = [pod for pod in listed if pod["status"]["phase"] == "Running"]
    return {pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in running}


def edit(stage: Stage, **keys: Any) -> None:
    """Other keys in the inventory from now on."""
    stage.edit(lambda inventory: inventory.update(keys))


def roles(stage: Stage, **wanted: list[str]) -> None:
    hosts = yaml.safe_load(stage.inventory.read_text())["hosts"]
    edit(stage, hosts=[{**one, "roles": wanted.get(one["name"].replace("-", "_"), one["roles"])} for one in hosts])


class Looking(Caller):
    """One person who asks for the nodes again and again: also who was not ready."""

    PATH, PEOPLE, PACE = "/api/v1/nodes", 1, 0.2

    def __init__(self, stage: Stage):
        super().__init__(stage)
        self.unready: set[str] = set()

    def answered(self, content: bytes) -> None:
        self.unready |= {name for name, ready in readiness(json.loads(content)) if ready != "True"}


def readiness(nodes: dict) -> Iterator[tuple[str, str]]:
    for node in nodes["items"]:
        for condition in node["status"]["conditions"]:
            if condition["type"] == "Ready":
                yield node["metadata"]["name"], condition["status"]


def moved(stage: Stage, url: str) -> Ran:
    """The edit that was just made is carried out: its plan names it, nobody misses the API, one run is enough."""
    pods = canaries(stage)
    plan = stage.hardway("plan", "INV").ok().out
    with Looking(stage) as looking:
        ran = stage.bootstrap()
    gap, failed = looking.longest, looking.failed
    print(f"{looking.calls} calls, {len(failed)} failed, longest gap {gap:.1f} s", failed[:3])
    assert looking.unready == set() and gap < 5 and looking.calls > 5, failed
    assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out
    assert url in stage.hardway("kubeconfig", "INV").ok().out
    for name in ("lb-0", "lb-1"):
        assert stage.ssh(
            name, "grep -h server: /etc/kubernetes/kubelet.conf /etc/kubernetes/kube-proxy.conf | sort -u"
        ) == (f"    server: {url}\n")
    assert canaries(stage) == pods
    assert stage.kubectl("get", "configmap/canary", "secret/canary", "service/canary", "-o", "name").ok()
    stage.verified()
    return Ran(ran.words, ran.code, plan, ran.err, ran.seconds)


def holders(stage: Stage, address: str) -> list[str]:
    return [name for name in stage.hosts if f" {address}/" in stage.ssh(name, "ip -4 -o addr")]


def listens(stage: Stage, name: str, port: int) -> bool:
    return stage.ssh(name, f"ss -Hltn sport = :{port}") != ""


def haproxy(stage: Stage) -> list[str]:
    """The main process of each load balancer, which stays through a reload."""
    return [stage.ssh(name, "systemctl show -P MainPID haproxy").strip() for name in ("lb-0", "lb-1")]


class TestRoads:
    chain = True

    def test_one_of_two_holds_the_address(self, stage: Stage):
        assert len(holders(stage, f"{NET}.5")) == 1
        stage.verified()

    def test_an_open_watch_lives_through_a_reload(self, stage: Stage):
        before = haproxy(stage)
        for name in ("lb-0", "lb-1"):
            stage.ssh(name, "echo '# by hand' >>/etc/haproxy/haproxy.cfg")
        words = (stage.kubectl_program, "--kubeconfig", stage.state / "admin.conf", "get", "nodes", "--watch")
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as watch:
            try:
                assert watch.stdout.readline()
                changes = {change[2] for change in stage.bootstrap().changes}
                assert {"file /etc/haproxy/haproxy.cfg", "unit haproxy.service"} <= changes
                time.sleep(3)  # as long as a connection that is cut would need to be noticed
                assert watch.poll() is None and haproxy(stage) == before
            finally:
                watch.kill()

    def test_another_port(self, stage: Stage):
        before = haproxy(stage)
        edit(stage, api={"vip": f"{NET}.5", "port": 8443})
        ran = moved(stage, f"https://{NET}.5:8443")
        assert "[WARNING ApiMoves]" in ran.out and f"use the API at https://{NET}.5:6443" in ran.out
        assert haproxy(stage) == before
        for name in ("lb-0", "lb-1"):
            assert listens(stage, name, 8443) and not listens(stage, name, 6443)

    def test_another_shared_address(self, stage: Stage):
        edit(stage, api={"vip": f"{NET}.6", "port": 8443})
        moved(stage, f"https://{NET}.6:8443")
        assert holders(stage, f"{NET}.5") == [] and len(holders(stage, f"{NET}.6")) == 1

    def test_a_move_that_is_killed_halfway_leaves_both_roads_open_and_is_completed(self, stage: Stage):
        edit(stage, api={"vip": f"{NET}.7", "port": 9443})
        with Looking(stage) as looking:
            with Watched(stage) as run:
                begun = lambda events: any(  # noqa: E731
                    event["event"] == "step-finished" and event["phase"] == "kubelet" for event in events
                )
                assert run.until(begun, 300)
                assert run.kill(), "it was over too soon"
            for name in ("lb-0", "lb-1"):
                assert listens(stage, name, 8443) and listens(stage, name, 9443)
            assert len(holders(stage, f"{NET}.6")) == len(holders(stage, f"{NET}.7")) == 1
            time.sleep(45)  # a node is NotReady 40 s after its kubelet was heard of last
        assert looking.unready == set() and looking.longest < 5, looking.failed
        moved(stage, f"https://{NET}.7:9443")
        assert holders(stage, f"{NET}.6") == [] and not listens(stage, "lb-0", 8443)

    def test_a_worker_that_is_off_keeps_its_road(self, stage: Stage):
        """The run for the others leaves the former port open, the worker comes back by it, the next run closes it."""
        before = canaries(stage, "lb-1")
        stage.lab("power-off", "lb-1")
        edit(stage, api={"vip": f"{NET}.7", "port": 8443})
        stage.hardway("bootstrap", "INV", "--limit", "lb-0", "--limit", "one", "--limit", "two", timeout=600).ok()
        assert listens(stage, "lb-0", 9443) and listens(stage, "lb-0", 8443)
        stage.lab("power-on", "lb-1")

        def ready():
            return ("lb-1", "True") in list(readiness(stage.kubectl("get", "nodes", "-o", "json").ok().json))

        await_true(ready, 120, "lb-1 to be Ready by the former road")
        again = {pod: restarts + 1 for pod, restarts in before.items()}
        await_true(lambda: canaries(stage, "lb-1") == again, 120, "the pods of lb-1 to run again")
        moved(stage, f"https://{NET}.7:8443")
        assert not listens(stage, "lb-0", 9443) and not listens(stage, "lb-1", 9443)

    @case("former-load-balancer")
    def test_a_balancer_that_leaves_the_inventory(self, stage: Stage, told):
        before = stage.inventory.read_text()
        edit(stage, hosts=[one for one in yaml.safe_load(before)["hosts"] if one["name"] != "lb-1"])
        told(stage.hardway("bootstrap", "INV"), "lb-0")
        stage.inventory.write_text(before)
        assert len(holders(stage, f"{NET}.7")) == 1

    @case("api-server-port-stays")
    def test_another_port_for_the_api_servers_themselves(self, stage: Stage, told):
        before = stage.inventory.read_text()
        edit(stage, api={"vip": f"{NET}.7", "port": 8443, "server_port": 7443})
        told(stage.hardway("bootstrap", "INV"), "one")
        stage.inventory.write_text(before)

    @case("api-address-not-reached")
    def test_a_balancer_of_the_users_own_that_is_not_there(self, stage: Stage, told):
        before = stage.inventory.read_text()
        edit(stage, api={"load_balancer": "external", "address": f"{NET}.77"})
        roles(stage, lb_0=["worker"], lb_1=["worker"])
        with Looking(stage) as looking:
            told(stage.hardway("bootstrap", "INV", timeout=600), "lb-0")
        assert looking.unready == set() and len(holders(stage, f"{NET}.7")) == 1
        stage.inventory.write_text(before)
        stage.bootstrap()
        stage.verified()

    def test_one_balancer_less(self, stage: Stage):
        """Its HAProxy and keepalived go; it stays a worker."""
        roles(stage, lb_1=["worker"])
        moved(stage, f"https://{NET}.7:8443")
        assert stage.ssh("lb-1", "systemctl is-active haproxy keepalived || :") == "inactive\ninactive\n"
        assert stage.ssh(
            "lb-1", "ls /etc/keepalived/keepalived.conf /etc/haproxy/haproxy.cfg 2>&1 | grep -c 'No such'"
        ) == ("2\n")
        assert holders(stage, f"{NET}.7") == ["lb-0"]
        stage.lab("reboot", "lb-1")
        stage.settled()
        assert holders(stage, f"{NET}.7") == ["lb-0"]

    def test_no_shared_address(self, stage: Stage):
        edit(stage, api={"address": f"{NET}.10", "port": 8443})
        moved(stage, f"https://{NET}.10:8443")
        assert holders(stage, f"{NET}.7") == []
        assert stage.ssh("lb-0", "systemctl is-active keepalived || :") == "inactive\n"

    def test_an_address_on_two_hosts_is_named(self, stage: Stage):
        edit(stage, api={"vip": f"{NET}.8", "port": 8443})
        moved(stage, f"https://{NET}.8:8443")
        stage.ssh("one", f"ip addr add {NET}.8/32 dev lo")
        try:
            found = stage.hardway("verify", "INV", "--only", "shared-address").ok(7).out
            assert f"lb-0 and one both have {NET}.8" in found
            assert "[shared-address]" in stage.hardway("doctor", "INV").ok(7).out
        finally:
            stage.ssh("one", f"ip addr del {NET}.8/32 dev lo")
        stage.settled()
