"""A cluster that is used comes to the next minor: whoever calls its API or a Service in it notices nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

import clients
import pytest
from canary import Canary
from stage import Stage, of_the_lab

from hardway.assets import default_versions
from hardway.assets.versions import minors
from hardway.etcd import snapshot

BEFORE, AFTER = (default_versions(".".join(map(str, minor))) for minor in minors()[-2:])
NODE = "10.232.3"
WORKERS = [f"{NODE}.20", f"{NODE}.21"]


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    inventory = of_the_lab("upgrade", node=NODE, pods="10.178", services="10.59.0")
    return make_stage({**inventory, "kubernetes": BEFORE.kubernetes, "kubelet": {"fail_cgroup_v1": False}})


@pytest.fixture(scope="module")
def canary(stage: Stage) -> Canary:
    return Canary(stage)


def kubelets(stage: Stage) -> set[str]:
    said = stage.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.nodeInfo.kubeletVersion}").ok().out
    return set(said.replace("v", "").split())


def starts(stage: Stage) -> dict[str, str]:
    units = "etcd kube-apiserver kubelet containerd"
    return {host: stage.ssh(host, f"systemctl show -p InvocationID --value {units}") for host in stage.hosts[1:]}


def cordoned(stage: Stage) -> str:
    return stage.kubectl("get", "nodes", "-o", "jsonpath={.items[?(@.spec.unschedulable)].metadata.name}").ok().out


@pytest.mark.timeout(5400)  # Programs of two minors may have to be compiled first.
class TestUpgrade:
    chain = True

    def test_a_cluster_of_the_minor_before_is_in_use(self, stage: Stage, canary: Canary):
        stage.hardway("assets", "fetch", "INV", timeout=3000).ok()
        stage.lab("up")
        stage.bootstrap()
        canary.settle()
        clients.deployed(stage)
        stage.verified()
        assert kubelets(stage) == {BEFORE.kubernetes}

    def test_the_plan_shows_every_step_and_changes_nothing(self, stage: Stage, canary: Canary):
        before = starts(stage)
        said = stage.hardway("upgrade", "INV", "--to", AFTER.kubernetes, "--plan").ok().out
        assert f"Kubernetes {BEFORE.kubernetes} -> {AFTER.kubernetes}" in said
        assert re.search(
            rf" \d\. etcd {AFTER.etcd}, Kubernetes {AFTER.kubernetes}, one host at a time: controller-0", said
        )
        assert re.search(r"worker-\d: cordon, then evict \d+ pods?: .*default/web-", said) and "risks:" in said
        document = stage.hardway("upgrade", "INV", "--to", AFTER.kubernetes, "--plan", "--output", "json").ok().json
        assert not document["refused"] and document["then"]["etcd"] == AFTER.etcd
        assert starts(stage) == before and cordoned(stage) == ""
        canary.alive()

    def test_a_budget_that_can_never_allow_it_is_named_before_anything(self, stage: Stage, canary: Canary):
        clients.deployed(stage, least=2)
        before = starts(stage)
        refused = stage.hardway("upgrade", "INV", "--to", AFTER.kubernetes, timeout=3000).ok(5)
        assert (
            "[ERROR Drain]" in refused.err
            and "default/web" in refused.err
            and "nothing has been changed" in refused.err
        )
        assert starts(stage) == before and cordoned(stage) == "" and not list(stage.folder.glob("*.db"))
        clients.deployed(stage)

    def test_an_unhealthy_cluster_is_not_upgraded(self, stage: Stage):
        stage.ssh("controller-2", "systemctl stop kube-scheduler; systemctl disable kube-scheduler")
        refused = stage.hardway("upgrade", "INV", "--to", AFTER.kubernetes, timeout=600).ok(7)
        assert "kube-scheduler" in refused.err and "next: hardway doctor" in refused.err
        stage.bootstrap()
        stage.settled()

    def test_nobody_notices(self, stage: Stage):
        """The API is called every 100 ms through the load balancer, the page of a Service every 50 ms."""
        with clients.api(stage) as api, clients.web(WORKERS, 30080) as web:
            ran = stage.hardway("upgrade", "INV", "--to", AFTER.kubernetes, timeout=1800).ok()
        print(f"{ran.seconds:.1f} s; API: {api.calls} calls, longest {api.longest:.2f} s")
        print(f"web: {web.calls} requests, longest {web.longest:.2f} s")
        assert api.calls > 100 and api.failed == []
        assert web.calls > 200 and web.failed == []
        assert f"kubernetes: {AFTER.kubernetes}" in ran.out and f"{stage.inventory}:" in ran.out

    def test_everything_runs_in_the_new_versions(self, stage: Stage, canary: Canary):
        stage.edit(lambda inventory: inventory.update(kubernetes=AFTER.kubernetes))
        assert kubelets(stage) == {AFTER.kubernetes} and cordoned(stage) == ""
        rows = stage.hardway("status", "INV", "--output", "json").ok().json["units"]
        assert {row["name"] for row in rows if row["wanted"] not in ("", row["running"])} == set()
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out
        canary.still_there()
        stage.settled()

    def test_the_snapshot_is_whole(self, stage: Stage):
        [file] = stage.folder.glob("upgrade-*.db")
        assert snapshot.read(file).revision > 1 and file.stat().st_mode & 0o777 == 0o600

    def test_no_replaced_program_is_left(self, stage: Stage):
        left = "ls -A /usr/local/bin /opt/cni/bin 2>/dev/null | grep -E '^[.].*(before|next)$' || :"
        assert [stage.ssh(host, left) for host in stage.hosts] == [""] * len(stage.hosts)

    def test_a_second_upgrade_has_nothing_to_do(self, stage: Stage):
        before = starts(stage)
        assert "nothing to do" in stage.hardway("upgrade", "INV", timeout=600).ok().out
        assert starts(stage) == before

    def test_no_minor_goes_back(self, stage: Stage):
        refused = stage.hardway("upgrade", "INV", "--to", BEFORE.kubernetes, timeout=600).ok(5)
        assert "[ERROR Downgrade]" in refused.err and kubelets(stage) == {AFTER.kubernetes}
