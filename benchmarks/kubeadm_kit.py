"""What kubeadm's machines are given: kubeadm, the programs that hardway installs, and images made of these."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hardway.assets import AssetStore, images, table
from hardway.assets.building.modules import Modules
from hardway.assets.building.processors import here
from hardway.assets.cache import default_directory
from hardway.assets.choice import Origin
from hardway.assets.fetching.releases import Releases
from hardway.assets.images import Entry
from hardway.cluster import Cluster, Host, Role
from hardway.lab import base_image
from hardway.lab.shell import run
from hardway.phases.binaries import CNI_PLUGINS

Report = Callable[[str], None]

NODE = ("kubeadm", "kubelet", "containerd", "containerd-shim-runc-v2", "ctr", "runc", "crictl", *CNI_PLUGINS)
NODE_IMAGES = ("kube-proxy", "coredns", "pause")
CONTROL_PLANE = ("kubectl",)
# Each with the programs in it.
CONTROL_PLANE_IMAGES = {
    "kube-apiserver": ("kube-apiserver",),
    "kube-controller-manager": ("kube-controller-manager",),
    "kube-scheduler": ("kube-scheduler",),
    "etcd": ("etcd", "etcdctl", "etcdutl"),
}
SEARCHED = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What kube-proxy runs; the first is one program for all names, IPv4's and IPv6's.
TABLES, NFT = "/usr/sbin/iptables", "/usr/sbin/nft"
TABLES_NAMES = ("iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore")


@dataclass(frozen=True)
class Kit:
    """Local files by name: programs, and archives of images under the references that kubeadm will ask for."""

    programs: Mapping[str, Path]
    archives: Mapping[str, Path]

    def payload(self, host: Host) -> list[Path]:
        """All that is copied to a host; nothing to one that will be no node."""
        programs, archives = (*NODE, *CONTROL_PLANE), (*NODE_IMAGES, *CONTROL_PLANE_IMAGES)
        if not host.is_(Role.CONTROL_PLANE):
            programs, archives = NODE, NODE_IMAGES
        if not (host.is_(Role.CONTROL_PLANE) or host.is_(Role.WORKER)):
            return []
        return [*(self.programs[name] for name in programs), *(self.archives[name] for name in archives)]


def collect(cluster: Cluster, folder: Path, report: Report) -> Kit:
    """Gather the programs in hardway's cache and make the images in `folder`; AssetError when that cannot be done."""
    store = AssetStore(cluster, report=report)
    found = store.gather([here()])
    programs = {name: asset.path for (name, _), asset in found.items()} | {"kubeadm": _kubeadm(store)}
    archives = {name: store.image(name, here()).path for name in ("pause", "coredns")}
    for name, inside in {**CONTROL_PLANE_IMAGES, "kube-proxy": ("kube-proxy",)}.items():
        archives[name] = folder / f"{name}.tar"
        _image(cluster, archives[name], [programs[program] for program in inside])
    return Kit(programs, archives)


def reference(cluster: Cluster, name: str) -> str:
    """How kubeadm calls an image when its configuration names the tags of etcd and CoreDNS that we have."""
    if name in ("pause", "coredns"):
        return table.image_reference(cluster, name)
    return f"registry.k8s.io/{name}:{etcd_tag(cluster) if name == 'etcd' else f'v{cluster.versions.kubernetes}'}"


def etcd_tag(cluster: Cluster) -> str:
    return f"{cluster.versions.etcd}-0"


def _kubeadm(store: AssetStore) -> Path:
    """No cluster of ours has it, so it is not gathered with the rest: it comes into the cache when it is first used."""
    item = table.binary_item(store.cluster.versions, "kubeadm", here())
    if not store.cache.get(item):
        source = Modules if store.origin is Origin.MODULES else Releases
        with store.cache.lock(store.report):
            source(store.cluster, store.cache, store.report).gather([item])
    return store.binary("kubeadm", here()).path


def _image(cluster: Cluster, target: Path, programs: Sequence[Path]) -> None:
    name = target.stem
    entries = [Entry("tmp", mode=0o1777), Entry("etc/passwd", b"root:x:0:0:root:/root:/sbin/nologin\n", mode=0o644)]
    entries += [Entry(f"usr/local/bin/{path.name}", path.read_bytes()) for path in programs]
    entries += _packet_rules(base_image(default_directory())) if name == "kube-proxy" else ()
    config = {"Entrypoint": [f"/usr/local/bin/{name}"], "Env": [SEARCHED], "WorkingDir": "/"}
    images.build(target, reference(cluster, name), here(), entries, config)


def _packet_rules(base: Path) -> list[Entry]:
    """iptables and nft of the machines' own Debian, with every library they may load."""
    plugins = [f"/{path.relative_to(base)}" for path in sorted(base.glob("usr/lib/*/xtables/*.so"))]
    loaded = re.findall(r"(/\S+) \(0x", run("chroot", base, "ldd", TABLES, NFT, *plugins))
    wanted = [TABLES, NFT, *plugins, *sorted(set(loaded)), "/etc/protocols"]
    # Followed inside the base, where links to other places mean its own.
    packed = subprocess.run(["chroot", base, "tar", "-chf", "-", *wanted], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        entries = [Entry(member.name, archive.extractfile(member).read(), mode=member.mode) for member in archive]
    return entries + [Entry(f"usr/sbin/{name}", link="iptables") for name in TABLES_NAMES]
