"""Which origin a cluster's files come from: official releases, or programs built here from Go modules.

Programs of the two are not the same bytes, so a choice once made is kept: what the cache holds decides before the
network does.
"""

from __future__ import annotations

import enum
import urllib.parse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..cluster import Cluster
from .asset import Item, Report
from .cache import Cache
from .fetching.download import Site
from .table import needed, release

ARCHS = ("amd64", "arm64")


class Origin(enum.StrEnum):
    RELEASES = "releases"
    MODULES = "modules"


def chosen(cluster: Cluster, directory: Path) -> Origin | None:
    """The origin that the inventory names, or of which the cache holds most; None when that is yet to be found out."""
    if cluster.assets.source != "auto":
        return Origin.MODULES if cluster.assets.source == "modules" else Origin.RELEASES
    items = [item for arch in ARCHS for item in needed(cluster, arch)]
    held = {origin: sum(map(Cache(directory, origin).holds, items)) for origin in Origin}
    most = max(held, key=held.get)
    return most if held[most] else None


def reachable_or_built(items: Sequence[Item], report: Report) -> Origin:
    """Official files where every host that has them answers, else Go modules; says which and why.

    Only silence counts: AssetError when a host answers with a certificate that is not its own.
    """
    site = Site()
    urls = {
        urllib.parse.urlsplit(url).netloc: url for url in {release(item).url for item in items if not item.is_image}
    }
    with ThreadPoolExecutor(len(urls) or 1) as pool:
        silent = [why for why in pool.map(site.silence, urls.values()) if why]
    if not silent:
        report(f"assets.source auto: using official releases, {' and '.join(sorted(urls))} answer")
        return Origin.RELEASES
    report(f"assets.source auto: building from Go modules, {silent[0]}")
    return Origin.MODULES
