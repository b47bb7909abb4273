"""Many hosts for the price of one: a network namespace in which every address of a network leads to one real sshd.

Nothing is ever written to the machine: only commands that read are measured here.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from hardway.assets.cache import Cache
from hardway.assets.choice import Origin
from hardway.assets.table import needed
from hardway.cluster import Cluster
from hardway.errors import LabError
from hardway.inventory import load

SSHD = "/usr/sbin/sshd"
NODES = ipaddress.IPv4Network("10.244.0.0/20")
PODS = "10.160.0.0/14"  # 1024 blocks of /24
ROLES = (("lb", 1, ["lb"]), ("controller", 3, ["etcd", "control-plane"]))
SSHD_CONFIG = """\
Port 22
ListenAddress 0.0.0.0
HostKey {folder}/host_key
AuthorizedKeysFile none
AuthorizedKeysCommand /bin/cat {folder}/user_key.pub
AuthorizedKeysCommandUser root
PidFile none
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
UsePAM no
MaxStartups 4096
LogLevel ERROR
"""


@dataclass(frozen=True)
class Street:
    """A namespace whose addresses all lead to one sshd; what is made for its hosts is in `folder`."""

    folder: Path
    namespace: str

    def inside(self, *argv: str) -> list[str]:
        """A command line that runs in the namespace, as the same process."""
        return ["ip", "netns", "exec", self.namespace, *argv]

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs besides: programs of a few bytes, as only their digests count here."""
        return {**os.environ, "HARDWAY_CACHE": str(self.folder / "cache")}

    def inventory(self, count: int) -> Path:
        """An inventory of so many hosts; each host's key is on record, as on a machine that has met them all."""
        hosts = _hosts(count)
        document = {
            "cluster": f"scale-{count}",
            "network": {"node_cidr": str(NODES), "pod_cidr": PODS},
            "assets": {"source": "upstream"},
            "ssh": {"key": str(self.folder / "user_key"), "agent": False, "known_hosts": str(self._known_hosts(hosts))},
            "hosts": hosts,
        }
        file = self.folder / f"{count}.yaml"
        file.write_text(yaml.safe_dump(document, sort_keys=False))
        _stand_ins(load(file), self.folder / "cache")
        return file

    def _known_hosts(self, hosts: list[dict]) -> Path:
        file = self.folder / f"known_hosts-{len(hosts)}"
        key = " ".join((self.folder / "host_key.pub").read_text().split()[:2])
        file.write_text("".join(f"{host['address']} {key}\n" for host in hosts))
        return file


def _hosts(count: int) -> list[dict]:
    """One load balancer, three control-plane hosts with etcd, and workers."""
    kinds = [*ROLES, ("worker", count - sum(number for _, number, _ in ROLES), ["worker"])]
    hosts = [{"name": f"{kind}-{i}", "roles": list(roles)} for kind, number, roles in kinds for i in range(number)]
    return [{**host, "address": str(NODES[10 + i])} for i, host in enumerate(hosts)]


# As a program for amd64 begins.
HEAD = b"\x7fELF\x02\x01\x01" + bytes(11) + (62).to_bytes(2, "little")


def _stand_ins(cluster: Cluster, directory: Path) -> None:
    """Every program and image in a cache of its own, a few bytes each."""
    cache = Cache(directory, Origin.RELEASES)
    with cache.workspace() as folder:
        for item in needed(cluster, "amd64"):
            if not cache.has(item):
                (folder / "file").write_bytes(HEAD + f"{item}\n".encode())
                cache.put(item, folder / "file", "made for a measurement")


@contextlib.contextmanager
def street(folder: Path) -> Iterator[Street]:
    """The namespace with its server, both gone afterwards; LabError when they cannot be made."""
    missing = [tool for tool in (SSHD, "ssh-keygen", "ip") if not shutil.which(tool)]
    if missing or os.geteuid() != 0:
        raise LabError(
            "this measurement needs root and OpenSSH's server", hint="apt-get install openssh-server iproute2"
        )
    place = Street(folder, f"hardway-scale-{os.getpid()}")
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "sshd_config").write_text(SSHD_CONFIG.format(folder=folder))
    subprocess.run(["ip", "netns", "add", place.namespace], check=True)
    try:
        # Addresses of their own would be told by every host's survey, all of them: a square that no real cluster has.
        lines = f"link set lo up\nroute add local {NODES} dev lo\n"
        subprocess.run(["ip", "-n", place.namespace, "-batch", "-"], input=lines, text=True, check=True)
        with _served(place):
            yield place
    finally:
        subprocess.run(["ip", "netns", "del", place.namespace], check=True)


@contextlib.contextmanager
def _served(place: Street) -> Iterator[None]:
    """The server, with a /run in memory as a machine has it: the disk under it must not be what is measured."""
    sshd = f"{SSHD} -D -E {place.folder}/log -f {place.folder}/sshd_config"
    script = f"mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec {sshd}"
    server = subprocess.Popen(place.inside("sh", "-c", script))
    try:
        _await_greeting(place, server)
        yield
    finally:
        server.terminate()
        server.wait()


def _await_greeting(place: Street, server: subprocess.Popen, seconds: float = 10) -> None:
    probe = f"exec 3<>/dev/tcp/{NODES[10]}/22 && read -r -t 5 line <&3 && [[ $line == SSH-* ]]"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        if subprocess.run(place.inside("bash", "-c", probe), stderr=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(0.1)
    raise LabError("sshd does not answer in its namespace", evidence=f"exit code {server.poll()}")
