"""What a release file must hash to: the user's word, else the table's, the lock file's, or the checksum its project
publishes.

The first published checksum is kept in the lock file; from then on nothing else is accepted for that URL. A checksum is
a sha256 or a sha512, whichever its project publishes; its length tells.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import threading
from pathlib import Path

import yaml

from ...errors import AssetError
from ..table import Release
from .download import Site

HEADER = (
    "# Checksums of release files as first seen; delete a line only if you know why the project replaced the file.\n"
)


ALGORITHMS = {64: "sha256", 128: "sha512"}


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
        self.own = _read(Path(own)) if own else {}
        self._lock = threading.Lock()

    def expected(self, release: Release) -> tuple[str, str]:
        """(checksum, who says so); AssetError when nobody does."""
        if own := self.own.get(release.url):
            return own, "assets.checksums"
        if release.pinned:
            return release.pinned, "hardway's table of releases"
        if locked := _read(self.path).get(release.url):
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
            locked = _read(self.path)
            if url not in locked:
                locked[url] = checksum
                temporary = self.path.with_name(self.path.name + ".new")
                temporary.write_text(HEADER + yaml.safe_dump(locked, width=1000), encoding="utf-8")
                temporary.replace(self.path)

    def _published(self, release: Release) -> str:
        text = self.site.read(release.checksum_url).decode("utf-8", "replace")
        found = parse(text, posixpath.basename(release.url))
        if not found:
            raise AssetError(
                f"{self.site.location(release.checksum_url)} has no checksum for {posixpath.basename(release.url)}",
                evidence=text[:500],
                hint="open that URL: the release may be incomplete or the mirror wrong",
            )
        return found


def parse(text: str, name: str) -> str:
    """The checksum of file `name` in a document: a bare hash, or lines of `HASH  FILE`; "" when absent."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    hashes = {posixpath.basename(line[1].lstrip("*")): line[0] for line in lines if len(line) >= 2}
    found = hashes.get(name) or (lines[0][0] if len(lines) == 1 and len(lines[0]) == 1 else "")
    return found.lower() if is_checksum(found) else ""


def is_checksum(text: str) -> bool:
    """Whether it is a sha256 or a sha512 in hex."""
    return len(text) in ALGORITHMS and bool(re.fullmatch(r"[0-9a-fA-F]+", text))


def _read(path: Path) -> dict[str, str]:
    """Checksums by URL from a YAML file, {} when there is none; AssetError when it is something else."""
    try:
        found = (
            yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader) or {}
        )  # plain text: a checksum of digits alone is no number
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AssetError(
            f"{path} cannot be read as YAML", evidence=str(error), hint=f"correct it, or rm {path}"
        ) from error
    if not isinstance(found, dict) or not all(is_checksum(str(value)) for value in found.values()):
        raise AssetError(f"{path} is not a list of checksums", hint="write one line per file: URL: SHA256 (or SHA512)")
    return {str(url): str(value).lower() for url, value in found.items()}
