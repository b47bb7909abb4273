"""The Vagrantfile: right for Vagrant itself, and the machines it makes are the inventory's."""

import json
import os
import shutil
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import yaml

from hardway.inventory import load

ROOT = Path(__file__).parents[2]
FILE, INVENTORY = ROOT / "Vagrantfile", ROOT / "inventory" / "vagrant.yaml"
STUB = Path(__file__).parent / "vagrant_stub.rb"
LAPTOP_MB = 8192 - 2048  # what an 8 GB laptop can give away
PROVIDERS = ("virtualbox", "libvirt", "vmware_desktop", "qemu")

pytestmark = pytest.mark.skipif(not shutil.which("ruby"), reason="ruby is missing: apt-get install vagrant (make test does)")


@pytest.fixture
def home(tmp_path):
    """A home folder with one public key."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample somebody@laptop\n")
    return tmp_path


def stub(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **environment}
    return subprocess.run(["ruby", str(STUB), str(FILE), *words], env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def said(home):
    """What the Vagrantfile tells Vagrant, by machine."""
    result = stub(home, "up")
    assert result.returncode == 0, result.stderr
    log = json.loads(result.stdout)
    names = dict.fromkeys(entry["at"][0] for entry in log)
    return {name: [entry for entry in log if entry["at"][0] == name] for name in names}


def values(entries: list[dict], *path: str) -> list:
    return [entry["args"][0] for entry in entries if entry["at"][1:] == list(path)]


def machines() -> list:
    return list(load(INVENTORY).hosts)


def test_names_and_addresses_are_the_inventorys(said):
    assert [name for name in said if name != "config"] == [host.name for host in machines()]
    for host in machines():
        (network,) = [entry for entry in said[host.name] if entry["at"][1:] == ["vm", "network"]]
        assert network["args"] == ["private_network"]
        assert network["options"] == {"ip": str(host.address), "netmask": "255.255.255.0"}
        assert values(said[host.name], "vm", "hostname") == [host.name]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_all_machines_fit_an_8_gb_laptop(said, provider):
    key = "memsize" if provider == "vmware_desktop" else "memory"
    path = ("vm", "provider", provider, *(["vmx"] if provider == "vmware_desktop" else []), key)
    sizes = {host.name: int(str(values(said[host.name], *path)[0]).rstrip("M")) for host in machines()}
    assert sum(sizes.values()) <= LAPTOP_MB
    assert min(sizes.values()) >= 384
    assert all(sizes[host.name] >= 1024 for host in machines() if host.name != "lb")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_has_a_box(said, provider):
    (box,) = values(said["config"], "vm", "override", provider, "vm", "box") or values(said["config"], "override", provider, "vm", "box")
    assert "/" in box


def test_another_box_can_be_chosen(home):
    log = json.loads(stub(home, "up", HARDWAY_BOX="mine/own").stdout)
    boxes = [entry["args"][0] for entry in log if entry["at"][-1] == "box"]
    assert set(boxes) == {"mine/own"} and len(boxes) == 1 + len(PROVIDERS)


def test_your_keys_get_in(said):
    for host in machines():
        (keys,) = [entry for entry in said[host.name] if entry["options"].get("name") == "your keys"]
        assert keys["options"]["args"] == ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample somebody@laptop"]


def test_the_script_for_your_keys_adds_each_once(said, tmp_path):
    """Run for real, with the home folder of somebody else."""
    (keys,) = [entry for entry in said["lb"] if entry["options"].get("name") == "your keys"]
    file = tmp_path / "authorized_keys"
    file.write_text("ssh-rsa old\n")
    script = keys["options"]["inline"].replace("~vagrant/.ssh/authorized_keys", str(file))
    for _ in range(2):
        subprocess.run(["sh", "-eu", "-c", script, "sh", "ssh-ed25519 one me", "ssh-rsa two me"], check=True)
    assert file.read_text() == "ssh-rsa old\nssh-ed25519 one me\nssh-rsa two me\n"


def test_qemu_machines_differ_in_port_and_hardware_address(said):
    ports = [values(said[host.name], "vm", "provider", "qemu", "ssh_port")[0] for host in machines()]
    cards = [values(said[host.name], "vm", "provider", "qemu", "extra_qemu_args")[0][3] for host in machines()]
    assert len(set(ports)) == len(set(cards)) == len(machines())


def test_somebody_without_a_key_is_told(tmp_path):
    result = stub(tmp_path, "up")
    assert result.returncode == 1 and "ssh-keygen -t ed25519" in result.stderr
    assert stub(tmp_path, "status").returncode == 0


def other_network(folder: Path, cidr: str) -> str:
    data = yaml.safe_load(INVENTORY.read_text())
    data["network"]["node_cidr"] = cidr
    (folder / "other.yaml").write_text(yaml.safe_dump(data))
    return str(folder / "other.yaml")


def test_a_network_in_use_is_refused(home):
    # 127.0.0.1 is an address of every computer, and not the first one of this network.
    result = stub(home, "up", HARDWAY_INVENTORY=other_network(home, "126.0.0.0/7"))
    assert result.returncode == 1
    assert "126.0.0.0/7 is in use: lo of this computer has 127.0.0.1." in result.stderr
    assert "other.yaml" in result.stderr


def test_the_hypervisors_own_end_is_not_in_the_way(home):
    assert stub(home, "up", HARDWAY_INVENTORY=other_network(home, "127.0.0.0/8")).returncode == 0


def test_the_inventory_leaves_room_for_the_hypervisors_end():
    cluster = load(INVENTORY)
    assert cluster.network.node_cidr is not None
    assert cluster.network.node_cidr[1] not in {host.address for host in cluster.hosts}
    assert IPv4Address("10.0.2.15") not in {host.address for host in cluster.hosts}


@pytest.mark.skipif(not shutil.which("vagrant"), reason="vagrant is missing: apt-get install vagrant (make test does)")
def test_vagrant_itself_finds_it_valid(home):
    env = {**os.environ, "HOME": str(home), "VAGRANT_HOME": str(home / "vagrant"), "VAGRANT_CWD": str(ROOT),
           "VAGRANT_DOTFILE_PATH": str(home / "dot"), "VAGRANT_CHECKPOINT_DISABLE": "1"}  # fmt: skip
    result = subprocess.run(["vagrant", "validate", "--ignore-provider"], env=env, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "validated successfully" in result.stdout
