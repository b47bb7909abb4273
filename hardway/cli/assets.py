"""`hardway assets …`: the binaries and images of an inventory, on this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import threading
from pathlib import Path

import click

from ..progress.saying import say
from .help import Group
from .options import INVENTORY, OUTPUT, load


@click.group(cls=Group)
def assets() -> None:
    """Binaries and images: fetch, list, verify, mirror, pin."""


class Console:
    """Lines for people, and a bar below them where they go to a terminal."""

    def __init__(self):
        self.bar = None
        if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            self.progress = self._progress

    def __call__(self, line: str) -> None:
        with self._lock:
            say(line) if self.bar is None else self.bar.console.print(line)

    def _progress(self, what: str, doing: str, done: int, total: int, left: float) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        from ..assets.building.modules import told
        from ..progress.console import console

        with self._lock:
            if not doing:
                self.close()
                return
            if self.bar is None:
                columns = ("{task.description}", BarColumn(), "{task.fields[told]}")
                self.bar = Progress(
                    *(TextColumn(c, markup=False) if isinstance(c, str) else c for c in columns),
                    console=console(sys.stdout),
                    transient=True,
                )
                self.task = self.bar.add_task(what, total=None, told="")
                self.bar.start()
            self.bar.update(
                self.task, description=what, completed=done, total=total or None, told=told(doing, done, total, left)
            )

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    _lock = threading.RLock()


@contextlib.contextmanager
def asset_store(inventory: Path, arch: tuple[str, ...]):
    """The store of an inventory's assets and the architectures meant; a bar that is shown ends with it."""
    from ..assets import AssetStore

    cluster, _ = load(inventory, None)
    console = Console()
    try:
        yield AssetStore(cluster, report=console), arch or ("amd64",)
    finally:
        console.close()


ARCH = click.option(
    "--arch",
    multiple=True,
    type=click.Choice(["amd64", "arm64"]),
    help="Architecture of the hosts (repeatable).  [default: amd64]",
)


@assets.command("fetch")
@INVENTORY
@ARCH
def assets_fetch(inventory: Path, arch: tuple[str, ...]) -> None:
    """Fetch all binaries and images the inventory needs.

    What is missing in the cache is downloaded or compiled, as `assets.source` says, and its checksum verified. A wrong
    checksum exits with code 8. After an interruption, the same command continues.
    """
    with asset_store(inventory, arch) as (store, archs):
        found = store.gather(archs)
    say(
        f"{len(found)} assets, {sum(asset.size for asset in found.values()) / 1e6:.0f} MB, verified in"
        f" {store.cache.directory}"
    )


@assets.command("build")
@INVENTORY
@ARCH
def assets_build(inventory: Path, arch: tuple[str, ...]) -> None:
    """Compile the binaries from Go modules (minutes, once).

    It does what fetch does with `assets: {source: modules}`, whichever source the inventory names.
    """
    from ..assets import AssetStore

    cluster, _ = load(inventory, None)
    cluster = dataclasses.replace(cluster, assets=dataclasses.replace(cluster.assets, source="modules", mirror=""))
    console = Console()
    try:
        store = AssetStore(cluster, report=console)
        found = store.gather(arch or ("amd64",))
    finally:
        console.close()
    say(
        f"{len(found)} assets, {sum(asset.size for asset in found.values()) / 1e6:.0f} MB, verified in"
        f" {store.cache.directory}"
    )


@assets.command("pin")
@click.argument("versions", metavar="VERSION...", nargs=-1, required=True)
@ARCH
def assets_pin(versions: tuple[str, ...], arch: tuple[str, ...]) -> None:
    """Pin new versions as Go modules (for maintainers).

    VERSION is a Kubernetes version, such as 1.37.3, or COMPONENT=VERSION, such as etcd=3.7.4. In a checkout of hardway
    this compiles every program and writes go.mod, go.sum and each program's sha256.
    """
    from ..assets.building.pin import pin
    from ..assets.cache import Cache, default_directory

    console = Console()
    try:
        cache = Cache(default_directory(), "modules")
        with cache.lock(console):
            for text in versions:
                component, _, version = text.rpartition("=")
                folder = pin(component or "kubernetes", version, arch or ("amd64",), cache, console)
                console(f"pinned in {folder}; to make it a default, add it to sets: in hardway/assets/releases.yaml")
    finally:
        console.close()


@assets.command("mirror")
@INVENTORY
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False))
@ARCH
def assets_mirror(inventory: Path, folder: Path, arch: tuple[str, ...]) -> None:
    """Fill a folder for offline use.

    The folder gets the files that the inventory's source publishes, as FOLDER/HOST/PATH, and their checksums, all
    verified. An inventory with `assets: {source: mirror, mirror: FOLDER}`, or with a URL that serves the folder, then
    needs no internet. A second run downloads only what is missing.
    """
    from ..assets.fetching.mirror import fill

    cluster, _ = load(inventory, None)
    files = fill(cluster, arch or ("amd64",), folder, report=lambda line: say(line))
    say(f"{len(files)} files, {sum(file.stat().st_size for file in files) / 1e6:.0f} MB, verified in {folder}")
    say(f"to use them, set  assets: {{source: mirror, mirror: {folder.resolve()}}}  in the inventory")
    say(f"to serve them:  python3 -m http.server --directory {folder}")


@assets.command("list")
@INVENTORY
@ARCH
@OUTPUT
def assets_list(inventory: Path, arch: tuple[str, ...], output: str) -> None:
    """Show what is cached: version, origin, sha256."""
    with asset_store(inventory, arch) as (store, archs):
        rows = store.list(archs)
    if output == "json":
        say(json.dumps([dataclasses.asdict(row) for row in rows], indent=2, default=str))
        return
    for row in rows:
        where = f"{row.component:14} {row.name:26} {row.version:10} {row.arch:6}"
        made = f" with {row.made_with}" if row.made_with else ""
        say(
            f"{where} {row.state:8} {row.size / 1e6:8.1f} MB  {row.sha256[:12]:12}  {row.origin:8} "
            f" {row.provenance}{made}"
        )


@assets.command("verify")
@INVENTORY
@ARCH
def assets_verify(inventory: Path, arch: tuple[str, ...]) -> None:
    """Verify the checksum of every cached file.

    A file must be what hardway pins, or what it stored here itself. It lists every missing or changed file and exits
    with code 8 if there is one.
    """
    from ..errors import AssetError
    from ..progress.closing import plural

    with asset_store(inventory, arch) as (store, archs):
        problems, unpinned = store.verify(archs), store.unpinned(archs)
    if problems:
        raise AssetError(
            f"{plural(len(problems), 'asset')} missing or with a wrong checksum",
            evidence="\n".join(problems),
            hint=f"hardway assets fetch {inventory}",
        )
    say("the checksum of every asset is correct")
    if unpinned:
        say(f"as hardway stored them, without a pinned checksum: {', '.join(unpinned)}")
