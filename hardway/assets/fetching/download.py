"""One file from a URL or a mirror folder to a path: resumable over HTTP, complete or an error."""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO

from ...errors import AssetError
from ..asset import Report, megabytes

CHUNK = 1 << 18
# More is no list of checksums and no manifest, and would fill the memory.
DOCUMENT = 16 << 20
TIMEOUT = 30.0
# How long a host may take to accept a connection before it counts as not there.
SILENCE = 5.0
REPORT_EVERY = 5.0
LOCAL = ("localhost", "127.0.0.1", "::1")
BROKEN = (OSError, http.client.HTTPException)


class Site:
    """Where public URLs are really read: the projects' own hosts, or a mirror with the layout `<mirror>/<host>/<path>`.

    A mirror is a base URL or a local folder; `wget -x` makes such a folder. A host that does not answer is asked once.
    """

    def __init__(self, mirror: str = ""):
        self.mirror = mirror.rstrip("/")
        self._asked: dict[tuple[str, int], OSError | None] = {}
        self._asking = threading.Lock()

    @property
    def plain(self) -> bool:
        """Whether anybody on the way could change what is read: http, and not from this very machine."""
        parts = urllib.parse.urlsplit(self.mirror)
        return parts.scheme == "http" and parts.hostname not in LOCAL

    def silence(self, url: str) -> str:
        """Why nothing can be had from the host of a URL, "" when it answers; AssetError when it answers as somebody
        else."""
        try:
            self._knock(self.location(url))
            with _open(self.location(url), {}, "HEAD", 2 * SILENCE):
                return ""
        except urllib.error.HTTPError:
            return ""
        except BROKEN as error:
            if isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError):
                raise _failed(self.location(url), error, self.mirror) from error
            return f"{_host(url)} does not answer ({getattr(error, 'reason', error)})"

    def _knock(self, location: str) -> None:
        """OSError when no connection to the host (or to the proxy that stands for it) comes about, the same for every
        later call."""
        address = _address(location)
        with self._asking:
            if address not in self._asked:
                self._asked[address] = _connect(*address)
            if error := self._asked[address]:
                raise error

    def location(self, url: str) -> str:
        """The URL or, for a mirror folder, the path that is read for a public URL."""
        if not self.mirror:
            return url
        parts = urllib.parse.urlsplit(url)
        return f"{self.mirror.removeprefix('file://')}/{parts.netloc}{parts.path}"

    def read(self, url: str, headers: dict[str, str] | None = None) -> bytes:
        """A small document's bytes; AssetError when it cannot be had."""
        location = self.location(url)
        try:
            if _is_folder(location):
                with Path(location).open("rb") as file:
                    return _small(file)
            self._knock(location)
            with _open(location, headers or {}) as answer:
                return _small(answer)
        except (*BROKEN, ValueError) as error:
            raise _failed(location, error, self.mirror) from error

    def fetch(self, url: str, target: Path, report: Report, headers: dict[str, str] | None = None) -> None:
        """Write the document at `url` to `target`; what an earlier try left in `target`.part is continued."""
        location, part = self.location(url), target.with_name(target.name + ".part")
        try:
            if _is_folder(location):
                shutil.copyfile(location, part)
            else:
                self._knock(location)
                _download(location, part, report, headers or {})
        except (*BROKEN, ValueError) as error:
            raise _failed(location, error, self.mirror) from error
        part.replace(target)


def _small(stream: IO[bytes]) -> bytes:
    content = stream.read(DOCUMENT + 1)
    if len(content) > DOCUMENT:
        raise ValueError(f"it is larger than {megabytes(DOCUMENT)}")
    if missing := getattr(stream, "length", None):
        raise http.client.IncompleteRead(content, missing)
    return content


def _is_folder(location: str) -> bool:
    return "://" not in location


def _address(location: str) -> tuple[str, int]:
    parts = urllib.parse.urlsplit(location)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or {"https": 443}.get(parts.scheme, 80)


def _connect(host: str, port: int) -> OSError | None:
    try:
        socket.create_connection((host, port), timeout=SILENCE).close()
    except OSError as error:
        return error
    return None


def _open(location: str, headers: dict[str, str], method: str = "GET", timeout: float = TIMEOUT):
    request = urllib.request.Request(location, headers={"User-Agent": "hardway"}, method=method)
    for name, value in headers.items():
        # Unredirected: a registry hands blobs out of other hosts, which must not see its token.
        request.add_unredirected_header(name, value)
    # An opener per request reads the proxies of the environment as they are now; urlopen keeps those of its first use.
    return urllib.request.build_opener().open(request, timeout=timeout)


def _download(location: str, part: Path, report: Report, headers: dict[str, str]) -> None:
    """Continue as long as every try brings something; a connection that dies without a byte ends it."""
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _continue(location, part, report, headers):
                return
        except urllib.error.HTTPError as error:
            if error.code != 416 or not before:
                raise
            part.unlink()  # The server has fewer bytes than the part here, which is of another file.
            continue
        except BROKEN as error:
            if not part.exists() or part.stat().st_size <= before:
                raise
            report(
                f"connection to {_host(location)} broke ({error}), continuing after {megabytes(part.stat().st_size)}"
            )
            continue
        if part.stat().st_size <= before:
            raise OSError(f"the download stopped after {before} bytes, before the end of the file")


def _continue(location: str, part: Path, report: Report, headers: dict[str, str]) -> bool:
    """Append what is missing; whether the file is now complete."""
    have = part.stat().st_size if part.exists() else 0
    ranged = {**headers, "Range": f"bytes={have}-"} if have else headers
    with _open(location, ranged) as answer, part.open("ab") as stream:
        if have and answer.status != 206:
            stream.truncate(0)
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        _copy(answer, stream, _Progress(location, total, report), have)
        return total is None or stream.tell() >= total


def _copy(answer, stream, progress: _Progress, have: int) -> None:
    while chunk := answer.read(CHUNK):
        stream.write(chunk)
        have += len(chunk)
        progress.at(have)


class _Progress:
    """Tells how far a download is, at most every few seconds, so that short ones say nothing."""

    def __init__(self, location: str, total: int | None, report: Report):
        self.name = location.rpartition("/")[2]
        self.total = total
        self.report = report
        self.last = time.monotonic()

    def at(self, have: int) -> None:
        if time.monotonic() - self.last < REPORT_EVERY:
            return
        self.last = time.monotonic()
        self.report(f"{self.name}: {megabytes(have)}" + (f" of {megabytes(self.total)}" if self.total else ""))


def _host(location: str) -> str:
    return urllib.parse.urlsplit(location).netloc


def _failed(location: str, error: Exception, mirror: str) -> AssetError:
    code = getattr(error, "code", None)
    if _is_folder(location):
        hint = "add the file to the mirror, in the layout FOLDER/HOST/PATH; then: hardway assets fetch INV"
        return AssetError(f"the mirror has no {location}", evidence=str(error), hint=hint)
    if code == 404:
        hint = "check the versions in the inventory, or the mirror's layout URL/HOST/PATH"
        return AssetError(f"{location} does not exist", evidence=str(error), hint=hint)
    hint = "check the network and https_proxy, then continue: hardway assets fetch INV"
    hint += "" if mirror else "; without internet use assets.source mirror or modules"
    return AssetError(f"cannot download {location}", evidence=str(error), hint=hint)
