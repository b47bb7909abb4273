"""What the base image of the machines is made of; its digest names the cached image, so a change here makes a new
one."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.resources import files

SUITE = "bookworm"
INSTALLED = (
    "systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,iproute2,iptables,nftables,kmod,procps,iputils-ping,"
    "ca-certificates,curl,netcat-openbsd,apt-utils,libseccomp2"
).split(",")
# What a cluster needs and a fresh machine lacks: only downloadable in the machine, so that bootstrap has to install it.
OFFERED = ("haproxy", "keepalived", "socat", "conntrack", "ipset", "ebtables", "ethtool")
# They would take dpkg's lock, or the two cores, at a moment of their own choice.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "console-getty.service",
)

FILES = {
    "etc/ssh/sshd_config.d/lab.conf": (
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\nUseDNS no\nMaxStartups 100:30:200\nMaxSessions"
        " 100\n"
    ),
    "etc/systemd/journald.conf.d/lab.conf": "[Journal]\nReadKMsg=no\nSystemMaxUse=64M\n",
    "etc/systemd/system.conf.d/lab.conf": "[Manager]\nDefaultTimeoutStopSec=15s\n",
    "etc/dpkg/dpkg.cfg.d/lab": "force-unsafe-io\n",
    "etc/apt/apt.conf.d/90lab": 'Acquire::Languages "none";\n',
    "etc/apt/sources.list": "deb [trusted=yes] file:/opt/apt ./\n",
    "etc/machine-id": "",
    "etc/resolv.conf": "",
}
PROGRAMS = {"sbin/lab-init": "lab-init.sh", "opt/lab/bin/runc": "runc-clamp.sh"}
# Identity and caches that no two machines may share, or that nobody reads.
REMOVED = (
    "etc/ssh/ssh_host_*",
    "etc/hostname",
    "var/lib/dbus/machine-id",
    "var/cache/apt/archives/*.deb",
    "var/lib/apt/lists/*_*",
    "usr/share/doc/*",
    "usr/share/man/*",
    "usr/share/locale/*",
    "var/log/*.log",
)


def program(name: str) -> str:
    """The text of a shell program that lies beside this module."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def digest() -> str:
    """Twelve hex digits that change with anything that goes into the image."""
    programs = {place: program(name) for place, name in PROGRAMS.items()}
    recipe = [SUITE, INSTALLED, OFFERED, MASKED, FILES, programs, REMOVED, platform.machine()]
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]
