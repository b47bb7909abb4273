"""A Vagrant box for libvirt, made here: the Debian 12 of tests/e2e/qemu.py with what Vagrant expects of a box."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

from qemu import GIGABYTES, PACKAGES, SYSTEMS, furnish, make_disk

from hardway.lab.shell import run

DHCP = "[Match]\nName=en*\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
# As at the first start of a machine in a cloud; one kind of key is enough where a processor is emulated.
HOST_KEYS = """
[Unit]
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key
[Install]
WantedBy=ssh.service
"""
# libvirt itself starts the kernel, so the disk needs no boot loader. A box's Vagrantfile is read before all others.
# The second serial port is that of real_libvirt.rb.
VAGRANTFILE = """
Vagrant.configure("2") do |config|
  config.vm.provider("libvirt") do |v|
    v.kernel = File.join(__dir__, "vmlinuz")
    v.initrd = File.join(__dir__, "initrd.img")
    v.cmd_line = "root=/dev/vda rw console=ttyS0 console=ttyS1"
  end
end
"""


def make_box(folder: Path, public_key: str) -> Path:
    """The box, a file in a new folder: the private half of the key lets in a user `vagrant`, who may do all."""
    folder.mkdir()
    make_disk(folder, SYSTEMS["debian-12"], f"{PACKAGES},sudo", lambda root: _configure(root, public_key))
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", folder / "disk.raw", folder / "box.img", timeout=600)
    (folder / "disk.raw").unlink()
    metadata = {"provider": "libvirt", "format": "qcow2", "virtual_size": GIGABYTES}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    (folder / "Vagrantfile").write_text(VAGRANTFILE)
    box = folder / "debian.box"
    with tarfile.open(box, "w") as tar:
        for name in ("metadata.json", "Vagrantfile", "vmlinuz", "initrd.img", "box.img"):
            tar.add(folder / name, arcname=name)
            (folder / name).unlink()
    return box


def _configure(root: Path, public_key: str) -> None:
    run("chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", "vagrant")
    files = {
        "home/vagrant/.ssh/authorized_keys": public_key,
        "etc/sudoers.d/vagrant": "vagrant ALL=(ALL) NOPASSWD: ALL\n",
        # For the first card. Vagrant's own file for the second is 50-vagrant-…, and the first that fits counts.
        "etc/systemd/network/90-dhcp.network": DHCP,
        "etc/systemd/system/ssh-host-keys.service": HOST_KEYS,
    }
    furnish(root, "debian", files)
    (root / "etc/sudoers.d/vagrant").chmod(0o440)
    (root / "home/vagrant/.ssh/authorized_keys").chmod(0o600)
    run("chroot", root, "chown", "-R", "vagrant:vagrant", "/home/vagrant/.ssh")
    run("chroot", root, "systemctl", "enable", "ssh-host-keys")
    for key in root.glob("etc/ssh/ssh_host_*"):
        key.unlink()
