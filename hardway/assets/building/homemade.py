"""Images made here without a registry: pause of its C source, CoreDNS of its program, busybox of Debian's package.

The same sources and compilers give the same bytes, so an image that is made again is the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...cluster import Cluster
from .. import images as archives
from ..asset import Item, Report
from ..cache import Cache
from ..images import Entry
from . import golang, pinned, tools
from .apt import Apt
from .processors import compiler_for, here

DIRECTORIES = ("bin", "etc", "tmp", "proc", "sys", "dev", "root", "var", "www")


def images(cluster: Cluster, cache: Cache, report: Report, missing: Sequence[Item]) -> None:
    """Make each of these image archives and put it into the cache."""
    for item in missing:
        MAKERS[item.name](cluster, cache, report, item)


def package(name: str, arch: str, scratch: Path) -> tuple[Path, str]:
    """A Debian package unpacked below `scratch`, without installing it, and its version."""
    directory = scratch / f"apt-{arch}"
    apt = Apt(directory, arch)
    if not directory.is_dir():
        directory.mkdir()
        apt.update()
    root = scratch / f"{name}-{arch}"
    return root, apt.download(name, root)


def _pause(cluster: Cluster, cache: Cache, report: Report, item: Item) -> None:
    version = cluster.versions.kubernetes
    folder = pinned.folder("kubernetes", version)
    go = pinned.toolchain(folder, cache, report)
    with cache.workspace() as scratch:
        module = golang.Module(go, folder, go.environment(item.arch, scratch / "go-cache", {}))
        source = module.download("k8s.io/kubernetes") / "build" / "pause" / "linux" / "pause.c"
        flags = ["-Os", "-Wall", "-Werror", "-static", "-s", "-Wl,--build-id=none", f"-DVERSION=v{item.version}"]
        tools.run(
            [compiler_for(item.arch), *flags, "-o", scratch / "pause", source],
            scratch,
            "apt-get install -y gcc libc6-dev",
        )
        entries = [Entry("pause", (scratch / "pause").read_bytes())]
    config = {"Entrypoint": ["/pause"], "User": "65535:65535", "WorkingDir": "/"}
    provenance = f"built here from pause.c of k8s.io/kubernetes@v{version}"
    archives.store(cluster, cache, item, entries, config, provenance, report)


def _busybox(cluster: Cluster, cache: Cache, report: Report, item: Item) -> None:
    with cache.workspace() as scratch:
        root, version = package("busybox-static", item.arch, scratch)
        # The list of what it can do comes from the one that runs here; both are built alike.
        own = root if item.arch == here() else package("busybox-static", here(), scratch)[0]
        applets = tools.run([own / "bin" / "busybox", "--list"], scratch, golang.OTHER_SOURCE).split()
        program = (root / "bin" / "busybox").read_bytes()
    entries = [Entry(name, mode=0o1777 if name == "tmp" else 0o755) for name in DIRECTORIES]
    entries += [Entry("bin/busybox", program)]
    entries += [Entry(f"bin/{name}", link="busybox") for name in sorted(applets) if name != "busybox"]
    entries += [
        Entry("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", mode=0o644),
        Entry("etc/group", b"root:x:0:\n", mode=0o644),
    ]
    config = {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"], "WorkingDir": "/"}
    provenance = f"built here from the Debian package busybox-static {version}"
    archives.store(cluster, cache, item, entries, config, provenance, report)


def _coredns(cluster: Cluster, cache: Cache, report: Report, item: Item) -> None:
    archives.build_coredns(cluster, cache, item, report)


MAKERS = {"pause": _pause, "coredns": _coredns, "busybox": _busybox}
