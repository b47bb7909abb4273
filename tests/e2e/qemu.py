"""An ordinary machine in QEMU: a Debian with its own kernel, systemd and cgroup v2; emulated in software where there is no KVM."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hardway.lab import base
from hardway.lab.network import ip
from hardway.lab.shell import run
from hardway.lab.sources import Mirror, mirrors, proxies

PACKAGES = (
    "linux-image-cloud-amd64,systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,iproute2,kmod,procps,iputils-ping,"
    "ca-certificates,curl,apt-utils,iptables,nftables,netbase"
)
FILES = {
    "etc/fstab": "/dev/vda / ext4 defaults,errors=remount-ro 0 1\n",
    # What a machine of one's own finds in the network, this one has on its disk.
    "etc/apt/sources.list": "deb [trusted=yes] file:/opt/apt ./\n",
    "etc/machine-id": "",
    "etc/resolv.conf": "",
}
NETWORK = "[Match]\nName=en*\n[Network]\nAddress={address}/24\nGateway={gateway}\n"
GIGABYTES = 12
"""The size of a disk; what is not written takes no room."""


def has_kvm() -> bool:
    """Whether any kernel runs on KVM here: some clouds show a /dev/kvm that only kernels made for them can use."""
    helped = re.search(r"\b(vmx|svm)\b", Path("/proc/cpuinfo").read_text())
    return bool(helped) and os.access("/dev/kvm", os.W_OK)


def make_disk(folder: Path, suite: str, packages: str, configure: Callable[[Path], None]) -> None:
    """disk.raw, a Debian with its offline packages, made ready by `configure`; beside it vmlinuz and initrd.img."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        root = Path(scratch, "root")
        sources = _mirrors(suite)
        keyring = f"--keyring={base.KEYRING_FILE}"
        words = ("--variant=minbase", keyring, f"--include={packages}", suite, root, sources[0].uri)
        run("debootstrap", *words, timeout=1200, env=proxies())
        base.offer_packages(root, Path(scratch), sources)
        configure(root)
        for name in ("vmlinuz", "initrd.img"):
            # A link there is to be followed within that root.
            shutil.copy(root / os.readlink(root / name) if (root / name).is_symlink() else root / name, folder / name)
        run("mkfs.ext4", "-q", "-F", "-d", root, folder / "disk.raw", f"{GIGABYTES}G", timeout=300)


def _mirrors(suite: str) -> list[Mirror]:
    """This computer's own for its own suite; the same archive has the others."""
    ours = mirrors("bookworm")
    return ours if suite == "bookworm" else [Mirror(ours[0].uri, suite)]


def furnish(root: Path, name: str, files: Mapping[str, str]) -> None:
    """What every machine here needs: its name, its files, its network, SSH, and a list of the packages on its disk."""
    names = {"etc/hostname": f"{name}\n", "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {name}\n"}
    for place, text in {**FILES, **names, **files}.items():
        (root / place).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (root / place).unlink(missing_ok=True)
        (root / place).write_text(text)
    run("chroot", root, "systemctl", "enable", "systemd-networkd", "ssh")
    run("chroot", root, "apt-get", "-q", "update")


@dataclass(frozen=True)
class Machine:
    """Where it lies, and by which address and cable it is reached. Its host key is read from its disk, not from the network."""

    folder: Path
    name: str
    address: str
    gateway: str
    suite: str = "bookworm"

    @property
    def key(self) -> Path:
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def console(self) -> Path:
        return self.folder / "console.log"

    @property
    def tap(self) -> str:
        return f"hwq{''.join(f'{int(part):02x}' for part in self.address.split('.'))}"

    def make(self) -> None:
        """Its disk, anew."""
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        make_disk(self.folder, self.suite, PACKAGES, self._configure)

    def _configure(self, root: Path) -> None:
        run("chroot", root, "ssh-keygen", "-A")
        files = {
            "etc/systemd/network/lan.network": NETWORK.format(address=self.address, gateway=self.gateway),
            "root/.ssh/authorized_keys": self.key.with_suffix(".pub").read_text(),
        }
        furnish(root, self.name, files)
        kind, key = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]
        self.known_hosts.write_text(f"{self.address} {kind} {key}\n")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Switched on, on a network cable to this computer alone."""
        ip(f"tuntap add {self.tap} mode tap", f"addr add {self.gateway}/24 dev {self.tap}", f"link set {self.tap} up")
        try:
            with self.console.open("wb") as console:
                process = subprocess.Popen(self._argv(), stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT)
            try:
                yield
            finally:
                process.kill()
                process.wait()
        finally:
            ip(f"link del {self.tap}")

    def _argv(self) -> list[str]:
        kvm = has_kvm()
        return [
            "qemu-system-x86_64", "-nodefaults", "-nographic", "-serial", "stdio",
            "-accel", "kvm" if kvm else "tcg,thread=multi", "-cpu", "host" if kvm else "max", "-smp", "2", "-m", "4G",
            "-kernel", str(self.folder / "vmlinuz"), "-initrd", str(self.folder / "initrd.img"),
            "-append", "root=/dev/vda rw console=ttyS0 quiet",
            "-drive", f"file={self.folder / 'disk.raw'},format=raw,if=virtio,cache=unsafe",
            "-netdev", f"tap,id=lan,ifname={self.tap},script=no,downscript=no", "-device", "virtio-net-pci,netdev=lan",
            "-device", "virtio-rng-pci",
        ]  # fmt: skip

    def ssh(self, command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        options = {"UserKnownHostsFile": self.known_hosts, "StrictHostKeyChecking": "yes", "ConnectTimeout": 5, "BatchMode": "yes"}
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        argv = ["ssh", "-F", "none", *words, "-i", str(self.key), f"root@{self.address}", command]
        return subprocess.run(argv, capture_output=True, text=True, timeout=timeout)

    def boot(self) -> str:
        """Which boot it is at: empty while it does not answer or is not up."""
        with suppress(subprocess.TimeoutExpired):
            return self.ssh("systemctl is-system-running --wait >/dev/null; cat /proc/sys/kernel/random/boot_id", timeout=60).stdout.strip()
        return ""
