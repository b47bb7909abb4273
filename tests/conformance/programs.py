"""The programs of the suite and of its images: compiled once, as hardway compiles its own, and kept in the cache."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hardway.assets.building import golang, pinned, tools
from hardway.assets.building.golang import Clock, Go
from hardway.assets.building.modules import Telling
from hardway.assets.building.processors import here
from hardway.assets.cache import Cache, default_directory, free_gigabytes
from hardway.assets.table import table

from . import module

# The suite is the test of a package, so it is compiled as one; the others are programs.
SUITE = "k8s.io/kubernetes/test/e2e"
PACKAGES = (
    "github.com/onsi/ginkgo/v2/ginkgo",
    "k8s.io/kubernetes/test/images/agnhost",
    "k8s.io/kubernetes/test/images/nonewprivs",
    "k8s.io/sample-apiserver",
)
GIGABYTES = 10
HINT = "look at what go says; it needs some 4 GB of memory and 10 GB of disk"


@dataclass(frozen=True)
class Programs:
    """The finished programs in `directory`, and in `source` Kubernetes' own tree, of which they were made."""

    directory: Path
    source: Path

    def path(self, name: str) -> Path:
        """Where "e2e.test", "ginkgo", "agnhost", "nonewprivs" or "sample-apiserver" lies."""
        return self.directory / name


def home() -> Path:
    """Where everything of the suite is kept from one run to the next."""
    return default_directory() / "conformance"


def compiled(version: str, say: Callable[[str], None]) -> Programs:
    """The suite of this version of Kubernetes, compiled first when the cache has it not; AssetError when that fails."""
    folder = pinned.folder("kubernetes", version)
    go = pinned.toolchain(folder, Cache(default_directory(), "modules"), say)
    home().mkdir(parents=True, exist_ok=True)
    for left_over in home().glob("building-*"):
        shutil.rmtree(left_over)
    environment = go.environment(here(), home() / "go-build", {})
    source = golang.Module(go, folder, environment).download("k8s.io/kubernetes")
    with tempfile.TemporaryDirectory(prefix="building-", dir=home()) as scratch:
        module.write(Path(scratch, "module"), folder, source)
        linker = stamps(version, (source / "test/images/agnhost/VERSION").read_text().strip())
        target = home() / f"programs-{_digest(go, Path(scratch, 'module'), linker)}"
        if not target.is_dir():
            _room()
            _compile(go, Path(scratch), linker, f"conformance suite {version}", say)
            _check(Path(scratch, "bin"), version)
            for old in home().glob("programs-*"):
                shutil.rmtree(old)
            Path(scratch, "bin").rename(target)
            shutil.rmtree(home() / "go-build", ignore_errors=True)
    return Programs(target, source)


def stamps(version: str, agnhost: str) -> str:
    """What tells the programs their version: without it the suite takes itself for v0.0."""
    return golang.linker_flags(table()["components"]["kubernetes"]["stamp"], version) + f" -X main.Version={agnhost}"


def _digest(go: Go, module_: Path, linker: str) -> str:
    made_of = [go.version, here(), linker, SUITE, PACKAGES]
    made_of += [(module_ / name).read_text() for name in ("go.mod", "go.sum")]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:12]


def _room() -> None:
    free = free_gigabytes(home())
    assert free > GIGABYTES, (
        f"compiling the suite needs {GIGABYTES} GB, {home()} has {free:.1f} GB: free some, or set HARDWAY_CACHE"
    )


def _compile(go: Go, scratch: Path, linker: str, what: str, say: Callable[[str], None]) -> None:
    """Into `scratch`/bin."""
    # Not the usual temporary folder: that may be memory, and linking takes gigabytes.
    (scratch / "tmp").mkdir()
    environment = go.environment(here(), home() / "go-build", {"GOTMPDIR": str(scratch / "tmp")})
    built = golang.Module(go, scratch / "module", environment)
    progress = Telling(what, Clock(0.0), say)
    total = built.prepare(PACKAGES, progress)
    # One after the other: linking takes most memory.
    for package in PACKAGES:
        built.compile([package], linker, scratch / "bin", total, progress)
    say(f"{what}: compiling e2e.test, which takes longest")
    flags = ["-c", "-vet=off", *golang.BUILD, "-ldflags", f"-s -w -buildid= {linker}", "-o", scratch / "bin/e2e.test"]
    tools.run([go.program, "test", *flags, SUITE], scratch / "module", HINT, environment)
    progress.finished()


def _check(directory: Path, version: str) -> None:
    """Each is there, and the suite knows its version: a wrong one would skip tests, or refuse to run them."""
    missing = {"e2e.test", *map(golang.basename, PACKAGES)} - {path.name for path in directory.iterdir()}
    assert not missing, f"not compiled: {missing}"
    said = tools.run([directory / "e2e.test", "--version"], directory, HINT)
    assert f"v{version}" in said, f"e2e.test says it is {said.strip()}, not v{version}"
