"""Packages on a machine that others install packages on too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from stage import Stage, await_true, of_the_lab

pytestmark = pytest.mark.lab

PREFLIGHT = ("bootstrap", "INV", "--only", "preflight")
THEIRS = """
mkdir -p /tmp/theirs/DEBIAN
printf '%s\\n' 'Package: theirs' 'Version: 1' 'Architecture: all' 'Maintainer: x <x@example.org>' \\
  'Depends: socat' 'Description: x' \\
  >/tmp/theirs/DEBIAN/control
dpkg-deb -b /tmp/theirs /tmp/theirs.deb && dpkg -i /tmp/theirs.deb
"""


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    inventory = of_the_lab("core-packages", node="10.236.1", pods="10.174", services="10.54.0")
    [host] = (host for host in inventory["hosts"] if host["name"] == "controller-0")
    host |= {"name": "one", "roles": ["etcd", "control-plane", "worker"], "pod_cidr": "10.174.10.0/24"}
    stage = make_stage({**inventory, "hosts": [host], "addons": {"coredns": {"replicas": 1}}})
    stage.lab("up")
    return stage


def test_packages_wait_for_who_holds_their_lock_and_what_is_others_stays(stage: Stage):
    """As on a fresh cloud machine, which upgrades itself at its first boot."""
    stage.ssh("one", "systemd-run -q --unit=upgrade apt-get -y -o DPkg::Pre-Invoke::='sleep 8' install keepalived")
    await_true(lambda: "sleep 8" in stage.ssh("one", "ps -e -o args"), 30, "the upgrade to hold the lock")
    stage.hardway(*PREFLIGHT).ok()
    assert "ii" in stage.ssh("one", "dpkg -l keepalived conntrack")
    assert "keepalived" not in stage.ssh("one", "cat /var/lib/hardway/packages/*").split(), (
        "it was installed while we waited"
    )
    stage.ssh("one", THEIRS)
    stage.hardway("reset", "INV", "--yes").ok()
    left = stage.ssh("one", "dpkg-query -W -f '${Package} ${Status}\\n'")
    for name in ("keepalived", "theirs", "socat"):
        assert f"{name} install ok installed" in left
    assert "\nconntrack " not in left and "\nipset " not in left
    assert stage.ssh("one", "ls -d /var/lib/hardway || echo gone").strip().endswith("gone")
