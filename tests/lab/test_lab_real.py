"""Two real machines: what an operator does to them, what befalls them, and that nothing of them is left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from small_lab import make_cluster

from hardway.errors import LabError
from hardway.lab import LabMachines, power, state
from hardway.lab.disk import made

pytestmark = pytest.mark.lab


def ssh(lab: LabMachines, name: str, command: str, check: bool = True) -> str:
    words = ["ssh", "-F", str(lab.access.config), "-o", "ConnectTimeout=2", "-o", "BatchMode=yes", name, command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.strip() if check else str(done.returncode)


def traces(lab: LabMachines) -> dict[str, list[str]]:
    """Everything on the host that belongs to this lab and must not outlive it; other labs do not count."""
    marks = ("labtest", "hwl0afb", "hwp0afb", "10.251.0.", f"metric {lab.lab.metric}")

    def ours(*argv: str) -> list[str]:
        text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        return [line for line in text.splitlines() if any(mark in line for mark in marks)]

    groups = [directory for directory, _, _ in os.walk("/sys/fs/cgroup") if "hardway-lab/labtest" in directory]
    return {
        "links": ours("ip", "-brief", "link"),
        "rules": ours("ip", "rule"),
        "routes": ours("ip", "route"),
        "namespaces": ours("ip", "netns"),
        "mounts": ours("cat", "/proc/self/mountinfo"),
        "processes": ours("ps", "-eo", "pid,stat,args"),
        "groups": groups,
    }


def state_of(lab: LabMachines) -> dict[str, str]:
    return {row.name: row.state for row in lab.status()}


def await_true(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def boot_id(lab: LabMachines, name: str) -> str:
    """When PID 1 started tells one boot from the next: the kernel, and with it its boot_id, is the host's."""
    return ssh(lab, name, "cut -d' ' -f22 /proc/1/stat")


def test_machines_are_complete_systems_of_their_own(lab):
    for name in ("alpha", "beta"):
        await_true(lambda name=name: ssh(lab, name, "systemctl is-system-running", check=False) == "0")
        assert ssh(lab, name, "hostname") == name
        assert ssh(lab, name, "systemctl --failed --no-legend") == ""
    identities = {ssh(lab, name, "cat /etc/machine-id") for name in ("alpha", "beta")}
    assert len(identities) == 2 and all(len(identity) == 32 for identity in identities)
    assert ssh(lab, "alpha", "command -v python3 python", check=False) != "0", "nothing may need python on a machine"


def test_the_operators_umask_does_not_lock_the_machines_users_out(lab):
    assert ssh(lab, "alpha", "setpriv --reuid=nobody --clear-groups cat /etc/hostname /etc/hosts").startswith("alpha\n")


def test_unknown_host_keys_are_refused(lab, tmp_path):
    (tmp_path / "empty").touch()
    words = [
        "ssh",
        "-F",
        str(lab.access.config),
        "-o",
        f"UserKnownHostsFile={tmp_path}/empty",
        "-o",
        "BatchMode=yes",
        "alpha",
        "true",
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert done.returncode == 255


def test_machines_reach_each_other_by_name_and_nobody_else(lab):
    assert "1 received" in ssh(lab, "alpha", "ping -c1 -W2 beta")
    addresses = subprocess.run(
        ["ip", "-4", "-o", "route", "show", "default"], capture_output=True, text=True, check=True
    ).stdout.split()
    outside = addresses[addresses.index("via") + 1] if "via" in addresses else "192.0.2.1"
    for address in (outside, "169.254.169.254"):
        assert ssh(lab, "alpha", f"ping -c1 -W1 {address}", check=False) != "0"


def test_memory_is_limited(lab):
    limit = ssh(
        lab, "alpha", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || true"
    )
    assert str(384 << 20) in limit.split()


def test_units_get_the_limits_they_ask_for(lab):
    ssh(lab, "alpha", "systemd-run --quiet --unit=limited -p MemoryMax=64M -p TasksMax=50 sleep 100")
    try:
        group = "system.slice/limited.service"
        files = f"/sys/fs/cgroup/memory/{group}/memory.limit_in_bytes /sys/fs/cgroup/{group}/memory.max"
        assert str(64 << 20) in ssh(lab, "alpha", f"cat {files} 2>/dev/null || true").split()
    finally:
        ssh(lab, "alpha", "systemctl stop limited")


def test_node_requirements_are_there_and_private(lab):
    before = Path("/proc/sys/vm/overcommit_memory").read_text()
    ssh(
        lab,
        "alpha",
        "modprobe overlay && modprobe br_netfilter && sysctl -qw vm.overcommit_memory=1 kernel.panic=10"
        " net.ipv4.ip_forward=1",
    )
    assert Path("/proc/sys/vm/overcommit_memory").read_text() == before


def test_containerds_folder_carries_an_overlay(lab):
    script = (
        "cd /var/lib/containerd && mkdir -p l u w m && mount -t overlay o -o lowerdir=l,upperdir=u,workdir=w m &&"
        " umount m && rm -r l u w m"
    )
    ssh(lab, "alpha", script)


def test_missing_tools_install_without_any_network(lab):
    assert ssh(lab, "beta", "command -v socat conntrack ipset haproxy", check=False) != "0"
    ssh(
        lab,
        "beta",
        "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y socat conntrack ipset haproxy"
        " keepalived 2>&1",
    )
    assert len(ssh(lab, "beta", "command -v socat conntrack ipset haproxy").split()) == 4


def test_a_second_up_leaves_running_machines_alone(lab):
    before = boot_id(lab, "alpha")
    lab.up()
    assert boot_id(lab, "alpha") == before


def test_two_runs_at_once_take_turns(lab):
    said: list[str] = []
    with ThreadPoolExecutor() as pool:
        for run in [pool.submit(lab.up, None, said.append) for _ in range(2)]:
            run.result()
    assert sum(line.startswith("2 machines answer") for line in said) == 2


def test_hosts_entries_of_others_are_left_alone_by_a_later_up(lab):
    ssh(lab, "alpha", "printf '# mine\\n10.251.0.11 beta\\n203.0.113.1 elsewhere\\n' >>/etc/hosts")
    before = ssh(lab, "alpha", "cat /etc/hosts")
    lab.up()
    assert ssh(lab, "alpha", "cat /etc/hosts") == before


def test_reboot_keeps_files_and_loses_runtime_routes(lab):
    ssh(lab, "alpha", "echo kept >/etc/kept; ip route add 10.200.7.0/24 via 10.251.0.11; ip link add gone type bridge")
    before = boot_id(lab, "alpha")
    lab.reboot(["alpha"])
    assert boot_id(lab, "alpha") != before
    assert ssh(lab, "alpha", "cat /etc/kept") == "kept"
    assert "10.200.7.0" not in ssh(lab, "alpha", "ip route")
    assert ssh(lab, "alpha", "ip link show gone", check=False) != "0"


def test_a_machine_reboots_itself_in_a_new_network(lab):
    before = boot_id(lab, "beta")
    ssh(lab, "beta", "ip link add gone type bridge; systemctl reboot", check=False)
    await_true(lambda: ssh(lab, "beta", f"test $(cut -d' ' -f22 /proc/1/stat) != {before}", check=False) == "0")
    assert ssh(lab, "beta", "ip link show gone", check=False) != "0"


def test_a_power_cut_is_sudden_and_power_comes_back(lab):
    ssh(lab, "alpha", "systemd-run --quiet --unit=witness -p ExecStop='touch /root/said-good-bye' sleep 1000; sync")
    begin = time.monotonic()
    lab.power_off(["alpha"])
    assert time.monotonic() - begin < 5
    assert state_of(lab) == {"alpha": "off", "beta": "running"}
    assert not power.greets("10.251.0.10", 22)
    lab.power_on(["alpha"])
    assert ssh(lab, "alpha", "ls /root/said-good-bye", check=False) != "0"


def test_a_pulled_cable_isolates_until_it_is_healed_even_across_a_reboot(lab):
    lab.cut(["beta"])
    assert state_of(lab)["beta"] == "cut"
    assert "0 received" in ssh(lab, "alpha", "ping -c1 -W1 beta || true")
    lab.reboot(["beta"])
    assert ssh(lab, "beta", "true", check=False) == "255"
    lab.heal(["beta"])
    await_true(lambda: ssh(lab, "beta", "true", check=False) == "0")
    assert state_of(lab)["beta"] == "running"


def test_status_measures_memory_and_disk(lab):
    ssh(lab, "alpha", "head -c 20000000 /dev/zero >/root/large; sync")
    rows = {row.name: row for row in lab.status()}
    assert rows["alpha"].disk_bytes > 20_000_000
    assert 1_000_000 < rows["alpha"].memory_bytes < 384 << 20


def test_another_lab_on_the_same_network_is_refused_by_name(lab, tmp_path):
    with pytest.raises(LabError, match="lab labtest2 and lab labtest"):
        LabMachines(make_cluster("labtest2", directory=tmp_path), tmp_path).up()
    assert not Path("/run/hardway-lab/labtest2.json").exists()


def test_another_lab_on_the_same_network_takes_nothing_down_that_is_not_its_own(lab, tmp_path):
    before = traces(lab)
    LabMachines(make_cluster("labtest2", directory=tmp_path), tmp_path).wipe()
    assert traces(lab)["links"] == before["links"] and traces(lab)["routes"] == before["routes"]
    assert ssh(lab, "alpha", "hostname") == "alpha"


def test_a_lab_goes_down_whole_when_its_network_was_edited_meanwhile(lab, tmp_path):
    up = traces(lab)
    edited = make_cluster(network="10.251.7", directory=lab.lab.directory, memory="384M")
    LabMachines(edited, tmp_path).down()
    assert traces(lab) == {kind: [] for kind in up}
    lab.up()
    assert ssh(lab, "alpha", "hostname") == "alpha"


def test_a_killed_supervisor_is_noticed_and_up_brings_the_machine_back(lab):
    [alpha] = [spec for spec in made(lab.lab) if spec.name == "alpha"]
    os.kill(state.read(alpha).pid, signal.SIGKILL)
    await_true(lambda: state_of(lab)["alpha"] == "off")
    lab.up()
    assert ssh(lab, "alpha", "cat /etc/hostname") == "alpha"


def test_down_leaves_nothing_and_up_finds_the_disks_again(lab):
    forwarding = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    ssh(lab, "beta", "echo kept >/etc/kept")
    host_key = lab.access.known_hosts.read_text()
    up = traces(lab)
    assert all(up.values()), f"the search for traces is blind: {[kind for kind, found in up.items() if not found]}"
    lab.down()
    assert traces(lab) == {kind: [] for kind in up}
    assert set(state_of(lab).values()) == {"off"}
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == forwarding
    lab.up()
    assert ssh(lab, "beta", "cat /etc/kept") == "kept"
    assert lab.access.known_hosts.read_text() == host_key


def test_down_after_a_supervisors_death_leaves_nothing_either(lab):
    for spec in made(lab.lab):
        os.kill(state.read(spec).pid, signal.SIGKILL)
    lab.down()
    assert traces(lab) == {kind: [] for kind in traces(lab)}


def test_wipe_removes_disks_and_keys(lab):
    lab.up()
    lab.wipe()
    assert traces(lab) == {kind: [] for kind in traces(lab)}
    assert not lab.lab.directory.exists() and not lab.access.directory.exists()
    assert set(state_of(lab).values()) == {"absent"}
