"""What a release file must hash to: the user's word, else the table's, the lock file's, or the checksum its project
publishes.

The first published checksum is kept in the lock file; from then on nothing else is accepted for that URL. A checksum is
a sha256 or a sha512, whichever its project publishes; its length tells.
"""

from __future__ import annotations

import hashlib
import posixpath
import threading
from pathlib import Path

import yaml

from ...errors import AssetError
from ..pins import ALGORITHMS, is_checksum, read
from ..table import Release
from .download import Site

HEADER = (
    "# Checksums of release files as first seen; delete a line only if you know why the project replaced the file.\n"
)


def digest(path: Path, like: str) -> str:
    """A file's checksum in hex, of the kind that `like` is."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, ALGORITHMS[len(like)]).hexdigest()


class Checksums:
    """Expected checksums by public URL, kept in `path`; used by one process at a time (the cache's lock), many threads.

    `own` is a file of the user's in the same format, whose word counts before all others.
    """

    def __init__(self, path: Path, site: Site, own: str = ""):
        self.path = path
        self.site = site
        self.own = read(Path(own)) if own else {}
        self._lock = threading.Lock()

    def expected(self, release: Release) -> tuple[str, str]:
        """(checksum, who says so); AssetError when nobody does."""
        if own := self.own.get(release.url):
            return own, "assets.checksums"
        if release.pinned:
            return release.pinned, "hardway's table of releases"
        if locked := read(self.path).get(release.url):
            return locked, f"the lock file {self.path}"
        if self.site.plain:
            raise AssetError(
                f"{self.site.location(release.url)} would be downloaded over plain http, without a known checksum",
                hint=(
                    "serve the mirror over https, use a folder, or give a file with the checksum: assets: {checksums:"
                    " FILE}"
                ),
            )
        return self._published(release), release.checksum_url

    def keep(self, url: str, checksum: str) -> None:
        """Remember what a URL held the first time."""
        with self._lock:
            locked = read(self.path)
            if url not in locked:
                locked[url] = checksum
                temporary = self.path.with_name(self.path.name + ".new")
                temporary.write_text(HEADER + yaml.safe_dump(locked, width=1000), encoding="utf-8")
                temporary.replace(self.path)

    def _published(self, release: Release) -> str:
        text = self.site.read(release.checksum_url).decode("utf-8", "replace")
        found = parse(text, posixpath.basename(release.url))
        if not found:
            place = self.site.location(release.checksum_url)
            raise AssetError(
                f"{place} has no checksum for {posixpath.basename(release.url)}",
                evidence=text[:500],
                hint=f"look at {place}: the release may be incomplete, or the mirror wrong",
            )
        return found


def parse(text: str, name: str) -> str:
    """The checksum of file `name` in a document: a bare hash, or lines of `HASH  FILE`; "" when absent."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    hashes = {posixpath.basename(line[1].lstrip("*")): line[0] for line in lines if len(line) >= 2}
    found = hashes.get(name) or (lines[0][0] if len(lines) == 1 and len(lines[0]) == 1 else "")
    return found.lower() if is_checksum(found) else ""
