"""Gathering what projects publish: from their own hosts or from a mirror with the same layout."""

from __future__ import annotations

import lzma
import posixpath
import shutil
import tarfile
import time
import zlib
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

from ...cluster import Cluster
from ...errors import AssetError
from .. import images
from ..asset import Asset, Item, Report, megabytes
from ..cache import Cache
from ..table import Release, binary_item, image_reference, release
from . import registry
from .checksums import Checksums, digest
from .download import Site

PARALLEL = 4


class Releases:
    """Downloads missing items into the cache, several at a time."""

    def __init__(self, cluster: Cluster, cache: Cache, report: Report):
        self.cluster = cluster
        self.cache = cache
        self.report = report
        self.site = Site(cluster.assets.mirror if cluster.assets.source == "mirror" else "")
        self.checksums = Checksums(cache.directory / "assets.lock.yaml", self.site, cluster.assets.checksums)

    def gather(self, missing: list[Item]) -> None:
        """Bring every missing item into the cache; AssetError for the first that cannot be had."""
        pulled = [item for item in missing if item.is_image and item.name != "coredns"]
        built = [item for item in missing if item.is_image and item.name == "coredns"]
        wanted = set(missing)
        files = [
            r for r in releases(self.cluster, missing) if wanted & set(r.items) or not all(map(self.cache.has, r.items))
        ]
        in_parallel([*(partial(self._file, found) for found in files), *(partial(self._pull, item) for item in pulled)])
        for item in built:
            images.build_coredns(self.cluster, self.cache, item, self.report)

    def _file(self, found: Release) -> list[Asset]:
        started = time.monotonic()
        downloads = self.cache.directory / "downloads"
        downloads.mkdir(parents=True, exist_ok=True)
        # The architecture is part of the URL only, so the name carries the whole of it.
        target = downloads / found.url.partition("://")[2].replace("/", "_")
        actual = self.download(found, target)
        assets = _unpack(target, found, self.cache)
        self.checksums.keep(found.url, actual)
        for asset in assets:
            self.report(
                f"{asset.name} {asset.version} {asset.arch}  {megabytes(asset.size)} "
                f" {time.monotonic() - started:.1f} s"
            )
        return assets

    def download(self, found: Release, target: Path) -> str:
        """The whole verified file, and its checksum; a continued download that turns out mixed is fetched once from the
        start."""
        expected, authority = self.checksums.expected(found)
        resumed = target.with_name(target.name + ".part").exists()
        self.site.fetch(found.url, target, self.report)
        actual = digest(target, expected)
        if actual != expected and resumed:
            self.site.fetch(found.url, target, self.report)
            actual = digest(target, expected)
        if actual != expected:
            target.unlink()
            raise AssetError(
                f"{self.site.location(found.url)} does not match the checksum in {authority}",
                evidence=f"expected {expected}\nfound    {actual}",
                hint="do not use it: try another network, or ask the project; then: hardway assets fetch INV",
            )
        return actual

    def _pull(self, item: Item) -> None:
        started = time.monotonic()
        reference = image_reference(self.cluster, item.name)
        target = self.cache.directory / "downloads" / f"{item.name}-{item.version}-{item.arch}.tar"
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = registry.pull(self.site, reference, item.arch, target, self.report, self.checksums.own)
        asset = self.cache.put(item, target, f"{reference}@{digest}")
        self.report(
            f"{item.name} image {item.version} {item.arch}  {megabytes(asset.size)}  {time.monotonic() - started:.1f} s"
        )


def releases(cluster: Cluster, items: list[Item]) -> list[Release]:
    """The files in which these items are published, each once. CoreDNS' image is made here, of its released binary."""
    binaries = [item for item in items if not item.is_image]
    binaries += [
        binary_item(cluster.versions, item.name, item.arch)
        for item in items
        if item.is_image and item.name == "coredns"
    ]
    return list({found.url: found for found in map(release, binaries)}.values())


def in_parallel(jobs: list) -> None:
    pool = ThreadPoolExecutor(PARALLEL)
    try:
        done, _ = wait([pool.submit(job) for job in jobs], return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    finally:
        # What is running ends and stays in the cache; what has not begun after a failure never begins.
        pool.shutdown(cancel_futures=True)


def _unpack(target: Path, found: Release, cache: Cache) -> list[Asset]:
    """Move the download, or the wanted members of the archive, into the cache."""
    if not found.members:
        return [cache.put(found.items[0], target, found.url)]
    directory = target.with_name(target.name + ".d")
    directory.mkdir(exist_ok=True)
    try:
        with tarfile.open(target) as archive:
            unpacked = _members(archive, found, directory)
        return [
            cache.put(item, unpacked[item.name], f"{found.url} ({found.members[item.name]})") for item in found.items
        ]
    except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise AssetError(
            f"{found.url} cannot be unpacked", evidence=str(error), hint="check the versions in the inventory"
        ) from error
    finally:
        target.unlink(missing_ok=True)
        shutil.rmtree(directory)


def _members(archive: tarfile.TarFile, found: Release, directory: Path) -> dict[str, Path]:
    """The wanted files of an archive, taken out in the order they lie in: going back would unpack it from its start
    again."""
    wanted = {path: name for name, path in found.members.items()}
    unpacked = {}
    for member in archive:
        name = wanted.pop(posixpath.normpath(member.name), None) if member.isfile() else None
        if name:
            unpacked[name] = directory / name
            with archive.extractfile(member) as stream, unpacked[name].open("wb") as target:
                shutil.copyfileobj(stream, target, 1 << 20)
        if not wanted:
            break
    if wanted:
        hint = "check the versions in the inventory: this release has another layout"
        raise AssetError(f"{found.url} does not contain {next(iter(wanted))}", hint=hint)
    return unpacked
