"""The host's control-group layout is detected from what it says, and groups are made, killed and removed for real."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hardway.errors import LabError
from hardway.lab import cgroups
from hardway.lab.cgroups import Cgroups, Hierarchy, Kind

UNIFIED_MOUNT = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot"
V1_MOUNTS = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:10 - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd"""
HYBRID_MOUNT = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"
V1_OWN = "5:name=systemd:/session\n4:memory:/agent/one\n3:cpuset:/\n2:cpu,cpuacct:/\n1:net_cls:/"


def host(root: Path, mounts: str, own: str, systemd: bool = False) -> Cgroups:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text("23 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n" + mounts)
    (root / "proc/self/cgroup").write_text(own + "\n")
    if systemd:
        (root / "run/systemd/system").mkdir(parents=True)
    return cgroups.detect(root / "proc", root / "run")


def parents(layout: Cgroups) -> dict[str, str]:
    return {
        ",".join(sorted(h.controllers)): str(parent) for h, parent, _ in cgroups.machine_groups(layout, "lab", "alpha")
    }


def test_ordinary_host_is_unified_and_the_machine_lives_in_our_delegated_unit(tmp_path):
    layout = host(tmp_path, UNIFIED_MOUNT, "0::/system.slice/hardway-lab-alpha.service", systemd=True)
    assert (layout.kind, layout.systemd) == (Kind.UNIFIED, True)
    [(_, parent, folder)] = cgroups.machine_groups(layout, "lab", "alpha")
    assert parent == Path("/sys/fs/cgroup/system.slice/hardway-lab-alpha.service")
    assert folder == parent / "hardway-lab/lab/alpha"


def test_unified_without_systemd_uses_the_top_because_our_own_group_holds_processes(tmp_path):
    layout = host(tmp_path, UNIFIED_MOUNT, "0::/agent/one")
    assert parents(layout) == {"": "/sys/fs/cgroup"}


def test_a_stray_v1_mount_does_not_make_a_unified_host_hybrid(tmp_path):
    stray = "50 35 0:44 / /sys/fs/cgroup/net_cls rw - cgroup net_cls rw,net_cls"
    layout = host(tmp_path, f"{UNIFIED_MOUNT}\n{stray}", "1:net_cls:/\n0::/user.slice", systemd=True)
    assert layout.kind is Kind.UNIFIED
    assert [h.unified for h in layout.hierarchies] == [True]


def test_hybrid_host_enters_below_its_own_group_in_every_mounted_hierarchy(tmp_path):
    layout = host(tmp_path, f"{V1_MOUNTS}\n{HYBRID_MOUNT}", f"{V1_OWN}\n0::/")
    assert layout.kind is Kind.HYBRID
    assert parents(layout) == {
        "name=systemd": "/sys/fs/cgroup/systemd/session",
        "memory": "/sys/fs/cgroup/memory/agent/one",
        "cpuset": "/sys/fs/cgroup/cpuset",
        "cpu,cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
        "": "/sys/fs/cgroup/unified",
    }


def test_legacy_host_has_no_v2_at_all(tmp_path):
    layout = host(tmp_path, V1_MOUNTS, V1_OWN)
    assert layout.kind is Kind.LEGACY
    assert "net_cls" not in {name for h in layout.hierarchies for name in h.controllers}, "not mounted, so not usable"


def test_a_mount_that_shows_a_part_of_the_tree_is_not_entered_twice(tmp_path):
    part = UNIFIED_MOUNT.replace("0:30 / ", "0:30 /docker/abc ")
    layout = host(tmp_path, part, "0::/docker/abc/inner", systemd=True)
    assert parents(layout) == {"": "/sys/fs/cgroup/inner"}


def test_no_groups_at_all_is_one_sentence_with_a_remedy(tmp_path):
    with pytest.raises(LabError) as caught:
        host(tmp_path, "", "0::/")
    assert "no cgroups" in caught.value.message
    assert caught.value.hint.startswith("mount -t cgroup2")


def test_v2_groups_hand_down_every_controller_and_limit_memory(tmp_path):
    """Plain files stand for the kernel's; what is written to them is the point."""
    above = tmp_path
    for part in ("", "hardway-lab", "hardway-lab/lab", "hardway-lab/lab/alpha"):
        (above / part).mkdir(exist_ok=True)
        (above / part / "cgroup.controllers").write_text("cpu memory pids\n")
    machine = above / "hardway-lab/lab/alpha"
    (machine / "memory.max").write_text("max\n")
    hierarchy = Hierarchy(frozenset(), above, above)
    assert cgroups.make([(hierarchy, above, machine)], 1 << 29) == [machine]
    for part in ("", "hardway-lab", "hardway-lab/lab"):
        assert (above / part / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert not (machine / "cgroup.subtree_control").exists(), "the machine's own systemd decides there"
    assert (machine / "memory.max").read_text() == str(1 << 29)


def test_memory_used_reads_both_generations(tmp_path):
    for name, text in (("v1", "cache 5\ntotal_cache 9\ntotal_rss 4096\n"), ("v2", "anon 8192\nfile 1\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "memory.stat").write_text(text)
    assert cgroups.memory_used([tmp_path / "none", tmp_path / "v1"]) == 4096
    assert cgroups.memory_used([tmp_path / "v2"]) == 8192


@pytest.mark.lab
@pytest.mark.usefixtures("can_lab")
def test_real_groups_hold_a_process_that_kill_ends_and_remove_leaves_nothing():
    layout = cgroups.detect()
    groups = cgroups.machine_groups(layout, f"pytest-{id(layout)}", "alpha")
    folders = cgroups.make(groups, 0)
    try:
        sleeper = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)"], preexec_fn=lambda: cgroups.enter(folders)
        )
        assert all(str(sleeper.pid) in (folder / "cgroup.procs").read_text().split() for folder in folders)
        cgroups.kill(folders)
        assert sleeper.wait(timeout=10) == -9
    finally:
        cgroups.remove(folders)
    assert not any(folder.parent.exists() for folder in folders)
