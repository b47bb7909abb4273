"""The machine with the cluster's data is reinstalled: nothing is founded in its place until that is asked for, and a
backup brings everything back."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable

import pytest
import yaml
from stage import COMMON, Stage, await_true
from test_other_shapes import host

from hardway.assets import image_reference
from hardway.inventory import load

pytestmark = [pytest.mark.lab, pytest.mark.soak]

NETWORK = {"node_cidr": "10.235.5.0/24", "pod_cidr": "10.187.0.0/16", "service_cidr": "10.67.0.0/24"}
INVENTORY = {
    "cluster": "e2e-lost",
    **COMMON,
    "network": NETWORK,
    "addons": {"coredns": {"replicas": 1}},
    "lab": {"gateway": "10.235.5.1"},
    "hosts": [host("plane", "10.235.5.10", "etcd", "control-plane"), host("worker-0", "10.235.5.20", "worker")],
}
PKI = "/etc/etcd/pki"
SAVE = (
    "/usr/local/bin/etcdctl --endpoints https://127.0.0.1:2379 "
    f"--cacert {PKI}/ca.crt --cert {PKI}/server.crt --key {PKI}/server.key snapshot save /root/backup.db"
)


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    stage = make_stage(INVENTORY)
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    return stage


def reinstalled(stage: Stage, name: str) -> None:
    """The same machine with a new disk."""
    stage.lab("power-off", name)
    shutil.rmtree(stage.folder / "machines/machines" / name)
    stage.lab("up", name)


def canaries(stage: Stage) -> None:
    """Objects of a user's, with two pods that run."""
    image = image_reference(load(stage.inventory), "busybox")
    pod = {"containers": [{"name": "c", "image": image, "command": ["sleep", "100000"]}]}
    template = {"metadata": {"labels": {"app": "canary"}}, "spec": pod}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "canary"}}, "template": template}
    named = {"metadata": {"name": "canary"}}
    objects = [
        {"apiVersion": "apps/v1", "kind": "Deployment", **named, "spec": spec},
        {"apiVersion": "v1", "kind": "ConfigMap", **named, "data": {"a": "b"}},
        {"apiVersion": "v1", "kind": "Secret", **named, "stringData": {"a": "b"}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            **named,
            "spec": {"selector": {"app": "canary"}, "ports": [{"port": 1}]},
        },
    ]
    stage.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects)).ok()
    stage.kubectl("rollout", "status", "deployment", "canary", "--timeout=50s").ok()


def there(stage: Stage) -> bool:
    """Whether every canary is."""
    kinds = ("deployment", "configmap", "secret", "service")
    return all(stage.kubectl("get", kind, "canary").code == 0 for kind in kinds)


def containers(stage: Stage) -> str:
    return stage.ssh("worker-0", "ctr -n k8s.io tasks ls -q | sort")


def founded(stage: Stage) -> dict:
    return json.loads((stage.state / "founded.json").read_text())


class TestLostCluster:
    chain = True

    def test_a_build_without_prepare_locks_nobody_out(self, stage: Stage):
        """Whatever becomes of it: the hosts are marked, and a whole bootstrap completes it."""
        stage.hardway("bootstrap", "INV", "--skip", "prepare", timeout=600)
        assert "Occupied" not in stage.hardway("plan", "INV").ok().out
        stage.bootstrap()
        stage.verified()

    def test_the_cluster_is_recorded(self, stage: Stage):
        uid = stage.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}").ok().out
        assert founded(stage)["uid"] == uid
        canaries(stage)
        stage.ssh("plane", SAVE)
        (stage.folder / "backup.db").write_bytes(base64.b64decode(stage.ssh("plane", "base64 /root/backup.db")))

    def test_a_reinstalled_machine_is_no_reason_to_found_another_cluster(self, stage: Stage):
        pods = containers(stage)
        reinstalled(stage, "plane")
        for command in ("plan", "bootstrap"):
            ran = stage.hardway(command, "INV").ok(9)
            assert f"this cluster was created on {founded(stage)['on']}; its etcd data is gone" in ran.err
            assert "no etcd data: plane" in ran.err and "the kubelet of worker-0" in ran.err
            assert f"hardway bootstrap {stage.inventory} --found-anew e2e-lost" in ran.err
        assert "same-cluster" in stage.hardway("verify", "INV").ok(7).out
        assert "hardway bootstrap" not in stage.hardway("doctor", "INV").ok(7).out
        assert stage.ssh("plane", "ls /var/lib/hardway 2>/dev/null || :") == ""
        assert containers(stage) == pods

    def test_a_backup_brings_everything_back(self, stage: Stage):
        """The commands of docs/operating.md, with a file that etcdctl has saved, and nothing beside it."""
        before = founded(stage)
        stage.hardway("bootstrap", "INV", "--until", "binaries").ok()
        ran = stage.hardway("etcd", "restore", "INV", "backup.db", "--yes", timeout=600).ok()
        assert "has no sidecar" in ran.out + ran.err
        stage.bootstrap()
        assert there(stage) and {**founded(stage), "etcd": ""} == {**before, "etcd": ""}
        stage.settled()

    def test_a_cluster_that_lives_is_not_created_again(self, stage: Stage):
        stage.hardway("bootstrap", "INV", "--found-anew", "other").ok(2)
        assert "the cluster is not lost" in stage.hardway("bootstrap", "INV", "--found-anew", "e2e-lost").ok(9).err
        assert there(stage)

    def test_it_is_created_again_on_the_operators_word(self, stage: Stage):
        before = founded(stage)
        reinstalled(stage, "plane")
        stage.hardway("bootstrap", "INV").ok(9)
        stage.hardway("bootstrap", "INV", "--found-anew", "e2e-lost", timeout=600).ok()
        assert founded(stage)["uid"] != before["uid"]
        assert stage.kubectl("get", "configmap", "canary").code != 0
        stage.settled()
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out

    def test_a_lab_that_was_wiped_is_built_again(self, stage: Stage):
        stage.lab("wipe")
        stage.lab("up")
        stage.bootstrap()
        await_true(lambda: stage.kubectl("get", "nodes").code == 0, 60, "the API")

    def test_a_cluster_that_was_reset_is_built_again(self, stage: Stage):
        stage.hardway("reset", "INV", "--yes").ok()
        assert not (stage.state / "founded.json").exists()
        stage.bootstrap()
        stage.verified()
