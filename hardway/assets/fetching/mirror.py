"""Filling a mirror: what is published, byte for byte, in a folder laid out as `FOLDER/HOST/PATH`, checked as if it were
to be used here."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from ...cluster import Cluster
from ...errors import AssetError
from .. import table
from ..asset import Item, Report
from ..cache import Cache, default_directory, sha256_of, usable
from ..table import Release, image_reference
from . import registry
from .checksums import digest
from .download import Site
from .releases import Releases, in_parallel, releases


def fill(cluster: Cluster, archs: Iterable[str], folder: Path, report: Report) -> list[Path]:
    """Bring every file that hosts of these architectures may need into a mirror; the files, whether or not they were
    there before.

    A file that is there and has the right checksum is left alone, so the work can be done in several goes. AssetError
    otherwise.
    """
    if cluster.assets.source == "modules":
        raise AssetError(
            "programs built from Go modules are not published, so there is nothing to mirror",
            hint=(
                f"copy {default_directory()} and set HARDWAY_CACHE=FOLDER to the copy; what has a pin is checked,"
                " and for the rest give your own checksums: assets: {checksums: FILE}"
            ),
        )
    cache = Cache(default_directory(), "releases")
    items = [item for arch in sorted(set(archs)) for item in table.needed(cluster, arch)]
    with usable(cache.directory), cache.lock(report), usable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        found = _Filling(cluster, cache, folder, report)
        in_parallel([partial(found.file, release) for release in releases(cluster, items)])
        in_parallel([partial(found.image, item) for item in items if item.is_image and item.name != "coredns"])
    return sorted(set(found.written))


class _Filling:
    def __init__(self, cluster: Cluster, cache: Cache, folder: Path, report: Report):
        self.cluster, self.report = cluster, report
        self.source = Releases(cluster, cache, report)
        self.copy = _Copy(self.source.site, folder)
        self.written = self.copy.written

    def file(self, found: Release) -> None:
        """A release file and the checksum its project publishes with it."""
        path = self.copy.path(found.url)
        expected, _ = self.source.checksums.expected(found)
        if not path.is_file() or digest(path, expected) != expected:
            self.source.download(found, path)
            self.source.checksums.keep(found.url, expected)
            self.report(f"{path.name}  {path.stat().st_size / 1e6:.1f} MB")
        self.written.append(path)
        self.copy.read(found.checksum_url)

    def image(self, item: Item) -> None:
        """An image as its registry serves it: what the tag stands for, and every blob under its digest."""
        reference = image_reference(self.cluster, item.name)
        with tempfile.TemporaryDirectory(dir=self.copy.folder, prefix=".image-") as scratch:
            registry.pull(
                self.copy, reference, item.arch, Path(scratch) / "archive", self.report, self.source.checksums.own
            )
        self.report(f"{reference} for {item.arch}")


class _Copy(Site):
    """Another site, of which all that is read is kept in a folder."""

    def __init__(self, source: Site, folder: Path):
        super().__init__(str(folder))
        self.source, self.folder = source, folder
        self.written: list[Path] = []

    def path(self, url: str) -> Path:
        path = Path(super().location(url))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def location(self, url: str) -> str:
        return self.source.location(url)

    def read(self, url: str, headers: dict[str, str] | None = None) -> bytes:
        content, path = self.source.read(url, headers), self.path(url)
        # Files for two architectures share such documents, and are brought at the same time.
        temporary = path.with_name(f".{path.name}.{threading.get_ident()}")
        temporary.write_bytes(content)
        temporary.replace(path)
        self.written.append(path)
        return content

    def fetch(self, url: str, target: Path, report: Report, headers: dict[str, str] | None = None) -> None:
        path = self.path(url)
        # The last part of a blob's address is its digest, so what is there can vouch for itself.
        if not path.is_file() or f"sha256:{sha256_of(path)}" != path.name:
            self.source.fetch(url, path, report, headers)
        shutil.copyfile(path, target)
        self.written.append(path)
