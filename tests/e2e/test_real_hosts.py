"""Hosts as users have them, not the lab's: their kernel, their cgroup v2 and their reboots are their own.

`make host-test`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from machines import ground
from qemu import SYSTEMS, Machine
from stage import Stage, await_true
from test_other_shapes import host

# Emulated in software a machine is twenty times slower than one of the lab.
pytestmark = [pytest.mark.soak, pytest.mark.timeout(5400)]

ADDRESS, GATEWAY = "10.236.0.10", "10.236.0.1"
LEFT = "ls -d /etc/kubernetes /var/lib/etcd /var/lib/kubelet /etc/cni /opt/cni; pgrep -a 'kube|etcd|containerd|coredns'"


def inventory(name: str, machine: Machine) -> dict:
    return {
        "cluster": "e2e-host",
        "network": {"node_cidr": "10.236.0.0/24", "pod_cidr": "10.198.0.0/16", "service_cidr": "10.78.0.0/24"},
        "addons": {"coredns": {"replicas": 1}},
        "ssh": {"key": str(machine.key), "known_hosts": str(machine.known_hosts), "config": None, "agent": False},
        "hosts": [host(name, ADDRESS, "etcd", "control-plane", "worker")],
    }


@pytest.fixture
def folder(can_lab: None) -> Iterator[Path]:
    with ground("e2e-host") as folder:
        yield folder


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_real_host(name: str, folder: Path):
    machine = Machine(folder, name, ADDRESS, GATEWAY)
    machine.make(SYSTEMS[name])
    with machine.running():
        await_true(lambda: bool(machine.boot()), 300, "the machine to boot", evidence=machine.console.read_text)
        tell(
            machine.ssh(
                "uname -sr; . /etc/os-release; echo $PRETTY_NAME; systemctl --version | head -n1; stat -fc %T"
                " /sys/fs/cgroup"
            )
        )
        assert machine.ssh("stat -fc %T /sys/fs/cgroup") == "cgroup2fs"
        live(Stage(folder, inventory(name, machine)), machine)


def live(stage: Stage, machine: Machine) -> None:
    """Build, prove, reboot, prove, take away."""
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    tell(f"bootstrap: {stage.hardway('bootstrap', 'INV', timeout=1800).ok().seconds:.0f} s")
    unchanged(stage)
    proven(stage)
    reboot(machine)
    proven(stage)
    unchanged(stage)
    tell(f"reset: {stage.hardway('reset', 'INV', '--yes', timeout=900).ok().seconds:.0f} s")
    assert machine.ssh(LEFT) == ""
    assert machine.ssh("systemctl --failed --no-legend") == ""


def unchanged(stage: Stage) -> None:
    assert "no changes" in stage.hardway("plan", "INV", "--exit-code", timeout=600).ok().out


def proven(stage: Stage) -> None:
    ran = stage.settled(900)
    tell(f"verify: {len(ran.json['checks'])} checks passed in {ran.seconds:.0f} s")
    skipped = [check for check in ran.json["checks"] if check["status"] != "passed"]
    tell(*(f"{check['status']} {check['name']}: {check['detail']}" for check in skipped))


def reboot(machine: Machine) -> None:
    before, started = machine.boot(), time.monotonic()
    machine.ssh("systemctl reboot")
    await_true(
        lambda: machine.boot() not in ("", before),
        300,
        "the machine to be up again",
        evidence=machine.console.read_text,
    )
    tell(f"reboot: {time.monotonic() - started:.0f} s")


def tell(*lines: str) -> None:
    """Shown with `pytest -s`: what ran where."""
    print(*lines, sep="\n", flush=True)
