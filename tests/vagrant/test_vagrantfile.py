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
FILE, INVENTORIES = ROOT / "Vagrantfile", sorted((ROOT / "inventory").glob("vagrant*.yaml"))
INVENTORY = ROOT / "inventory" / "vagrant.yaml"
STUB = Path(__file__).parent / "vagrant_stub.rb"
# What an 8 GB laptop can give away: with little else running, and beside a browser.
LAPTOP_MB = {"vagrant.yaml": 8192 - 2048, "vagrant-small.yaml": 8192 - 5120}
PROVIDERS = ("virtualbox", "libvirt", "vmware_desktop", "qemu")

pytestmark = pytest.mark.skipif(
    not shutil.which("ruby"), reason="ruby is missing: apt-get install vagrant (make test does)"
)


@pytest.fixture
def home(tmp_path):
    """A home folder with one public key."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample somebody@laptop\n")
    return tmp_path


def stub(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **environment}
    return subprocess.run(
        ["ruby", str(STUB), str(FILE), *words], env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(params=INVENTORIES, ids=lambda path: path.name)
def inventory(request) -> Path:
    return request.param


@pytest.fixture
def machines(inventory) -> list:
    return list(load(inventory).hosts)


@pytest.fixture
def said(home, inventory):
    """What the Vagrantfile tells Vagrant, by machine."""
    result = stub(home, "up", HARDWAY_INVENTORY=str(inventory))
    assert result.returncode == 0, result.stderr
    log = json.loads(result.stdout)
    names = dict.fromkeys(entry["at"][0] for entry in log)
    return {name: [entry for entry in log if entry["at"][0] == name] for name in names}


def values(entries: list[dict], *path: str) -> list:
    return [entry["args"][0] for entry in entries if entry["at"][1:] == list(path)]


def test_names_and_addresses_are_the_inventorys(said, machines):
    assert [name for name in said if name != "config"] == [host.name for host in machines]
    for host in machines:
        (network,) = [entry for entry in said[host.name] if entry["at"][1:] == ["vm", "network"]]
        assert network["args"] == ["private_network"]
        general = {name: value for name, value in network["options"].items() if "__" not in name}
        assert general == {"ip": str(host.address), "netmask": "255.255.255.0"}
        assert values(said[host.name], "vm", "hostname") == [host.name]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_all_machines_fit_an_8_gb_laptop(said, machines, inventory, provider):
    key = "memsize" if provider == "vmware_desktop" else "memory"
    path = ("vm", "provider", provider, *(["vmx"] if provider == "vmware_desktop" else []), key)
    sizes = {host.name: int(str(values(said[host.name], *path)[0]).rstrip("M")) for host in machines}
    assert sum(sizes.values()) <= LAPTOP_MB[inventory.name]
    assert min(sizes.values()) >= 384
    assert all(sizes[host.name] >= 1024 for host in machines if host.name != "lb")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_has_a_box(said, provider):
    (box,) = values(said["config"], "vm", "override", provider, "vm", "box") or values(
        said["config"], "override", provider, "vm", "box"
    )
    assert "/" in box


def test_another_box_can_be_chosen(home):
    log = json.loads(stub(home, "up", HARDWAY_BOX="mine/own").stdout)
    boxes = [entry["args"][0] for entry in log if entry["at"][-1] == "box"]
    assert set(boxes) == {"mine/own"} and len(boxes) == 1 + len(PROVIDERS)


def test_your_keys_get_in(said, machines):
    for host in machines:
        (keys,) = [entry for entry in said[host.name] if entry["options"].get("name") == "your keys"]
        assert keys["options"]["args"] == ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample somebody@laptop"]


def test_the_script_for_your_keys_adds_each_once(said, machines, tmp_path):
    """Run for real, with the home folder of somebody else."""
    (keys,) = [entry for entry in said[machines[0].name] if entry["options"].get("name") == "your keys"]
    file = tmp_path / "authorized_keys"
    file.write_text("ssh-rsa old\n")
    script = keys["options"]["inline"].replace("~vagrant/.ssh/authorized_keys", str(file))
    for _ in range(2):
        subprocess.run(["sh", "-eu", "-c", script, "sh", "ssh-ed25519 one me", "ssh-rsa two me"], check=True)
    assert file.read_text() == "ssh-rsa old\nssh-ed25519 one me\nssh-rsa two me\n"


def test_qemu_machines_differ_in_port_and_hardware_address(said, machines):
    ports = [values(said[host.name], "vm", "provider", "qemu", "ssh_port")[0] for host in machines]
    cards = [values(said[host.name], "vm", "provider", "qemu", "extra_qemu_args")[0][3] for host in machines]
    assert len(set(ports)) == len(set(cards)) == len(machines)


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


@pytest.mark.parametrize(
    ("address", "refused"), [("192.168.56.77", True), ("192.168.56.1", False), ("192.168.57.77", False)]
)
def test_only_others_in_the_machines_network_are_in_the_way(home, address, refused):
    result = stub(home, "up", STUB_CARDS=json.dumps([["wlan0", address], ["bridge100", "192.168.56.3"]]))
    assert (result.returncode, "is in use: wlan0" in result.stderr) == (int(refused), refused)


@pytest.mark.parametrize(("version", "code"), [("2.4.1", 1), ("2.4.2", 0), ("2.4.9", 0)])
def test_arm_needs_a_vagrant_that_knows_it(home, version, code):
    assert stub(home, "up", STUB_MACHINE="aarch64", STUB_VERSION=version).returncode == code
    assert stub(home, "up", STUB_MACHINE="x86_64", STUB_VERSION=version).returncode == 0


@pytest.mark.parametrize(
    "chosen", [(["--provider", "qemu"], {}), (["--provider=qemu"], {}), ([], {"VAGRANT_DEFAULT_PROVIDER": "qemu"})]
)
def test_qemu_is_told_what_gives_its_machines_a_network(home, chosen):
    words, environment = chosen
    refused = stub(home, "up", *words, **environment, HARDWAY_VMNET=str(home / "absent"))
    assert refused.returncode == 1 and f"--vmnet-gateway=192.168.56.1 {home}/absent" in refused.stderr
    assert stub(home, "up", *words, **environment, HARDWAY_VMNET=str(home)).returncode == 0


def test_the_inventories_can_be_up_side_by_side():
    hosts = [host for inventory in INVENTORIES for host in load(inventory).hosts]
    assert len({host.name for host in hosts}) == len({host.address for host in hosts}) == len(hosts)
    assert len({load(inventory).name for inventory in INVENTORIES}) == len(INVENTORIES) == 2


def test_host_keys_are_recorded_where_hardway_looks_for_them(inventory):
    for host in load(inventory).hosts:
        assert host.ssh.host_keys == "strict" and host.ssh.known_hosts.resolve() == ROOT / ".vagrant" / "known_hosts"


def test_the_inventory_leaves_room_for_the_hypervisors_end(inventory):
    cluster = load(inventory)
    assert cluster.network.node_cidr is not None
    assert cluster.network.node_cidr[1] not in {host.address for host in cluster.hosts}
    assert IPv4Address("10.0.2.15") not in {host.address for host in cluster.hosts}


@pytest.mark.skipif(not shutil.which("vagrant"), reason="vagrant is missing: apt-get install vagrant (make test does)")
def test_vagrant_itself_finds_it_valid(home, inventory):
    env = {**os.environ, "HARDWAY_INVENTORY": str(inventory), "HOME": str(home),
           "VAGRANT_HOME": str(home / "vagrant"), "VAGRANT_CWD": str(ROOT),
           "VAGRANT_DOTFILE_PATH": str(home / "dot"), "VAGRANT_CHECKPOINT_DISABLE": "1"}  # fmt: skip
    result = subprocess.run(
        ["vagrant", "validate", "--ignore-provider"], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "validated successfully" in result.stdout
