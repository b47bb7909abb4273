"""Every missing precondition is one sentence with its remedy, and two labs never meet unnoticed."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from dataclasses import replace
from ipaddress import IPv4Network
from types import SimpleNamespace

import pytest
from small_lab import make_cluster

from hardway.errors import LabError, NotReadyError, UsageError
from hardway.lab import LabMachines, power, preconditions, registry
from hardway.lab.image import packages
from hardway.lab.spec import LabSpec, machine_specs

pytestmark = pytest.mark.slow


def test_not_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="needs root") as caught:
        preconditions.require_root()
    assert "sudo" in caught.value.hint


def test_not_linux(monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(LabError, match="needs Linux"):
        preconditions.require_root()


def test_missing_packages_come_with_the_command_that_installs_them(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setitem(packages.PROGRAMS, "systemd-container", "no-such-program")
    with pytest.raises(LabError, match="missing: systemd-container") as caught:
        preconditions.require_root()
    assert caught.value.hint == "apt-get update && apt-get install -y --no-install-recommends systemd-container"


def test_too_little_space(monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(LabError, match="2 new machines need 1.0 GB"):
        preconditions.require_disk(LabSpec.of(make_cluster(directory=tmp_path)), 2)


@pytest.mark.lab
@pytest.mark.usefixtures("can_lab")
def test_a_file_system_that_carries_no_overlay_is_found_by_trying(tmp_path):
    """An overlay carries no overlay's upper part."""
    for part in ("lower", "upper", "work", "root"):
        (tmp_path / part).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    subprocess.run(["mount", "-t", "overlay", "test", "-o", options, tmp_path / "root"], check=True)
    try:
        with pytest.raises(LabError, match="overlayfs.* does not support overlays") as caught:
            preconditions.require_disk(LabSpec.of(make_cluster(directory=tmp_path / "root/lab")), 1)
    finally:
        subprocess.run(["umount", tmp_path / "root"], check=True)
    assert "ext4" in caught.value.hint
    assert preconditions.carries_overlay(tmp_path)


def test_unknown_machines_fail_before_anything_is_done(cluster, tmp_path):
    if os.geteuid():
        pytest.skip("needs root")
    with pytest.raises(UsageError, match="no machine named gamma"):
        LabMachines(cluster, tmp_path).up(["alpha", "gamma"])
    assert not (tmp_path / "lab").exists()


@pytest.fixture
def run_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "RUN", tmp_path / "run")
    monkeypatch.setattr(registry, "INTERFACES", tmp_path / "net")
    return tmp_path / "run"


def other_lab(run_directory, **fields):
    """A lab that is up: its claim and its interface are there, the run that made it is long gone."""
    run_directory.mkdir(exist_ok=True)
    claim = {
        "name": "other",
        "network": "10.251.0.0/25",
        "directory": "/var/lib/x",
        "uplink": "hwl1",
        "source": "other.yaml",
        "pid": 1 << 22,
    }
    claim |= fields
    (run_directory / f"{claim['name']}.json").write_text(json.dumps(claim))
    (run_directory.parent / "net/hwl1").mkdir(parents=True, exist_ok=True)


def test_overlapping_networks_name_the_other_lab_and_its_remedy(cluster, run_directory):
    other_lab(run_directory)
    with pytest.raises(LabError, match="lab labtest and lab other") as caught:
        registry.claim(LabSpec.of(cluster))
    assert "hardway lab down other.yaml" in caught.value.hint


def test_the_same_name_with_other_disks_is_another_lab(cluster, run_directory):
    other_lab(run_directory, name="labtest")
    lab = LabSpec.of(cluster)
    with pytest.raises(LabError, match="another lab named labtest is up, with its disks in /var/lib/x"):
        registry.claim(lab)
    assert registry.held_elsewhere(lab)


def test_a_lab_whose_network_changed_while_up_must_come_down_first(cluster, run_directory):
    lab = LabSpec.of(cluster)
    other_lab(run_directory, name="labtest", directory=str(lab.directory))
    with pytest.raises(LabError, match="the inventory now says 10.251.0.0/24"):
        registry.claim(lab)


def test_a_claim_whose_interface_and_process_are_gone_is_forgotten(cluster, run_directory):
    other_lab(run_directory)
    (run_directory.parent / "net/hwl1").rmdir()
    registry.claim(LabSpec.of(cluster))
    assert [path.name for path in run_directory.glob("*.json")] == ["labtest.json"]


def test_the_network_of_a_lab_is_the_one_that_it_claimed(cluster, run_directory):
    """The inventory may have been edited since; what is named after its network now may be another lab's."""
    lab = LabSpec.of(cluster)
    assert registry.as_claimed(lab) == lab
    other_lab(run_directory)
    assert registry.as_claimed(lab) is None
    claimed = IPv4Network("10.252.0.0/24")
    other_lab(run_directory, name="labtest", directory=str(lab.directory), network=str(claimed))
    assert registry.as_claimed(lab) == replace(lab, network=claimed)
    (run_directory / "labtest.json").unlink()
    (run_directory.parent / "net/hwl1").rmdir()
    assert registry.as_claimed(lab) == lab


def test_another_runs_lock_is_waited_for_then_named(run_directory):
    run_directory.mkdir()
    said: list[str] = []
    with (run_directory / "labtest.lock").open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("4711")
        held.flush()
        with pytest.raises(LabError, match="process 4711"), registry.working_on("labtest", said.append, deadline=0.2):
            pytest.fail("the lock was taken twice")
    assert said == ["another hardway is working on lab labtest; waiting for it"]
    with registry.working_on("labtest", said.append, deadline=0.0):
        assert (run_directory / "labtest.lock").read_text() == str(os.getpid())


def test_labs_that_come_and_go_meanwhile_disturb_nobody(run_directory, tmp_path):
    """Claims are read without a lock too: one is there as a whole or not at all, and may vanish between a look and the
    next."""
    lab = LabSpec.of(make_cluster(directory=tmp_path))
    registry.claim(lab)
    before = (run_directory / "labtest.json").stat().st_ino
    held = (run_directory / "labtest.json").open()
    registry.claim(lab)
    assert (run_directory / "labtest.json").stat().st_ino != before and json.load(held)["name"] == "labtest"
    (run_directory / "gone.json").symlink_to("vanished")
    assert not registry.held_elsewhere(lab)


def test_under_systemd_the_supervisor_is_a_delegated_unit_outside_the_users_session(tmp_path, monkeypatch):
    cluster = make_cluster(directory=tmp_path)
    machine = machine_specs(cluster, LabSpec.of(cluster), tmp_path)["alpha"]
    machine.home.mkdir(parents=True)
    ran: list[tuple] = []
    monkeypatch.setattr(power, "run", lambda *words: ran.append(words))
    monkeypatch.setattr(power, "SYSTEMD", tmp_path)
    power.switch_on(machine)
    [words] = ran
    assert words[0] == "systemd-run"
    assert {"--unit=hardway-labtest.alpha.service", "--property=Delegate=yes", "--service-type=exec"} <= set(words)
    assert words[-3:] == ("-m", "hardway.lab.supervisor", str(machine.home))


def test_a_dead_supervisor_is_given_up_at_once_with_the_consoles_end(tmp_path):
    cluster = make_cluster(network="127.0.0", ports=(9, 9), directory=tmp_path)
    machine = machine_specs(cluster, LabSpec.of(cluster), tmp_path)["alpha"]
    machine.home.mkdir(parents=True)
    machine.state.write_text(
        json.dumps({"pid": 1 << 22, "started": "5", "groups": [], "ended": "systemd-nspawn exited with code 1"})
    )
    machine.console.write_text("".join(f"line {number}\n" for number in range(30)))
    with pytest.raises(LabError, match="exited with code 1") as caught:
        power.await_answer(machine, deadline=30)
    assert caught.value.evidence.splitlines() == [f"line {number}" for number in range(10, 30)]


def test_silence_has_a_deadline(tmp_path):
    cluster = make_cluster(network="127.0.0", ports=(9, 9), directory=tmp_path)
    machine = machine_specs(cluster, LabSpec.of(cluster), tmp_path)["alpha"]
    machine.home.mkdir(parents=True)
    with pytest.raises(NotReadyError, match="alpha does not answer") as caught:
        power.await_answer(machine, deadline=0.2)
    assert caught.value.waited_for == "an SSH greeting on 127.0.0.10:9"
