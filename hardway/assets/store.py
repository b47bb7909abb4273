"""The assets of one cluster: what it needs, gathered once, checked whenever it is handed out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from ..cluster import Cluster, Role
from ..errors import AssetError
from . import table
from .asset import Asset, Item, Report, Row
from .building.modules import Modules
from .cache import Cache, default_directory, usable
from .choice import Origin, chosen, reachable_or_built
from .fetching.releases import Releases

FETCH = "hardway assets fetch INV"


def in_cache(work: Callable) -> Callable:
    """A method whose errors of reading or writing the cache are AssetErrors."""

    @functools.wraps(work)
    def guarded(self: AssetStore, *args, **kwargs):
        with usable(self.cache.directory):
            return work(self, *args, **kwargs)

    return guarded


class AssetStore:
    """Assets of `cluster` in the directory `cache` (default: HARDWAY_CACHE, else ~/.cache/hardway).

    `report` is called, from several threads, with one line of text per event.
    """

    def __init__(self, cluster: Cluster, cache: Path | None = None, report: Report = lambda line: None):
        self.cluster = cluster
        self.report = report
        directory = cache or default_directory()
        self.origin = chosen(cluster, directory)
        self.cache = self._cache(directory)

    def _cache(self, directory: Path) -> Cache:
        return Cache(directory, self.origin or Origin.RELEASES, self.cluster.assets.checksums)

    def needed(self, arch: str = "amd64", roles: Collection[Role] = tuple(Role)) -> list[Item]:
        """Every binary and image archive a host of that architecture, or of these roles, may need in this cluster."""
        return table.needed(self.cluster, arch, roles)

    @in_cache
    def gather(
        self, archs: Iterable[str] = ("amd64",), roles: Collection[Role] = tuple(Role)
    ) -> dict[tuple[str, str], Asset]:
        """Fetch or build what is missing; all assets by (name, arch) with images as "image:NAME"; AssetError otherwise.

        What is already there is checked, never replaced: a damaged file is an error that names it.
        """
        items = [item for arch in sorted(set(archs)) for item in self.needed(arch, roles)]
        if not self.origin:
            self.origin = reachable_or_built(items, self.report)
            self.cache = self._cache(self.cache.directory)
        found = {item: self._get(item) for item in items}
        if not all(found.values()):
            with self.cache.lock(self.report):
                # Another process may have brought some of it while we waited for the lock.
                missing = [item for item in items if not self._get(item)]
                if missing:
                    self._source().gather(missing)
            found = {item: self._get(item) for item in items}
        return {(item.key, item.arch): self._present(item, asset) for item, asset in found.items()}

    @in_cache
    def binary(self, name: str, arch: str = "amd64") -> Asset:
        """The checked binary; AssetError when it is not in the cache, damaged, or unknown."""
        try:
            item = table.binary_item(self.cluster.versions, name, arch)
        except KeyError:
            raise AssetError(f"no component has a binary {name!r}", hint="hardway assets list INV") from None
        return self._present(item, self._get(item))

    @in_cache
    def image(self, name: str, arch: str = "amd64") -> Asset:
        """The checked archive of "pause", "coredns" or "busybox" (an OCI layout in a tar), with its `reference`."""
        item = table.image_item(self.cluster, name, arch)
        return self._present(item, self._get(item))

    @in_cache
    def verify(self, archs: Iterable[str] = ("amd64",)) -> list[str]:
        """Hash everything again: one sentence per missing or damaged file, [] when all is well."""
        return [
            problem for arch in sorted(set(archs)) for item in self.needed(arch) if (problem := self._problem(item))
        ]

    @in_cache
    def unpinned(self, archs: Iterable[str] = ("amd64",)) -> list[str]:
        """What lies in the cache and has no pin: hardway knows of it only what it was when it was stored here."""
        items = [item for arch in sorted(set(archs)) for item in self.needed(arch)]
        return [str(item) for item in items if self.cache.holds(item) and not self.cache.pin(item)]

    @in_cache
    def list(self, archs: Iterable[str] = ("amd64",)) -> list[Row]:
        """One row per needed asset, present or not."""
        return [self._row(item) for arch in sorted(set(archs)) for item in self.needed(arch)]

    def _source(self) -> Releases | Modules:
        kind = Modules if self.origin is Origin.MODULES else Releases
        return kind(self.cluster, self.cache, self.report)

    def _get(self, item: Item, rehash: bool = False) -> Asset | None:
        reference = table.image_reference(self.cluster, item.name) if item.is_image else ""
        return self.cache.get(item, reference, rehash)

    def _present(self, item: Item, asset: Asset | None) -> Asset:
        if asset is None:
            raise AssetError(f"{item} is not in the cache {self.cache.directory}", hint=FETCH)
        return asset

    def _problem(self, item: Item) -> str:
        try:
            if self._get(item, rehash=True):
                return ""
            unknown = f"{self.cache.path(item)} was not stored by this hardway, and no checksum for it is known"
            return f"{unknown if self.cache.holds(item) else f'{item} is missing'}; next: {FETCH}"
        except AssetError as error:
            return f"{error.message}; next: {error.hint}"

    def _row(self, item: Item) -> Row:
        known = (item.component, item.name, item.version, item.arch)
        try:
            asset = self._get(item)
        except AssetError:
            return Row(*known, "damaged", self.cache.origin, path=self.cache.path(item))
        if asset is None:
            return Row(*known, "unknown" if self.cache.holds(item) else "missing")
        made = (asset.size, asset.sha256, asset.provenance, asset.made_with)
        return Row(*known, "cached", self.cache.origin, *made, asset.path)
