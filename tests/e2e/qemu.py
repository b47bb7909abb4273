"""Ordinary machines in QEMU: their own kernel, systemd and cgroup v2; emulated in software where there is no KVM."""

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

from hardway.lab.image import base
from hardway.lab.image.sources import Mirror, mirrors, proxies
from hardway.lab.network import ip
from hardway.lab.shell import run

PACKAGES = (
    "systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,iproute2,kmod,procps,iputils-ping,"
    "ca-certificates,curl,apt-utils,iptables,nftables,netbase,initramfs-tools"
)
FILES = {
    "etc/fstab": "/dev/vda / ext4 defaults,errors=remount-ro 0 1\n",
    # What a machine of one's own finds in the network, this one has on its disk.
    "etc/apt/sources.list": "deb [trusted=yes] file:/opt/apt ./\n",
    "etc/machine-id": "",
    "etc/resolv.conf": "",
}
GIGABYTES = 12
FAMILY = "/usr/share/debootstrap/scripts/jammy"
NETWORK = "[Match]\nName=en*\n[Network]\nAddress={address}/24\nGateway={gateway}\n"


@dataclass(frozen=True)
class System:
    """A distribution's release.

    Beside Debian's own suites the same servers are asked for another `archive`, without a key to check it.
    """

    suite: str
    kernel: str
    archive: str = "debian"

    def sources(self) -> list[Mirror]:
        """This computer's own mirrors of its own suite; of other suites the first."""
        ours = mirrors("bookworm")
        if self.suite == "bookworm":
            return ours
        return [Mirror(ours[0].uri.replace("/debian", f"/{self.archive}"), self.suite)]

    def install(self, root: Path, scratch: Path, packages: str) -> None:
        """A bare system with packages to install beside it."""
        sources, known = self.sources(), self.archive == "debian"
        verified = [f"--keyring={base.KEYRING_FILE}"] if known else ["--no-check-gpg"]
        # debootstrap knows releases that came after it by the script of their family.
        script = [] if known else [FAMILY]
        what = [f"--include={packages},{self.kernel}", self.suite, root, sources[0].uri, *script]
        run("debootstrap", "--variant=minbase", *verified, *what, timeout=1800, env=proxies())
        base.offer_packages(root, scratch, sources, *([] if known else ["trusted=yes"]))


SYSTEMS = {
    "debian-12": System("bookworm", "linux-image-cloud-amd64"),
    "debian-13": System("trixie", "linux-image-cloud-amd64"),
    "ubuntu-24-04": System("noble", "linux-image-virtual", "ubuntu"),
}


def make_disk(folder: Path, system: System, packages: str, configure: Callable[[Path], None]) -> None:
    """disk.raw, a system with its offline packages, made ready by `configure`; beside it vmlinuz and initrd.img."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        root = Path(scratch, "root")
        system.install(root, Path(scratch), packages)
        configure(root)
        for name in ("vmlinuz", "initrd.img"):
            [found] = (root / "boot").glob(f"{name}-*")
            shutil.copy(found, folder / name)
        run("mkfs.ext4", "-q", "-F", "-d", root, folder / "disk.raw", f"{GIGABYTES}G", timeout=300)


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
    """Where it lies, and by which address and cable it is reached.

    Its host key is read from its disk, not from the network.
    """

    folder: Path
    name: str
    address: str
    gateway: str

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

    def make(self, system: System) -> None:
        """Its disk, anew."""
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        make_disk(self.folder, system, PACKAGES, self._configure)

    def _configure(self, root: Path) -> None:
        run("chroot", root, "ssh-keygen", "-A")
        network = NETWORK.format(address=self.address, gateway=self.gateway)
        login = self.key.with_suffix(".pub").read_text()
        furnish(root, self.name, {"etc/systemd/network/lan.network": network, "root/.ssh/authorized_keys": login})
        kind, key = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]
        self.known_hosts.write_text(f"{self.address} {kind} {key}\n")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Switched on, on a network cable to this computer alone."""
        ip(f"tuntap add {self.tap} mode tap", f"addr add {self.gateway}/24 dev {self.tap}", f"link set {self.tap} up")
        try:
            with self.console.open("wb") as console:
                process = subprocess.Popen(
                    self._argv(), stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT
                )
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

    def ssh(self, command: str, timeout: float = 120) -> str:
        """What a command prints; nothing when there is no answer."""
        options = {
            "UserKnownHostsFile": self.known_hosts,
            "StrictHostKeyChecking": "yes",
            "ConnectTimeout": 5,
            "BatchMode": "yes",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        argv = ["ssh", "-F", "none", *words, "-i", str(self.key), f"root@{self.address}", command]
        with suppress(subprocess.TimeoutExpired):
            return subprocess.run(argv, capture_output=True, text=True, timeout=timeout).stdout.strip()
        return ""

    def boot(self) -> str:
        """Which boot it is at; empty while it does not answer or is not up."""
        return self.ssh(
            "systemctl is-system-running --wait >/dev/null; cat /proc/sys/kernel/random/boot_id", timeout=60
        )


def has_kvm() -> bool:
    """Whether the processor virtualizes: a /dev/kvm may be there for guests with a kernel of their own kind alone."""
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return bool(flags and {"vmx", "svm"} & set(flags[1].split())) and os.access("/dev/kvm", os.W_OK)
