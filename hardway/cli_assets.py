"""`hardway assets …`: the binaries and images of an inventory, on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .cli_options import INVENTORY, OUTPUT, load
from .help import Group


@click.group(cls=Group)
def assets() -> None:
    """Binaries and images: fetch, build, mirror, list, verify."""


def asset_store(inventory: Path, arch: tuple[str, ...]):
    from .assets import AssetStore

    cluster, _ = load(inventory, None)
    return AssetStore(cluster, report=lambda line: click.echo(line)), arch or ("amd64",)


ARCH = click.option(
    "--arch", multiple=True, type=click.Choice(["amd64", "arm64"]), help="For these machines (may be given again).  [default: amd64]"
)


def _gather(inventory: Path, arch: tuple[str, ...]) -> None:
    store, archs = asset_store(inventory, arch)
    found = store.gather(archs)
    click.echo(f"{len(found)} assets, {sum(asset.size for asset in found.values()) / 1e6:.0f} MB, verified in {store.cache.directory}")


@assets.command("fetch")
@INVENTORY
@ARCH
def assets_fetch(inventory: Path, arch: tuple[str, ...]) -> None:
    """Gather all binaries and images the inventory needs.

    What the cache lacks is taken from the inventory's source and its checksum verified. One wrong byte ends with exit code 8.
    """
    _gather(inventory, arch)


@assets.command("build")
@INVENTORY
@ARCH
def assets_build(inventory: Path, arch: tuple[str, ...]) -> None:
    """Gather by building from Debian's sources (minutes, once).

    The same as fetch; the name for inventories with `source: debian`, where Kubernetes is compiled on this machine.
    """
    _gather(inventory, arch)


@assets.command("mirror")
@INVENTORY
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False))
@ARCH
def assets_mirror(inventory: Path, folder: Path, arch: tuple[str, ...]) -> None:
    """Fill a folder from which others fetch offline.

    It holds what the inventory's source publishes, laid out as FOLDER/HOST/PATH, checksums verified and included. An inventory with
    `assets: {source: mirror, mirror: FOLDER}`, or the URL at which you serve that folder, then needs no internet. Running it again
    brings only what is missing.
    """
    from .assets.mirror import fill

    cluster, _ = load(inventory, None)
    files = fill(cluster, arch or ("amd64",), folder, report=lambda line: click.echo(line))
    click.echo(f"{len(files)} files, {sum(file.stat().st_size for file in files) / 1e6:.0f} MB, verified in {folder}")
    click.echo(f"use them with  assets: {{source: mirror, mirror: {folder.resolve()}}}  in an inventory")
    click.echo(f"or serve them:  python3 -m http.server --directory {folder}")


@assets.command("list")
@INVENTORY
@ARCH
@OUTPUT
def assets_list(inventory: Path, arch: tuple[str, ...], output: str) -> None:
    """Show what is cached: version, size, provenance."""
    from dataclasses import asdict

    store, archs = asset_store(inventory, arch)
    rows = store.list(archs)
    if output == "json":
        click.echo(json.dumps([asdict(row) for row in rows], indent=2, default=str))
        return
    for row in rows:
        where = f"{row.component:14} {row.name:26} {row.version:10} {row.arch:6}"
        click.echo(f"{where} {row.state:8} {row.size / 1e6:8.1f} MB  {row.sha256[:12]:12}  {row.provenance}")


@assets.command("verify")
@INVENTORY
@ARCH
def assets_verify(inventory: Path, arch: tuple[str, ...]) -> None:
    """Hash every cached file again and compare.

    Anything missing or changed is named, and the exit code is 8.
    """
    from .errors import AssetError

    store, archs = asset_store(inventory, arch)
    problems = store.verify(archs)
    if problems:
        raise AssetError(
            f"{len(problems)} asset(s) are missing or not what they should be",
            evidence="\n".join(problems),
            hint=f"hardway assets fetch {inventory}",
        )
    click.echo("every asset is what its checksum says")
