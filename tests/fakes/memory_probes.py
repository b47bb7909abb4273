"""What a memory host answers, in the formats of hardway/targets/host/read.sh."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import yaml

from hardway.cluster import Host
from hardway.pki.encryption import named
from hardway.preflight.authorities import TRUSTED
from hardway.targets.host import READ

from .disk import STATE, Disk
from .memory_roads import CLIENTS, HAPROXY, KEEPALIVED, holders, inside
from .packages import PACKAGES
from .systemd import Systemd

if TYPE_CHECKING:
    from .memory_host import MemoryHost

SWAP_UNIT = "dev-sda2.swap"
SIGNED = "/var/lib/kubelet/pki/kubelet-client-current.pem"
# The names are read.sh's, so that both tell of the same flags.
FLAGS = frozenset(re.findall(r"--\(([a-z|-]+)\)=", READ)[0].split("|"))
CONFIG = "/etc/kubernetes/encryption-config.yaml"


def providers(config: bytes) -> list[str]:
    """What s_providers of read.sh says of an encryption configuration."""
    return [*_providers(config)]


@functools.lru_cache(maxsize=256)
def _providers(config: bytes) -> list[str]:
    try:
        rules = yaml.safe_load(config)["resources"]
    except (yaml.YAMLError, TypeError, KeyError):
        return []
    others = [f"resources:{name}" for rule in rules for name in rule["resources"] if name != "secrets"]
    found = [(kind, key) for rule in rules for one in rule["providers"] for kind, body in one.items()
             for key in (body.get("keys") or [None])]  # fmt: skip
    return others + [named(kind, key["name"], key["secret"]) if key else kind for kind, key in found]


def reserved(config: str) -> dict[str, str]:
    """What a kubelet's configuration keeps from pods, by resource."""
    found = re.search(r"^systemReserved:\n((?:  .*\n)+)", config, re.MULTILINE)
    return dict(re.findall(r'^  ([a-z-]+): "([^"]+)"$', found[1], re.MULTILINE)) if found else {}


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
    pinned: set[str]
    unpacked: set[str]
    configured: set[str]
    routes: set[str]
    left: dict[str, int]
    survey: dict[str, str]
    sizes: Callable[[str], tuple[int, int]]
    neighbours: Mapping[str, MemoryHost]

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

    def q_certificates(self, path: str) -> str:
        if path not in self.disk.files:
            return "absent"
        content = self.disk.read(path).decode(errors="replace")
        pem = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", content, re.DOTALL)
        kinds = re.findall(r"^ *(client-certificate|certificate-authority)-data: *(\S+)", content, re.MULTILINE)
        words = {"client-certificate": "client", "certificate-authority": "ca"}
        return "\n".join([*pem, *(f"{words[kind]} {data}" for kind, data in kinds)])

    def q_unit(self, name: str) -> str:
        return f"{self.systemd.show(name)}\nStamp={self.disk.read(f'{STATE}/stamps/{name}').decode()}"

    def q_journal(self, name: str, lines: str) -> str:
        return f"the last {lines} lines of {name} on {self.host.name}"

    def q_entries(self, kind: str, name: str, since: str, lines: str) -> str:
        return json.dumps({"__REALTIME_TIMESTAMP": "1700000000000000", "MESSAGE": self.q_journal(name, lines)})

    def q_following(self, kind: str, name: str, since: str, lines: str) -> str:
        return self.q_entries(kind, name, since, lines)

    def q_version(self, name: str) -> str:
        """Of the program that was started; what is no program of FakeAssets has some version."""
        if not self._active(name):
            return ""
        component = name.removesuffix(".service")
        content = self.systemd.unit(name).loaded.get(f"/usr/local/bin/{component}", b"").decode()
        return content.partition(f"binary {component} ")[2].partition(" ")[0] or "1.2.3"

    def q_settings(self) -> str:
        files = [path for path in self.disk.files if path.startswith("/etc/kubernetes/kubelet.conf.d/")]
        return "\n".join(f"{path} {base64.b64encode(self.disk.read(path)).decode()}" for path in files)

    def q_deprecated(self, lines: str) -> str:
        said = self.disk.read("/var/log/kubernetes/audit/audit.log").decode().splitlines()
        return "\n".join([line for line in said if "k8s.io/removed-release" in line][-int(lines) :])

    def q_lived(self, name: str) -> str:
        return "3600" if self._active(name) else ""

    def q_changed(self, path: str) -> str:
        return "3600" if path in self.disk.files else ""

    def q_age(self) -> str:
        return "3600 0.10 0.20 0.30"

    def q_etcd(self) -> str:
        size, used = self.sizes(self.host.name)
        status = {"header": {"member_id": 1}, "leader": 1, "version": "3.4.23", "dbSize": size, "dbSizeInUse": used}
        return json.dumps([{"Status": status}]) if self._active("etcd.service") else ""

    def q_note(self, name: str) -> str:
        path = f"{STATE}/notes/{name}"
        return self.disk.read(path).decode() if path in self.disk.files else "absent"

    def q_restored(self) -> str:
        told = self.disk.read("/var/lib/etcd/member/restored").decode().strip()
        return told or ("own" if "/var/lib/etcd/member" in self.disk.dirs else "absent")

    def q_database(self, restore: str) -> str:
        kept = f"/var/lib/etcd/before-{restore}/member/db"
        content = self.disk.read(kept if kept in self.disk.files else "/var/lib/etcd/member/db")
        return f"{hashlib.sha256(content).hexdigest()}\n{base64.b64encode(content).decode()}"

    def q_drill(self) -> str:
        name, since, *units = self.disk.read(f"{STATE}/drill").decode().split() or ("", "")
        states = (f"{unit}={'running' if self._active(unit) else 'stopped'}" for unit in units)
        return " ".join((name, since, *states))

    def q_lease(self) -> str:
        return ""

    def q_containers(self) -> str:
        return "one\ntwo" if self.left.get("pods") else ""

    def q_look(self, what: str) -> str:
        return f"{what} of {self.host.name}"

    def q_block(self, path: str, mark: str) -> str:
        found = re.search(
            rf"^# BEGIN {mark}\n(.*?)^# END {mark}$", self.disk.read(path).decode(), re.MULTILINE | re.DOTALL
        )
        return base64.encodebytes(found[1].encode()).decode() if found else ""

    def q_sysctl(self, key: str) -> str:
        return self.sysctls.get(key, "absent")

    def q_module(self, name: str) -> str:
        return "loaded" if name in self.modules else "absent"

    def q_swap(self) -> str:
        lines = [f"active {device}" for device in sorted(self.swap)]
        lines += [
            f"fstab {words[0]}"
            for line in self._fstab()
            if (words := line.split()) and words[0][0] != "#" and words[2] == "swap"
        ]
        return "\n".join(lines + ([f"unit {SWAP_UNIT}"] if self.swap and SWAP_UNIT not in self.masked else []))

    def q_tool(self, name: str) -> str:
        return next(
            (path for folder in ("/usr/bin", "/usr/sbin") if (path := f"{folder}/{name}") in self.disk.files), "absent"
        )

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
        if reference not in self.unpacked:
            return "half complete false"
        return "present" if reference in self.pinned else "unpinned"

    def q_package(self, name: str) -> str:
        unpacked = any(path in self.disk.files for path in PACKAGES[name])
        return "whole" if name in self.configured else "half iU" if unpacked else "absent"

    def q_addresses(self) -> str:
        shared = [address for address, names in holders(self.neighbours).items() if self.host.name in names]
        return " ".join(["127.0.0.1=lo", *(f"{address}=eth0" for address in (self.host.address, *shared))])

    def q_ports(self) -> str:
        return ""

    def q_listening(self, *ports: str) -> str:
        """Nobody can connect to a port in memory."""
        return ""

    def q_routes(self) -> str:
        return "\n".join(sorted(self.routes))

    def q_leftover(self, kind: str) -> str:
        return str(len(self.routes) if kind == "routes" else self.left.get(kind, 0))

    def scripted_routes(self) -> list[tuple[str, str]]:
        """Block and next hop of each route that the unit would set."""
        script = self.disk.read("/usr/local/bin/pod-routes").decode()
        return re.findall(r"^  route (\S+) via (\S+)", script, re.MULTILINE)

    def q_space(self, *paths: str) -> str:
        return "/ 20% 20971520 1%"

    def q_exists(self, path: str) -> str:
        return "yes" if self.disk.has(path) else "no"

    def q_survey(self, name: str = "", *hops: str) -> str:
        units = [name for name, unit in self.systemd.units.items() if unit.active == "active"]
        env = dict(re.findall(r"^(ETCD_[A-Z_]+)=(.*)$", self.disk.read("/etc/etcd/etcd.env").decode(), re.MULTILINE))
        said = {
            "arch": "x86_64",
            "hostname": self.host.name,
            "uid": "0",
            "init": "systemd",
            "machine_id": f"id-{self.host.name}",
            "memory_kb": str(8 << 20),
            "cpus": "2",
            "disk_free_kb": str(20 << 20),
            "var_free_kb": str(20 << 20),
            "os": "debian",
            "addresses": self.q_addresses(),
            "cgroup": "2",
            "read_only": "",
            "resolv_conf": "/etc/resolv.conf",
            "nameservers": "192.0.2.53",
            "package_manager": "apt-get",
            "filesystem_overlay": "yes",
            "units": " ".join(units),
            "cluster": self.disk.read(f"{STATE}/cluster").decode(),
            "etcd_state": env.get("ETCD_INITIAL_CLUSTER_STATE", ""),
            "restoring": self.disk.read(f"{STATE}/notes/restore").decode(),
            "restored": self.disk.read("/var/lib/etcd/member/restored").decode().strip(),
            "etcd_data": "yes" if "/var/lib/etcd/member" in self.disk.dirs else "no",
        }
        said |= self._lives_by()
        return "\n".join(f"{key}={value}" for key, value in (said | self.survey).items())

    def _lives_by(self) -> dict[str, str]:
        """What a host of ours lives by, out of the files that are there (see s_lives in read.sh)."""
        if not self.disk.read(f"{STATE}/cluster"):
            return {}
        unit = lambda name: self.disk.read(f"/etc/systemd/system/{name}.service").decode()  # noqa: E731
        found = lambda pattern, text: next(iter(re.findall(pattern, text)), "")  # noqa: E731
        certificate = self.disk.read("/var/lib/kubelet/pki/kubelet.crt").decode().splitlines()
        config = self.disk.files.get(CONFIG)
        return {
            "kubernetes": self._program("kube-apiserver") or self._program("kubelet"),
            "etcd": self._program("etcd"),
            "containerd": self._program("containerd"),
            "peer_url": found(r"--initial-advertise-peer-urls=(\S+)", unit("etcd")),
            "pod_block": found(r'"subnet": "([^"]+)"', self.disk.read("/etc/cni/net.d/10-bridge.conflist").decode()),
            "kubelet_cert": "".join(certificate[1:-1]),
            "routes": " ".join(f"{block}={hop}" for block, hop in self.scripted_routes()),
            "encryption": config.sha256 if config else "",
            "providers": " ".join(providers(config.content)) if config else "",
            "service_cidr": found(r"--service-cluster-ip-range=(\S+)", unit("kube-apiserver")),
            "flags": " ".join(self._flags()),
            "reserved": " ".join(f"{name}={value}" for name, value in reserved(self._kubelet_config()).items()),
            "issuer": found(r"--service-account-issuer=(\S+)", unit("kube-apiserver")),
            "pod_cidr": found(r"--cluster-cidr=(\S+)", unit("kube-controller-manager")),
            "joined": "yes" if SIGNED in self.disk.files else "",
            "signs": "yes" if "/etc/kubernetes/pki/ca.key" in self.disk.files else "",
            "trusts": " ".join(self._trusts()),
            **self._roads(),
        }

    def _kubelet_config(self) -> str:
        return self.disk.read("/var/lib/kubelet/config.yaml").decode()

    def _trusts(self) -> Iterator[str]:
        """What read.sh's s_trusts says of the files that it looks into."""
        for file in TRUSTED:
            for body in re.findall(rb"-----BEGIN [A-Z ]+-----([^-]+)-----END", self.disk.read(file)):
                yield f"{file}={hashlib.sha256(base64.b64decode(body)).hexdigest()[:16]}"

    def _roads(self) -> dict[str, str]:
        """How its clients come to the API (see s_roads in read.sh)."""
        read = lambda path: self.disk.read(path).decode()  # noqa: E731
        files = [*CLIENTS.values(), "/etc/kubernetes/admin.conf"]
        servers = {url for path in files for url in re.findall(r"^ *server: (\S+)", read(path), re.MULTILINE)}
        stamped = all(
            path not in self.disk.files or f"{STATE}/stamps/{name}.service" in self.disk.files
            for name, path in CLIENTS.items()
        )
        ours = [path.removeprefix(f"{STATE}/ours") for path in self.disk.below(f"{STATE}/ours")]
        components = [path for path in ours if path.endswith(".service") or path in (HAPROXY, KEEPALIVED)]
        config = read(KEEPALIVED) if KEEPALIVED in ours else ""
        return {
            "servers": " ".join(sorted(servers)),
            "unsettled": "" if stamped else "yes",
            "components": " ".join(path.rpartition("/")[2].rpartition(".")[0] for path in components),
            "bound": " ".join(re.findall(r"^ *bind :(\d+)", read(HAPROXY), re.MULTILINE)) if HAPROXY in ours else "",
            "shared": " ".join(inside("virtual_ipaddress", config)),
            "peers": " ".join(inside("unicast_peer", config)),
            "sender": next(iter(re.findall(r"unicast_src_ip (\S+)", config)), ""),
        }

    def _flags(self) -> Iterator[str]:
        """What read.sh's s_flags says, with the names that it looks for."""
        for component in ("etcd", "kube-apiserver", "kubelet", "containerd"):
            unit = self.disk.read(f"/etc/systemd/system/{component}.service").decode()
            if unit:
                yield f"{component}="
            for name, value in re.findall(r"^ *--([\w-]+)=(\S*)", unit, re.MULTILINE):
                if name in FLAGS:
                    yield f"{component}.{name}={value}"

    def _program(self, name: str) -> str:
        """The version of a program that is there, as FakeAssets writes it into its file."""
        return self.disk.read(f"/usr/local/bin/{name}").decode().partition(f"binary {name} ")[2].partition(" ")[0]

    def _active(self, unit: str) -> bool:
        return self.systemd.unit(unit).active == "active"

    def _fstab(self) -> list[str]:
        return self.disk.read("/etc/fstab").decode().splitlines()
