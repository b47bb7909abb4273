"""The real Vagrant with the project's Vagrantfile, on machines of the lab instead of a hypervisor's, and hardway beside
it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from stage import Ran, Stage, of_the_lab, run

from hardway.assets.cache import default_directory

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(not shutil.which("vagrant"), reason="vagrant is missing: apt-get install vagrant"),
]

# What a box has and a lab machine has not: a login `vagrant`, whose keys let in here as root, and sudo, which root
# needs for nothing.
BOX = r"""
useradd -m vagrant
install -d -o vagrant ~vagrant/.ssh
printf '%s\n' 'StrictModes no' 'AuthorizedKeysFile .ssh/authorized_keys /home/vagrant/.ssh/authorized_keys' \
    >/etc/ssh/sshd_config.d/vagrant.conf
printf '%s\n' '#!/bin/sh' 'while [ "${1#-}" != "$1" ]; do shift; done' 'exec "$@"' >/usr/bin/sudo
chmod 755 /usr/bin/sudo
systemctl restart ssh
"""
QUIET = {"VAGRANT_DEFAULT_PROVIDER": "lab", "VAGRANT_CHECKPOINT_DISABLE": "1"}
ANEW = """
rm /etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
systemctl restart ssh
"""


class Classroom:
    """A learner's folder: the Vagrantfile, an inventory without a lab, a key pair in the home folder; two machines of
    the lab."""

    def __init__(self, stage: Stage):
        self.stage, self.folder = stage, stage.folder
        self.home = stage.folder / "home"
        (self.home / ".ssh").mkdir(parents=True, mode=0o700)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.home / ".ssh/id_ed25519"], check=True)
        (self.home / ".vagrant.d").mkdir()
        shutil.copy(ROOT / "tests/vagrant/lab_provider.rb", self.home / ".vagrant.d/Vagrantfile")
        (self.folder / "Vagrantfile").symlink_to(ROOT / "Vagrantfile")
        whole = yaml.safe_load(stage.inventory.read_text())
        del whole["lab"]
        whole["ssh"] = {"user": "root", "known_hosts": "known_hosts", "config": None, "agent": False}
        self.inventory = self.folder / "classroom.yaml"
        self.inventory.write_text(yaml.safe_dump(whole))
        self.addresses = {host["name"]: host["address"] for host in whole["hosts"]}
        self.known_hosts = self.folder / "known_hosts"

    def environment(self) -> dict[str, str]:
        key = str(self.stage.state / "lab/id_ed25519")
        machines = {
            name: {"host": address, "port": 22, "username": "root", "private_key_path": [key]}
            for name, address in self.addresses.items()
        }
        own = {
            "HOME": str(self.home),
            "HARDWAY_CACHE": str(default_directory()),
            "HARDWAY_INVENTORY": str(self.inventory),
        }
        return {**os.environ, **own, **QUIET, "LAB_MACHINES": json.dumps(machines), "SSH_AUTH_SOCK": ""}

    def vagrant(self, *words: str, **more: str) -> Ran:
        return run("vagrant", *words, cwd=self.folder, env={**self.environment(), **more}, timeout=180)

    def hardway(self, command: str, *words: str) -> Ran:
        argv = self.stage.argv(command, str(self.inventory), *words)
        return run(*argv, cwd=self.folder, env={**self.environment(), "PYTHONPATH": str(ROOT)}, timeout=180)

    def make_machines(self) -> None:
        """New machines, made ready as Vagrant's boxes are."""
        self.stage.lab("up")
        for name in self.addresses:
            self.stage.ssh(name, "sh -eu", stdin=BOX)

    def key_of(self, name: str) -> str:
        return " ".join(self.stage.ssh(name, "cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2])

    def recorded(self) -> dict[str, str]:
        """The known_hosts file: address -> its ed25519 key."""
        lines = [line.split(" ", 1) for line in self.known_hosts.read_text().splitlines()]
        assert len(lines) == len(dict(lines)), "one line for each machine"
        return dict(lines)

    def actual(self) -> dict[str, str]:
        return {address: self.key_of(name) for name, address in self.addresses.items()}


@pytest.fixture(scope="module")
def room(make_stage: Callable[[dict], Stage]) -> Classroom:
    inventory = of_the_lab("class-room", node="10.231.2", pods="10.197", services="10.77.0")
    inventory["hosts"] = [host for host in inventory["hosts"] if host["name"] in ("controller-0", "worker-0")]
    room = Classroom(make_stage(inventory))
    room.make_machines()
    return room


class TestALesson:
    """In this order, each step standing on the one before."""

    chain = True

    def test_vagrant_up_is_all_that_hardway_needs(self, room):
        said = room.vagrant("up").ok()
        assert "record its host keys" in said.out
        assert room.recorded() == room.actual()
        found = room.hardway("plan", "--only", "prepare").ok()
        assert "prepare on" in found.out, "let in by the learner's key, with strict host keys"

    def test_doing_it_again_changes_nothing(self, room):
        before = room.recorded()
        room.vagrant("up", "--provision").ok()
        assert room.recorded() == before
        ours = (room.home / ".ssh/id_ed25519.pub").read_text()
        assert room.stage.ssh("worker-0", "cat ~vagrant/.ssh/authorized_keys") == ours

    def test_a_room_without_internet_brings_its_packages(self, room):
        for name in ("classroom-tool", "haproxy"):
            made = room.folder / name / "DEBIAN"
            made.mkdir(parents=True)
            fields = {
                "Package": name,
                "Version": "99",
                "Architecture": "all",
                "Maintainer": "nobody",
                "Description": "a test",
            }
            made.joinpath("control").write_text("".join(f"{field}: {value}\n" for field, value in fields.items()))
            (room.folder / "debs").mkdir(exist_ok=True)
            subprocess.run(
                ["dpkg-deb", "-b", made.parent, room.folder / "debs" / f"{name}_99_all.deb"],
                check=True,
                capture_output=True,
            )
        room.vagrant("provision", "worker-0", HARDWAY_DEBS=str(room.folder / "debs")).ok()
        versions = room.stage.ssh(
            "worker-0", "dpkg-query -W -f '${Package} ${Version}\\n' classroom-tool haproxy || true"
        )
        assert "classroom-tool 99" in versions and "haproxy 99" not in versions

    def test_a_machine_made_anew_is_refused_until_it_is_trusted(self, room):
        old = room.recorded()
        room.stage.ssh("worker-0", "sh -eu", stdin=ANEW)
        room.stage.hardway(
            "trust", "INV", "worker-0"
        ).ok()  # the lab's own file, by which the test looks into the machine
        refused = room.hardway("plan", "--only", "prepare").ok(4)
        assert "has changed" in refused.err and f"hardway trust {room.inventory} worker-0" in refused.err
        said = room.hardway("trust", "worker-0").ok()
        assert room.recorded() == room.actual() != old
        for address, sign in (("controller-0", None), ("worker-0", "-+")):
            key = old[room.addresses[address]]
            assert (fingerprint(key) in said.out) == bool(sign)
        assert said.out.count("\n  - ssh-ed25519 ") == said.out.count("\n  + ssh-ed25519 ") == 1
        room.hardway("plan", "--only", "prepare").ok()

    def test_another_clusters_machine_of_the_same_name_is_not_believed(self, room):
        whole = yaml.safe_load(room.inventory.read_text())
        whole["hosts"][1]["address"] = "10.231.2.99"
        other = room.folder / "other.yaml"
        other.write_text(yaml.safe_dump(whole))
        before = room.recorded()
        words = room.stage.argv("trust", str(other), "worker-0")
        said = run(*words, cwd=room.folder, env={**room.environment(), "PYTHONPATH": str(ROOT)}, timeout=180).ok(4)
        assert "does not have the address 10.231.2.99" in said.err and room.addresses["worker-0"] in said.err
        assert room.recorded() == before

    def test_a_machine_that_is_off_is_named_and_nothing_is_lost(self, room):
        before = room.recorded()
        room.stage.lab("power-off", "worker-0")
        said = room.hardway("trust").ok(4)
        assert "Vagrant did not return the host keys of worker-0" in said.err and "VM must be running" in said.err
        assert (
            f"HARDWAY_INVENTORY={room.inventory} vagrant up worker-0, then: hardway trust {room.inventory} worker-0"
            in said.err
        )
        assert room.recorded() == before
        room.stage.lab("power-on", "worker-0")
        assert "\n    ssh-ed25519" in room.hardway("trust").ok().out, "nothing new, and it says so"

    def test_vagrant_destroy_forgets_what_vagrant_up_recorded(self, room):
        room.vagrant("destroy", "-f", "worker-0").ok()
        assert set(room.recorded()) == {room.addresses["controller-0"]}
        said = room.hardway("trust", "worker-0").ok(4)
        assert "worker-0 is not a Vagrant or lab machine" in said.err and "--from-file -" in said.err
        assert fingerprint(room.key_of("worker-0")) in said.err, "what to compare with the console"
        assert set(room.recorded()) == {room.addresses["controller-0"]}, "the network alone is never enough"
        room.vagrant("up", "worker-0").ok()
        assert room.recorded() == room.actual()


def fingerprint(line: str) -> str:
    return subprocess.run(
        ["ssh-keygen", "-lf", "-"], input=line, capture_output=True, text=True, check=True
    ).stdout.split()[1]
