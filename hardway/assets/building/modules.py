"""Building what projects publish as Go modules: each program compiled here from sources that go.sum pins.

`hardway/modules/COMPONENT/VERSION` holds a go.mod, its go.sum, and in sums.yaml the sha256 of what comes out with a
given toolchain: the same bytes in any folder of any machine. `pin.py` beside this makes such a folder.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import yaml

from ...cluster import Cluster
from ...errors import AssetError
from .. import pins
from ..asset import Item, Report, megabytes
from ..cache import Cache, free_gigabytes, sha256_of
from ..table import binary_item, table
from . import golang, homemade, pinned, processors, tools
from .golang import Clock, Go, Module, duration
from .processors import CROSS, compiler_for, here


class Modules:
    """Compiles missing items into the cache; one process at a time (the cache's lock)."""

    def __init__(self, cluster: Cluster, cache: Cache, report: Report):
        self.cluster, self.cache, self.report = cluster, cache, report
        self.spec = table()["building"]

    def gather(self, missing: list[Item]) -> None:
        """Bring every missing item into the cache; AssetError for the first that cannot be built."""
        compiled = [
            self._gather(arch, [item for item in missing if item.arch == arch])
            for arch in sorted({item.arch for item in missing})
        ]
        if any(compiled):
            # Kept until everything is built: an interrupted build continues where it stopped.
            shutil.rmtree(go_cache(self.cache), ignore_errors=True)

    def _gather(self, arch: str, missing: list[Item]) -> bool:
        """Whether anything had to be compiled."""
        images = [item for item in missing if item.is_image]
        wanted = {item for item in missing if not item.is_image}
        wanted |= {binary_item(self.cluster.versions, "coredns", arch) for item in images if item.name == "coredns"}
        wanted = {item for item in wanted if not self.cache.has(item)}
        by_component = {
            name: sorted(item.name for item in wanted if item.component == name) for name in table()["components"]
        }
        by_component = {name: names for name, names in by_component.items() if names}
        self._check(arch, by_component, images)
        for component, names in by_component.items():
            Build(component, getattr(self.cluster.versions, component), arch, self.cache, self.report).programs(names)
        homemade.images(self.cluster, self.cache, self.report, images)
        return bool(by_component)

    def _check(self, arch: str, by_component: Mapping[str, Sequence[str]], images: Sequence[Item]) -> None:
        """Report at once what would otherwise fail after minutes."""
        for component in by_component:
            pinned.folder(component, getattr(self.cluster.versions, component))
        self._check_tools(arch, by_component, images)
        free = free_gigabytes(self.cache.directory)
        if by_component and free < self.spec["disk"]:
            raise AssetError(
                f"building needs {self.spec['disk']} GB of disk, {self.cache.directory} has {free:.1f} GB free",
                hint="free some, or use another disk: export HARDWAY_CACHE=DIR",
            )
        available = memory()
        if by_component and available < self.spec["memory"]:
            raise AssetError(
                f"compiling needs {self.spec['memory']} GB of memory, {available:.1f} GB are free",
                hint=f"stop other programs, add swap, {golang.OTHER_SOURCE}",
            )

    def _check_tools(self, arch: str, by_component: Mapping[str, Sequence[str]], images: Sequence[Item]) -> None:
        wanted = {}
        if any(table()["components"][component].get("cgo") for component in by_component):
            wanted |= {"pkg-config": "pkg-config", **processors.compiler_package(arch)}
            if arch == here():
                wanted["/usr/include/seccomp.h"] = "libseccomp-dev"
        if any(item.name == "pause" for item in images):
            wanted |= processors.compiler_package(arch)
        if any(item.name == "busybox" for item in images):
            wanted |= {"apt-get": "apt", "dpkg-deb": "dpkg"}
        tools.require(wanted)


def go_cache(cache: Cache) -> Path:
    """Where Go keeps what it compiled, of one build to the next."""
    return cache.directory / "go-build"


def memory() -> float:
    """Gigabytes of memory that programs can still get; much where the system does not say."""
    with suppress(OSError):
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="utf-8"), re.M)
        if found:
            return int(found[1]) / 1e6
    return 1e3


class Build:
    """One component's programs of one version for one architecture, compiled in a scratch folder."""

    def __init__(self, component: str, version: str, arch: str, cache: Cache, report: Report):
        self.component, self.version, self.arch, self.cache, self.report = component, version, arch, cache, report
        self.spec = table()["components"][component]
        self.pinned = pinned.folder(component, version)

    def package(self, name: str) -> str:
        """The import path of a program's main package."""
        packages = self.spec["packages"]
        return packages[name] if isinstance(packages, dict) else packages.format(name=name)

    def programs(self, names: Sequence[str]) -> None:
        """Compile and check them, and put them into the cache."""
        go = pinned.toolchain(self.pinned, self.cache, self.report)
        with self.cache.workspace() as scratch:
            module, made_with = self.module(go, scratch)
            compiled = self._compile(module, names, scratch / "compiled")
            self.check(compiled, made_with)
            for name, path in compiled.items():
                asset = self.cache.put(
                    Item(self.component, name, self.version, self.arch), path, self._provenance(), made_with
                )
                self.report(f"{name} {self.version} {self.arch}  {megabytes(asset.size)}")

    def module(self, go: Go, scratch: Path) -> tuple[Module, str]:
        """The module ready to be compiled, and what it is compiled with: Go's version and, where C is linked, C's."""
        directory = scratch / "module"
        directory.mkdir()
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(self.pinned / name, directory / name)
        more, made_with = c_toolchain(self.arch, self.cache, scratch) if self.spec.get("cgo") else ({}, [])
        environment = go.environment(self.arch, go_cache(self.cache), {"GOTMPDIR": str(scratch), **more})
        return Module(go, directory, environment, self.spec.get("tags", ())), ", ".join([go.version, *made_with])

    def _compile(self, module: Module, names: Sequence[str], target: Path) -> dict[str, Path]:
        times = Times(self.cache.directory / "build-times.yaml")
        progress = Telling(f"{self.component} {self.version} {self.arch}", Clock(times.of(self.component)), self.report)
        started, packages = time.monotonic(), {name: self.package(name) for name in names}
        total = module.prepare(list(packages.values()), progress)
        linker = golang.linker_flags(self.spec.get("stamp", {}), self.version)
        if self.spec.get("cgo"):
            linker += " -linkmode external -extldflags -static"
        # Linking takes most memory, and go links as many programs at once as there are processors.
        together = memory() >= 2 * table()["building"]["memory"]
        for batch in [list(packages.values())] if together else [[package] for package in packages.values()]:
            module.compile(batch, linker, target, total, progress)
        progress.finished()
        if total > 100:
            times.keep(self.component, time.monotonic() - started)
        return {name: target / golang.basename(package) for name, package in packages.items()}

    def check(self, compiled: Mapping[str, Path], made_with: str) -> None:
        """AssetError when a program differs from the pinned one; with another toolchain it is said that nothing is
        compared."""
        sums = self.sums()
        known = sums.get(made_with, {}).get(self.arch)
        if known is None:
            told = ", ".join(sorted(version for version, archs in sums.items() if self.arch in archs)) or "none"
            what = f"{self.component} {self.version} {self.arch}"
            self.report(f"{what}: built with {made_with}; checksums are pinned for {told}, so nothing is compared")
            return
        wrong = {
            name: found for name, path in compiled.items() if known.get(name) not in (None, found := sha256_of(path))
        }
        if wrong:
            evidence = [f"{name}: pinned {known[name]}, built {found}" for name, found in wrong.items()]
            raise AssetError(
                f"{self.component} {self.version} {self.arch} differs from the pinned checksums: {', '.join(wrong)}",
                evidence="\n".join([*evidence, f"pinned and built with {made_with}"]),
                hint="do not use it: the toolchain or the sources on this machine were changed; try another machine",
            )

    def sums(self) -> dict[str, dict[str, dict[str, str]]]:
        """Toolchain, architecture, program: its sha256; empty while nothing is pinned."""
        return pins.read_sums(self.pinned)

    def _provenance(self) -> str:
        return f"built here from {self.spec['modules'][0]}@v{self.version}"


def c_toolchain(arch: str, cache: Cache, scratch: Path) -> tuple[dict[str, str], list[str]]:
    """What links Go with C for `arch`: go's environment, and the versions that decide about the bytes."""
    compiler = compiler_for(arch)
    made_with = [f"gcc {tools.run([compiler, '-dumpfullversion'], scratch, 'apt-get install -y gcc').strip()}"]
    environment = {"CGO_ENABLED": "1", "CC": compiler}
    if arch != here():
        # A library for another processor needs no place among this machine's own packages.
        root, version = homemade.package("libseccomp-dev", arch, scratch)
        libraries = root / "usr/lib" / CROSS[arch]
        environment |= {"PKG_CONFIG_LIBDIR": str(libraries / "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": str(root),
                        "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1", "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1"}  # fmt: skip
        return environment, [
            *made_with,
            f"libc6-dev-{arch}-cross {_installed(f'libc6-dev-{arch}-cross')}",
            f"libseccomp-dev {version}",
        ]
    return environment, [
        *made_with,
        f"libc6-dev {_installed('libc6-dev')}",
        f"libseccomp-dev {_installed('libseccomp-dev')}",
    ]


def _installed(package: str) -> str:
    """The version of an installed Debian package; "unknown" elsewhere, where no sum is pinned either."""
    with suppress(AssetError, OSError):
        return tools.run(["dpkg-query", "-W", "-f", "${Version}", package], Path("/"), "") or "unknown"
    return "unknown"


class Times:
    """Seconds that each component took to build on this machine, kept beside the cache."""

    def __init__(self, path: Path):
        self.path = path

    def of(self, component: str) -> float:
        return float(self._all().get(component, 0.0))

    def keep(self, component: str, seconds: float) -> None:
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        temporary.write_text(yaml.safe_dump({**self._all(), component: round(seconds)}), encoding="utf-8")
        temporary.replace(self.path)

    def _all(self) -> dict:
        with suppress(OSError, yaml.YAMLError, ValueError):
            return yaml.safe_load(self.path.read_text(encoding="utf-8")) or {}
        return {}


def told(doing: str, done: int, total: int, left: float) -> str:
    """How far a build is: "361 of 1204 packages compiled, about 4 min left"."""
    return (
        f"{done} of {total} {doing}" + (f", about {duration(left)} left" if left else "")
        if total
        else f"{done} {doing}"
    )


class Telling:
    """Passes on how far a build is: every change to a display that can show it, a line now and then to others."""

    EVERY = 15.0

    def __init__(self, what: str, clock: Clock, report: Report):
        self.what, self.clock, self.report = what, clock, report
        self.last = time.monotonic()
        report(f"building {what}" + (f": {duration(clock.expected)} the last time" if clock.expected else ""))

    def __call__(self, doing: str, done: int, total: int) -> None:
        left = self.clock.left(done, total)
        if shown := getattr(self.report, "progress", None):
            shown(self.what, doing, done, total, left)
        elif time.monotonic() - self.last >= self.EVERY:
            self.last = time.monotonic()
            self.report(f"{self.what}: {told(doing, done, total, left)}")

    def finished(self) -> None:
        if shown := getattr(self.report, "progress", None):
            shown(self.what, "", 1, 1, 0.0)
        self.report(f"{self.what}: built in {duration(time.monotonic() - self.clock.started)}")
