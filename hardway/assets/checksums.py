"""What a release file must hash to: the table's word, else the lock file's, else the checksum its project publishes.

The first published checksum is kept in the lock file; from then on nothing else is accepted for that URL.
"""

from __future__ import annotations

import posixpath
import re
import threading
from pathlib import Path

import yaml

from ..errors import AssetError
from .download import Site
from .table import Release

HEADER = "# sha256 of release files as first seen; delete a line only if you know why its project replaced the file.\n"


class Checksums:
    """Expected sha256 by public URL, kept in `path`; used by one process at a time (the cache's lock), many threads."""

    def __init__(self, path: Path, site: Site):
        self.path = path
        self.site = site
        self._lock = threading.Lock()

    def expected(self, release: Release) -> tuple[str, str]:
        """(sha256, who says so); AssetError when nobody does."""
        if release.sha256:
            return release.sha256, "the table of releases"
        if locked := self._locked().get(release.url):
            return locked, f"the lock file {self.path}"
        return self._published(release), release.checksum_url

    def keep(self, url: str, sha256: str) -> None:
        """Remember what a URL held the first time."""
        with self._lock:
            locked = self._locked()
            if url not in locked:
                locked[url] = sha256
                temporary = self.path.with_name(self.path.name + ".new")
                temporary.write_text(HEADER + yaml.safe_dump(locked, width=1000))
                temporary.replace(self.path)

    def _locked(self) -> dict[str, str]:
        try:
            return yaml.safe_load(self.path.read_text()) or {}
        except FileNotFoundError:
            return {}
        except yaml.YAMLError as error:
            hint = f"restore it, or rm {self.path} to trust published checksums anew"
            raise AssetError(f"{self.path} is not valid YAML", evidence=str(error), hint=hint) from error

    def _published(self, release: Release) -> str:
        text = self.site.read(release.checksum_url).decode("utf-8", "replace")
        found = parse(text, posixpath.basename(release.url))
        if not found:
            raise AssetError(
                f"{self.site.location(release.checksum_url)} names no sha256 for {posixpath.basename(release.url)}",
                evidence=text[:500],
                hint="look at that address: the release may be incomplete or the mirror wrong",
            )
        return found


def parse(text: str, name: str) -> str:
    """The sha256 of file `name` in a checksum document: a bare hash, or lines of `HASH  FILE`; "" when absent."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    hashes = {posixpath.basename(line[1].lstrip("*")): line[0] for line in lines if len(line) >= 2}
    found = hashes.get(name) or (lines[0][0] if len(lines) == 1 and len(lines[0]) == 1 else "")
    return found.lower() if re.fullmatch(r"[0-9a-fA-F]{64}", found) else ""
