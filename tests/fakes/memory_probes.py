"""What a memory host answers, in the formats of hardway/targets/host/read.sh."""

from __future__ import annotations

import base64
import json
import re

from hardway.cluster import Host

from .disk import STATE, Disk
from .packages import PACKAGES
from .systemd import Systemd

SWAP_UNIT = "dev-sda2.swap"


class MemoryProbes:
    """The `q_` half of MemoryHost; it reads the fields below and changes none of them."""

    host: Host
    disk: Disk
    systemd: Systemd
    users: dict[str, str]
    groups: set[str]
    modules: set[str]
    sysctls: dict[str, str]
    swap: set[str]
    masked: set[str]
    images: set[str]
    unpacked: set[str]
    configured: set[str]
    routes: set[str]
    left: dict[str, int]
    survey: dict[str, str]

    def q_file(self, path: str, want: str, kind: str) -> str:
        if path in self.disk.dirs:
            return f"dir {self.disk.dirs[path]}"
        if path not in self.disk.files:
            return "absent"
        entry = self.disk.files[path]
        content = base64.encodebytes(entry.content).decode() if entry.sha256 != want and kind == "text" else ""
        return f"file {entry.meta} {len(entry.content)} {entry.sha256}\n{content}"

    def q_binary(self, path: str) -> str:
        if path not in self.disk.files:
            return "absent"
        entry = self.disk.files[path]
        digest, _, born = self.disk.read(f"{STATE}/digests{path}").decode().partition(" ")
        return f"file {entry.meta} {len(entry.content)} {digest if born == str(entry.born) else entry.sha256}"

    def q_hash(self, path: str) -> str:
        return self.disk.files[path].sha256 if path in self.disk.files else "absent"

    def q_unit(self, name: str) -> str:
        return f"{self.systemd.show(name)}\nStamp={self.disk.read(f'{STATE}/stamps/{name}').decode()}"

    def q_journal(self, name: str, lines: str) -> str:
        return f"the last {lines} lines of {name} on {self.host.name}"

    def q_entries(self, kind: str, name: str, since: str, lines: str) -> str:
        return json.dumps({"__REALTIME_TIMESTAMP": "1700000000000000", "MESSAGE": self.q_journal(name, lines)})

    def q_following(self, kind: str, name: str, since: str, lines: str) -> str:
        return self.q_entries(kind, name, since, lines)

    def q_version(self, name: str) -> str:
        return "1.2.3" if self._active(name) else ""

    def q_lived(self, name: str) -> str:
        return "3600" if self._active(name) else ""

    def q_age(self) -> str:
        return "3600 0.10 0.20 0.30"

    def q_etcd(self) -> str:
        status = {"header": {"member_id": 1}, "leader": 1, "version": "3.4.23", "dbSize": 20480}
        return json.dumps([{"Status": status}]) if self._active("etcd.service") else ""

    def q_drill(self) -> str:
        name, since, *units = self.disk.read(f"{STATE}/drill").decode().split() or ("", "")
        states = (f"{unit}={'running' if self._active(unit) else 'stopped'}" for unit in units)
        return " ".join((name, since, *states))

    def q_containers(self) -> str:
        return "one\ntwo" if self.left.get("pods") else ""

    def q_look(self, what: str) -> str:
        return f"{what} of {self.host.name}"

    def q_block(self, path: str, mark: str) -> str:
        found = re.search(rf"^# BEGIN {mark}\n(.*?)^# END {mark}$", self.disk.read(path).decode(), re.MULTILINE | re.DOTALL)
        return base64.encodebytes(found[1].encode()).decode() if found else ""

    def q_sysctl(self, key: str) -> str:
        return self.sysctls.get(key, "absent")

    def q_module(self, name: str) -> str:
        return "loaded" if name in self.modules else "absent"

    def q_swap(self) -> str:
        lines = [f"active {device}" for device in sorted(self.swap)]
        lines += [f"fstab {words[0]}" for line in self._fstab() if (words := line.split()) and words[0][0] != "#" and words[2] == "swap"]
        return "\n".join(lines + ([f"unit {SWAP_UNIT}"] if self.swap and SWAP_UNIT not in self.masked else []))

    def q_tool(self, name: str) -> str:
        return next((path for folder in ("/usr/bin", "/usr/sbin") if (path := f"{folder}/{name}") in self.disk.files), "absent")

    def q_library(self, name: str) -> str:
        return "present" if f"/usr/lib/{name}" in self.disk.files else "absent"

    def q_user(self, name: str) -> str:
        if name not in self.users:
            return "absent" + "\nleft group" * (name in self.groups)
        return "999:999:/usr/sbin/nologin" + "\nmissing group\nmissing gid 999" * (name not in self.groups)

    def q_ours(self, kind: str, name: str) -> str:
        return "yes" if f"{STATE}/{kind}/{name.lstrip('/')}" in self.disk.files else "no"

    def q_image(self, reference: str) -> str:
        if reference not in self.images or not self._active("containerd.service"):
            return "absent"
        return "present" if reference in self.unpacked else "half complete false"

    def q_package(self, name: str) -> str:
        unpacked = any(path in self.disk.files for path in PACKAGES[name])
        return "whole" if name in self.configured else "half iU" if unpacked else "absent"

    def q_routes(self) -> str:
        return "\n".join(sorted(self.routes))

    def q_leftover(self, kind: str) -> str:
        return str(self.left.get(kind, 0))

    def q_space(self, *paths: str) -> str:
        return "/ 20% 20971520 1%"

    def q_exists(self, path: str) -> str:
        return "yes" if self.disk.below(path) else "no"

    def q_survey(self) -> str:
        units = [name for name, unit in self.systemd.units.items() if unit.active == "active"]
        env = dict(re.findall(r"^(ETCD_[A-Z_]+)=(.*)$", self.disk.read("/etc/etcd/etcd.env").decode(), re.MULTILINE))
        said = {
            "arch": "x86_64", "hostname": self.host.name, "uid": "0", "init": "systemd", "machine_id": f"id-{self.host.name}",
            "memory_kb": str(8 << 20), "cpus": "2", "disk_free_kb": str(20 << 20), "var_free_kb": str(20 << 20), "os": "debian",
            "addresses": f"127.0.0.1=lo {self.host.address}=eth0", "cgroup": "2", "read_only": "", "resolv_conf": "/etc/resolv.conf",
            "nameservers": "192.0.2.53", "package_manager": "apt-get", "filesystem_overlay": "yes", "units": " ".join(units),
            "cluster": self.disk.read(f"{STATE}/cluster").decode(), "etcd_state": env.get("ETCD_INITIAL_CLUSTER_STATE", ""),
            "etcd_data": "yes" if "/var/lib/etcd/member" in self.disk.dirs else "no",
        }  # fmt: skip
        return "\n".join(f"{key}={value}" for key, value in (said | self.survey).items())

    def _active(self, unit: str) -> bool:
        return self.systemd.unit(unit).active == "active"

    def _fstab(self) -> list[str]:
        return self.disk.read("/etc/fstab").decode().splitlines()
