"""The flow that the Vagrantfile's users type, on Vagrant's libvirt provider and machines of QEMU. `make vagrant-test`.

With KVM it is inventory/vagrant-small.yaml as it is. Three emulated machines are too slow for two cores: then there is
one, the first of that inventory with the roles of all, unless HARDWAY_VAGRANT_WHOLE is set in the environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from libvirt_room import Room, libvirt_room
from machines import ground
from qemu import has_kvm
from stage import Ran, await_true, failures, run
from vagrant_box import make_box

from hardway.assets.cache import default_directory

ROOT = Path(__file__).parents[2]
SMALL = ROOT / "inventory/vagrant-small.yaml"
# What the Vagrantfile gives for each role.
MEGABYTES = {"etcd": 256, "control-plane": 768, "worker": 1024}
pytestmark = [
    pytest.mark.lab,
    pytest.mark.soak,
    pytest.mark.timeout(7200),  # Emulated in software it is twenty times slower than the lab.
]


class Classroom:
    """A learner's folder beside a hypervisor: the Vagrantfile, an inventory, and a home folder with a key pair."""

    def __init__(self, folder: Path, kvm: bool):
        self.folder, self.kvm = folder, kvm
        self.home = folder / "home"
        (self.home / ".ssh").mkdir(parents=True, mode=0o700)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.home / ".ssh/id_ed25519"], check=True)
        (self.home / ".vagrant.d").mkdir()
        shutil.copy(ROOT / "tests/vagrant/real_libvirt.rb", self.home / ".vagrant.d/Vagrantfile")
        shutil.copy(ROOT / "Vagrantfile", folder)
        (folder / "inventory").mkdir()
        self.inventory = folder / "inventory" / SMALL.name
        shutil.copy(SMALL, self.inventory)
        if not kvm and not os.environ.get("HARDWAY_VAGRANT_WHOLE"):
            self.inventory.write_text(yaml.safe_dump(with_one_machine(yaml.safe_load(SMALL.read_text()))))
        self.hosts = yaml.safe_load(self.inventory.read_text())["hosts"]
        self.known_hosts = folder / ".vagrant/known_hosts"
        self.room: Room | None = None

    def environment(self) -> dict[str, str]:
        """As after `export HARDWAY_INVENTORY=… HARDWAY_BOX=…`; whoever runs the test lends it the gathered programs."""
        foreign = ("VAGRANT", "LIBVIRT", "HARDWAY")
        own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {
            **own,
            "HOME": str(self.home),
            "SSH_AUTH_SOCK": "",
            "PYTHONPATH": str(ROOT),
            "HARDWAY_CACHE": str(default_directory()),
            "HARDWAY_INVENTORY": str(self.inventory),
            "HARDWAY_BOX": "classroom",
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "DOMAIN_TYPE": "kvm" if self.kvm else "qemu",
            "CONSOLES": str(self.folder / "consoles"),
        }

    def vagrant(self, *words: str, timeout: float = 300) -> Ran:
        return self._inside("vagrant", *words, timeout=timeout)

    def hardway(self, command: str, *words: str, timeout: float = 600) -> Ran:
        return self._inside(
            sys.executable, "-m", "hardway.cli.app", command, str(self.inventory), *words, timeout=timeout
        )

    def _inside(self, *words: str, timeout: float) -> Ran:
        ran = self.room.run(*words, cwd=self.folder, env=self.environment(), timeout=timeout)
        print(f"{ran.seconds:6.0f} s  {' '.join(Path(word).name for word in words)}")
        return ran

    def gather(self) -> None:
        """The programs of a cluster, for which a network is needed, and this computer has the only one."""
        words = (sys.executable, "-m", "hardway.cli.app", "assets", "fetch", self.inventory)
        run(*words, cwd=self.folder, env=self.environment(), timeout=2400).ok()

    def box(self) -> None:
        """`vagrant box add classroom package.box`"""
        # Vagrant puts its well-known key there at any command; boxes let it in, and `vagrant up` takes this line away.
        self.vagrant("box", "list").ok()
        asked = ["ssh-keygen", "-y", "-f", self.home / ".vagrant.d/insecure_private_key"]
        kind, key = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[:2]
        package = make_box(self.folder / "box", f"{kind} {key} vagrant insecure public key\n")
        self.vagrant("box", "add", "classroom", str(package), timeout=900).ok()
        package.unlink()

    def say(self, name: str, command: str) -> str:
        """What a command prints on a machine, by `vagrant ssh`."""
        return self.vagrant("ssh", name, "--no-tty", "-c", command).ok().out

    def recorded(self) -> dict[str, str]:
        """The known_hosts file: address -> its ed25519 key."""
        lines = [line.split(" ", 1) for line in self.known_hosts.read_text().splitlines()]
        assert len(lines) == len(dict(lines)), "one line for each machine"
        return dict(lines)

    def actual(self) -> dict[str, str]:
        command = "cat /etc/ssh/ssh_host_ed25519_key.pub"
        return {host["address"]: " ".join(self.say(host["name"], command).split()[:2]) for host in self.hosts}

    def told(self, ran: Ran) -> Ran:
        """A verify whose checks all passed, or were skipped and say why; with `pytest -s` it shows what was proven."""
        assert ran.code == 0, f"{failures(ran)}\n{ran.err[-3000:]}"
        checks = ran.json["checks"]
        print(*(f"{check['status']:8} {check['name']}: {check['detail']}" for check in checks), sep="\n")
        assert len(checks) > 20
        skipped = [check for check in checks if check["status"] != "passed"]
        assert all(check["status"] == "skipped" and check["detail"] for check in skipped), skipped
        return ran


def with_one_machine(inventory: dict[str, Any]) -> dict[str, Any]:
    """The same with its first host alone, which has the roles of all."""
    roles = [role for host in inventory["hosts"] for role in host["roles"]]
    return {**inventory, "hosts": [{**inventory["hosts"][0], "roles": list(dict.fromkeys(roles))}]}


@pytest.fixture(scope="module")
def classroom(can_lab: None) -> Iterator[Classroom]:
    with ground("e2e-vagrant") as folder:
        classroom = Classroom(folder, has_kvm())
        classroom.gather()
        with libvirt_room(folder, classroom.kvm) as classroom.room:
            classroom.box()
            yield classroom


class TestALesson:
    """In this order, each step standing on the one before."""

    chain = True

    def test_vagrant_up(self, classroom: Classroom):
        # Without this provider libvirt says itself what is wrong with it, and sooner.
        classroom.room.virsh("domcapabilities", "--virttype", "kvm" if classroom.kvm else "qemu").ok()
        ran = classroom.vagrant("up", "--provider", "libvirt", timeout=3600)
        assert ran.code == 0, f"{ran}\n{classroom.room.evidence()}"
        assert ran.out.count("record its host keys") >= len(classroom.hosts)
        assert "were not recorded" not in ran.out + ran.err

    def test_the_machines_are_as_the_inventory_says(self, classroom: Classroom):
        for host in classroom.hosts:
            asked = "hostname; nproc; awk '/MemTotal/ {print $2}' /proc/meminfo; ip -4 -o address"
            name, cores, kilobytes, *addresses = classroom.say(host["name"], asked).splitlines()
            whole = 1024 * sum(MEGABYTES[role] for role in host["roles"])
            assert (name, cores) == (host["name"], "2")
            assert 0.8 * whole < int(kilobytes) <= whole
            networks = {words[1]: words[3] for words in map(str.split, addresses)}
            assert list(networks.values()).count(f"{host['address']}/24") == 1
            assert sum(address.startswith("192.168.121.") for address in networks.values()) == 1
            assert len(networks) == 3, networks

    def test_only_vagrant_and_the_learner_are_let_in(self, classroom: Classroom):
        ours = (classroom.home / ".ssh/id_ed25519.pub").read_text().strip()
        for host in classroom.hosts:
            keys = classroom.say(host["name"], "cat ~/.ssh/authorized_keys").splitlines()
            assert keys.count(ours) == 1 and len(keys) == 2, keys
            assert "insecure" not in "".join(keys)

    def test_host_keys_are_recorded_and_trust_finds_the_same(self, classroom: Classroom):
        before = classroom.recorded()
        assert before == classroom.actual()
        assert len(set(before.values())) == len(classroom.hosts), "each machine has keys of its own"
        classroom.hardway("trust").ok()
        assert classroom.recorded() == before
        classroom.known_hosts.unlink()
        classroom.hardway("plan", "--only", "prepare").ok(4)
        classroom.hardway("trust").ok()
        assert classroom.recorded() == before
        assert "prepare on" in classroom.hardway("plan", "--only", "prepare").ok().out

    def test_bootstrap(self, classroom: Classroom):
        ran = classroom.hardway("bootstrap", timeout=5400).ok()
        print(ran.err[-3000:], ran.out[-3000:])
        assert "no changes" in classroom.hardway("plan", "--exit-code").ok().out

    def test_verify(self, classroom: Classroom):
        classroom.told(classroom.hardway("verify", "--output", "json", timeout=1200))

    def test_it_comes_back_from_vagrant_reload(self, classroom: Classroom):
        """The second card's address is Vagrant's to write, and it must have written it where a start finds it."""
        before = classroom.recorded()
        ran = classroom.vagrant("reload", timeout=3600)
        assert ran.code == 0, f"{ran}\n{classroom.room.evidence()}"
        assert classroom.recorded() == before
        last: list[Ran] = []

        def well() -> bool:
            last[:] = [classroom.hardway("verify", "--output", "json", timeout=1200)]
            return last[0].code == 0

        await_true(well, 1800, "verify to pass", evidence=lambda: failures(last[0]))
        classroom.told(last[0])

    def test_vagrant_destroy_leaves_nothing_but_the_box(self, classroom: Classroom):
        classroom.vagrant("destroy", "-f").ok()
        assert classroom.recorded() == {}
        assert classroom.room.virsh("list", "--all", "--name").ok().out.split() == []
        assert classroom.room.virsh("net-list", "--all", "--name").ok().out.split() == []
        images = [path.name for path in classroom.folder.glob("var/lib/libvirt/images/*")]
        assert len(images) == 1 and images[0].startswith("classroom_vagrant_box_image_"), images
