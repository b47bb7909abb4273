"""Fetching an image over the registry HTTP API into an OCI archive: every blob is checked against its digest."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import tempfile
import urllib.error
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...errors import AssetError
from .. import images
from ..asset import Report
from ..cache import sha256_of
from ..table import table
from .download import Site

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = (images.MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")
OTHER_VERSION = "choose another version in the inventory"
HOSTS = {"docker.io": "registry-1.docker.io"}


def pull(site: Site, reference: str, arch: str, target: Path, report: Report, own: Mapping[str, str]) -> str:
    """Write the archive of `reference` for `arch` to `target`; the digest of its manifest.

    What its tag stands for must have the sha256 that the user's `own` digests or the table name, when they do.
    """
    pinned = own.get(reference) or table()["digests"].get(reference, "")
    return _Pull(site, reference, arch, report, pinned).write(target)


class _Pull:
    def __init__(self, site: Site, reference: str, arch: str, report: Report, pinned: str):
        host, _, rest = reference.partition("/")
        self.repository, _, self.tag = rest.rpartition(":")
        # Over http only where nothing can listen in: a registry on this very machine.
        scheme = "http" if host.partition(":")[0] in ("localhost", "127.0.0.1") else "https"
        self.base = f"{scheme}://{HOSTS.get(host, host)}/v2/{self.repository}"
        self.site, self.reference, self.arch, self.report, self.pinned = site, reference, arch, report, pinned
        self.headers: dict[str, str] = {"Accept": ", ".join((*INDEXES, *MANIFESTS))}

    def write(self, target: Path) -> str:
        manifest = self._manifest()
        document = _document(manifest, self.reference)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            blobs = [self._blob(digest, Path(scratch)) for digest in self._contents(document)]
            self._check_architecture(blobs[0])
            media = images.MANIFEST if document.get("mediaType") not in MANIFESTS else document["mediaType"]
            images.write(target, self.reference, media, manifest, blobs)
        return "sha256:" + hashlib.sha256(manifest).hexdigest()

    def _manifest(self) -> bytes:
        """The manifest for this architecture, through the index when the tag points at one."""
        if self.site.plain and not self.pinned:
            hint = (
                "serve the mirror over https, use a folder, or give a file with the digest: assets: {checksums: FILE}"
            )
            raise AssetError(f"{self.reference} would be downloaded over plain http, without a known digest", hint=hint)
        content = self._read(f"{self.base}/manifests/{self.tag}")
        if self.pinned:
            self._checked(content, f"sha256:{self.pinned}")
        document = _document(content, self.reference)
        if "manifests" not in document:
            return content
        digest = self._entry(document)
        return self._checked(self._read(f"{self.base}/manifests/{digest}"), digest)

    def _entry(self, index: dict) -> str:
        """The digest of the manifest for this architecture."""
        with self._sound(index):
            for entry in index["manifests"]:
                platform = entry.get("platform", {})
                if platform.get("os") == "linux" and platform.get("architecture") == self.arch:
                    return self._digest(entry["digest"])
        raise AssetError(f"{self.reference} has no image for linux/{self.arch}", hint=OTHER_VERSION)

    def _contents(self, manifest: dict) -> list[str]:
        """The digests of the configuration and of every layer."""
        with self._sound(manifest):
            return [self._digest(blob["digest"]) for blob in (manifest["config"], *manifest["layers"])]

    @contextlib.contextmanager
    def _sound(self, document: dict) -> Iterator[None]:
        try:
            yield
        except (KeyError, TypeError, AttributeError) as error:
            evidence = f"{type(error).__name__}: {error}\n{json.dumps(document)[:300]}"
            message = f"the registry's answer for {self.reference} does not describe an image"
            raise AssetError(message, evidence=evidence, hint="check the proxy or mirror") from error

    def _digest(self, found: object) -> str:
        """It becomes part of addresses, and of paths in a mirror's folder, so nothing else is taken for one."""
        if not re.fullmatch("sha256:[0-9a-f]{64}", str(found)):
            raise AssetError(
                f"{self.reference} names its content by {str(found)[:100]!r}, which is not a sha256", hint=OTHER_VERSION
            )
        return str(found)

    def _blob(self, digest: str, scratch: Path) -> Path:
        path = scratch / digest.removeprefix("sha256:")
        self.site.fetch(f"{self.base}/blobs/{digest}", path, self.report, self.headers)
        if sha256_of(path) != path.name:
            raise self._wrong(digest, f"sha256:{sha256_of(path)}")
        return path

    def _check_architecture(self, config: Path) -> None:
        found = _document(config.read_bytes(), self.reference).get("architecture")
        if found != self.arch:
            raise AssetError(f"{self.reference} is an image for {found}, not for {self.arch}", hint=OTHER_VERSION)

    def _checked(self, content: bytes, digest: str) -> bytes:
        found = "sha256:" + hashlib.sha256(content).hexdigest()
        if found != digest:
            raise self._wrong(digest, found)
        return content

    def _wrong(self, digest: str, found: str) -> AssetError:
        return AssetError(
            f"the registry's answer for {self.reference} does not match its digest",
            evidence=f"expected {digest}\nfound    {found}",
            hint="a proxy or the mirror changes content: use another network or mirror, then: hardway assets fetch INV",
        )

    def _read(self, url: str) -> bytes:
        """A document, logging in anonymously first when the registry asks for it."""
        try:
            return self.site.read(url, self.headers)
        except AssetError as error:
            refused = error.__cause__
            if (
                not isinstance(refused, urllib.error.HTTPError)
                or refused.code != 401
                or "Authorization" in self.headers
            ):
                raise
            self.headers["Authorization"] = "Bearer " + self._token(refused.headers.get("WWW-Authenticate", ""))
        return self.site.read(url, self.headers)

    def _token(self, challenge: str) -> str:
        fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        if not fields.get("realm", "").startswith(("https://", "http://")):
            message = f"the registry of {self.reference} asks for a login but does not say how"
            raise AssetError(message, evidence=challenge, hint="use a mirror")
        query = {
            "service": fields.get("service", ""),
            "scope": fields.get("scope", f"repository:{self.repository}:pull"),
        }
        # The realm is an address of its own, whether a mirror or the registry itself named it.
        answer = Site().read(f"{fields['realm']}?{urllib.parse.urlencode(query)}")
        document = _document(answer, self.reference)
        return document.get("token") or document.get("access_token") or ""


def _document(content: bytes, reference: str) -> dict:
    try:
        document = json.loads(content)
    except ValueError as error:
        evidence = content[:200].decode(errors="replace")
        message = f"the registry's answer for {reference} is not JSON"
        raise AssetError(message, evidence=evidence, hint="check the proxy or mirror") from error
    return document if isinstance(document, dict) else {}
