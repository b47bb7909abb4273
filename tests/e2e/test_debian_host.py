"""A host as a user has it, not one of the lab's: its kernel, its cgroup v2 and its reboots are its own. `make host-test`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from machines import ground
from qemu import Machine
from stage import Ran, Stage, await_true
from test_other_shapes import host

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]  # Emulated in software it is twenty times slower than the lab.

NAME, ADDRESS, GATEWAY = "debian-12", "10.236.0.10", "10.236.0.1"
INVENTORY = {
    "cluster": "e2e-host",
    "network": {"node_cidr": "10.236.0.0/24", "pod_cidr": "10.198.0.0/16", "service_cidr": "10.78.0.0/24"},
    "addons": {"coredns": {"replicas": 1}},
    "hosts": [host(NAME, ADDRESS, "etcd", "control-plane", "worker")],
}


@pytest.fixture(scope="module")
def folder(can_lab: None) -> Iterator[Path]:
    with ground(INVENTORY["cluster"]) as folder:
        yield folder


@pytest.fixture(scope="module")
def machine(folder: Path) -> Iterator[Machine]:
    machine = Machine(folder, NAME, ADDRESS, GATEWAY)
    machine.make()
    with machine.running():
        await_true(lambda: bool(machine.boot()), 300, "the machine to boot", evidence=machine.console.read_text)
        yield machine


@pytest.fixture(scope="module")
def stage(machine: Machine) -> Stage:
    ssh = {"user": "root", "key": str(machine.key), "known_hosts": str(machine.known_hosts), "config": None, "agent": False}
    stage = Stage(machine.folder, {**INVENTORY, "ssh": ssh})
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    return stage


class TestAnOrdinaryDebian:
    chain = True

    def test_it_has_a_kernel_and_cgroups_of_its_own(self, machine: Machine):
        assert machine.ssh("stat -fc %T /sys/fs/cgroup; . /etc/os-release; echo $VERSION_ID").stdout.split() == ["cgroup2fs", "12"]

    def test_bootstrap(self, stage: Stage):
        ran = stage.hardway("bootstrap", "INV", timeout=1800).ok()
        print(ran.err[-3000:], ran.out[-3000:])
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code", timeout=600).ok().out

    def test_verify(self, stage: Stage):
        told(stage.verified())

    def test_it_comes_back_from_a_reboot(self, stage: Stage, machine: Machine):
        before = machine.boot()
        machine.ssh("systemctl reboot")
        await_true(lambda: machine.boot() not in ("", before), 300, "the machine to be up again", evidence=machine.console.read_text)
        told(stage.settled(900))
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code", timeout=600).ok().out

    def test_reset(self, stage: Stage, machine: Machine):
        stage.hardway("reset", "INV", "--yes", timeout=900).ok()
        assert machine.ssh("ls -d /etc/kubernetes /var/lib/etcd /var/lib/kubelet /etc/cni /opt/cni").stdout == ""
        assert machine.ssh("pgrep -a 'kube|etcd|containerd|coredns'").stdout == ""
        assert machine.ssh("systemctl --failed --no-legend").stdout == ""


def told(ran: Ran) -> None:
    """With `pytest -s`: what was proven on it."""
    print(*(f"{check['status']:8} {check['name']}: {check['detail']}" for check in ran.json["checks"]), sep="\n")
