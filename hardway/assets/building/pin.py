"""Pinning a version of a component: the go.mod, go.sum and sums.yaml from which it is built, for whoever maintains
hardway."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from ...errors import AssetError
from ..asset import Item, Report
from ..cache import Cache
from ..table import numbers, table
from . import pinned, tools
from .golang import FIXED, Go, toolchain
from .modules import Build

HEADER = (
    "# sha256 of what this module's programs come out as, by toolchain and architecture. `hardway assets pin` wrote"
    " it.\n"
)
PROXY = "check the version and go env GOPROXY, then run it again"


def pin(component: str, version: str, archs: Sequence[str], cache: Cache, report: Report) -> Path:
    """Write the module of a component's version and the sums of its programs; its folder.

    AssetError when it cannot be built.
    """
    if component not in table()["components"]:
        raise AssetError(f"there is no component {component}", hint=f"choose one of {', '.join(table()['components'])}")
    folder = pinned.FOLDER / component / version
    if not (folder / "go.sum").is_file():
        _write_module(component, version, folder, cache, report)
    for arch in archs:
        _write_sums(Build(component, version, arch, cache, report))
    return folder


def _write_module(component: str, version: str, folder: Path, cache: Cache, report: Report) -> None:
    spec = table()["components"][component]
    go = toolchain("1.24", table()["building"]["go"], cache.directory, report)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        sources = [_download(go, directory, f"{module}@v{version}") for module in spec["modules"]]
        (directory / "go.mod").write_text(
            go_mod(component, version, [source.read_text(encoding="utf-8") for source in sources]), encoding="utf-8"
        )
        tools.run([go.program, "mod", "tidy"], directory, PROXY, {**FIXED, "GOFLAGS": "-mod=mod"})
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(directory / name, folder / name)
    report(f"{folder}: go.mod and go.sum written")


def _download(go: Go, directory: Path, module: str) -> Path:
    """A module's go.mod, from wherever GOPROXY says."""
    answer = tools.run(
        [go.program, "mod", "download", "-json", module], directory, PROXY, {**FIXED, "GOFLAGS": "-mod=mod"}
    )
    return Path(re.search(r'"GoMod": "([^"]+)"', answer)[1])


def go_mod(component: str, version: str, sources: Sequence[str]) -> str:
    """A module that requires this version and names its programs as tools; `sources` are the go.mod files of what it
    requires."""
    spec = table()["components"][component]
    packages = spec["packages"]
    names = [*spec["files"], *spec.get("extra", ())]
    wanted = (
        packages.values() if isinstance(packages, dict) else dict.fromkeys(packages.format(name=name) for name in names)
    )
    least = max((re.search(r"^go (\S+)", source, re.M)[1] for source in sources), key=numbers)
    debug = {line: None for source in sources for line in re.findall(r"^godebug .*$", source, re.M)}
    replaced = {line: None for source in sources for line in _staged(source, version)}
    required = [f"require {module} v{version}" for module in spec["modules"]]
    tools_ = [f"tool {package}" for package in wanted]
    return (
        "\n".join(
            [
                f"module hardway.invalid/{component}",
                "",
                f"go {least}",
                *debug,
                "",
                *tools_,
                "",
                *required,
                "",
                *replaced,
            ]
        )
        + "\n"
    )


def _staged(source: str, version: str) -> list[str]:
    """Modules that are folders in Kubernetes' own tree, and modules of their own, v0.MINOR.PATCH, to everybody else."""
    names = re.findall(r"^\s+(k8s\.io/[a-z0-9-]+) => \./staging/", source, re.M)
    return [f"replace {name} => {name} v0.{version.partition('.')[2]}" for name in names]


def _write_sums(build: Build) -> None:
    """Compile all of its programs and record what comes out."""
    spec, cache = build.spec, build.cache
    items = {
        name: Item(build.component, name, build.version, build.arch)
        for name in (*spec["files"], *spec.get("extra", ()))
    }
    if missing := [name for name, item in items.items() if not cache.has(item)]:
        build.programs(missing)
    sums = build.sums()
    for name, item in items.items():
        asset = cache.get(item, rehash=True)
        sums.setdefault(asset.made_with, {}).setdefault(build.arch, {})[name] = asset.sha256
    (build.pinned / "sums.yaml").write_text(HEADER + yaml.safe_dump(sums, width=1000), encoding="utf-8")
