"""The README's commands for your own machines, typed as they stand on machines that know nothing of a lab."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from readme import block, edit, typed
from stage import Ran, Stage, of_the_lab, run

NODE, PODS, SERVICES = "10.242.1", "10.192", "10.37.1"
# What a lab needs: cgroups as this computer has them, and networks that no other test uses.
EDITS = f"""kubelet: {{fail_cgroup_v1: false}}
network: {{pod_cidr: {PODS}.0.0/16, service_cidr: {SERVICES}.0/24}}
"""
CONTEXT = "my-cluster"  # as `hardway init` names it


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    """Six bare machines; the inventory of the lab is theirs alone, the cluster's is the one that init prints."""
    stage = make_stage(of_the_lab("readme", node=NODE, pods=PODS, services=SERVICES))
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    return stage


@pytest.fixture(scope="module")
def desk(stage: Stage) -> Path:
    """The folder, and home, of somebody with an SSH configuration that leads to the machines and knows their keys."""
    desk = stage.folder / "desk"
    shutil.rmtree(desk, ignore_errors=True)  # an earlier run that was killed
    desk.mkdir(parents=True)
    (desk / "ssh_config").write_text(stage.lab("ssh-config").out)
    return desk


@pytest.fixture(scope="module")
def ran(desk: Path) -> list[Ran]:
    ssh = f"ssh: {{config: {desk}/ssh_config}}\n"  # not in the home folder: ssh does not find that by HOME
    lines = [re.sub(r"\b10\.0\.0\.", f"{NODE}.", line) for line in edit(block(), EDITS + ssh)]
    return typed(lines, desk, desk, 900)


class TestReadme:
    chain = True

    def test_every_command_does_what_it_says(self, ran: list[Ran]):
        assert [one.code for one in ran] == [0] * len(ran), "\n".join(str(one) for one in ran if one.code)

    def test_kubectl_reaches_the_cluster_by_the_merged_kubeconfig(self, stage: Stage, desk: Path):
        config = desk / ".kube/config"
        assert config.stat().st_mode & 0o777 == 0o600
        lines = run(*stage.argv("env", "cluster.yaml"), cwd=desk).ok().out.splitlines()
        kubectl = next(line.partition("=")[2].strip("'\"") for line in lines if line.startswith("alias kubectl="))
        environment = {"HOME": str(desk), "PATH": os.environ["PATH"]}
        words = (kubectl, "--context", CONTEXT, "--request-timeout=20s", "get", "nodes", "-o", "json")
        nodes = json.loads(run(*words, cwd=desk, env=environment, timeout=60).ok().out)["items"]
        assert {node["metadata"]["name"] for node in nodes} == {"worker-0", "worker-1"}
