"""What a survey reads out of unit files, by the real shells."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hardway.inventory import load
from hardway.render import render
from hardway.targets.host import READ

LAB = load(Path(__file__).parents[2] / "inventory" / "lab.yaml")
SHELLS = [["sh"], *([["busybox", "sh"]] if shutil.which("busybox") else [])]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_the_flags_that_stay_are_read_from_our_own_units(shell, tmp_path):
    extra = {
        "etcd": {"wal-dir": "/fast disk"},
        "kube-apiserver": {"etcd-prefix": "/other"},
        "kubelet": {"root-dir": "/k"},
    }
    cluster = replace(LAB, extra_args=extra)
    for name, host in (("etcd", "controller-0"), ("kube-apiserver", "controller-0"), ("kubelet", "worker-0")):
        unit = render(f"{name}.service", cluster, LAB.host(host), pause_image="pause")
        (tmp_path / f"{name}.service").write_bytes(unit)
    ran = subprocess.run([*shell, "-euc", f'{READ}\ns_flags "$1"', "sh", str(tmp_path)], capture_output=True, text=True)
    assert ran.returncode == 0 and set(ran.stdout.split()) == {
        "etcd=",
        'etcd.wal-dir="/fast',
        "kube-apiserver=",
        "kube-apiserver.advertise-address=10.240.0.10",
        "kube-apiserver.etcd-prefix=/other",
        "kube-apiserver.secure-port=6443",
        "kubelet=",
        "kubelet.root-dir=/k",
    }


def test_a_host_without_units_has_no_flags(tmp_path):
    ran = subprocess.run(["sh", "-euc", f'{READ}\ns_flags "$1"', "sh", str(tmp_path)], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")
