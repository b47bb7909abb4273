"""A registry that only gives: the images of a layout over plain http, as the OCI's distribution specification has it.

Some tests pull with `Always`, so that having an image on the node is not enough.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from .layout import Layout

WANTED = re.compile(r"/v2/(?P<repository>.+)/(?P<kind>manifests|blobs)/(?P<reference>[^/]+)")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@contextmanager
def serving(layout: Layout, address: str) -> Iterator[str]:
    """The URL at which it answers, for as long as the context lasts."""
    server = _Server((address, 0), _Handler)
    server.layout = layout
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
    thread.start()
    try:
        yield f"http://{address}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    layout: Layout


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_) -> None: ...

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        url = urlsplit(self.path)
        if url.path.rstrip("/") == "/v2":
            self._head(HTTPStatus.OK, "application/json", 2)
            self.wfile.write(b"{}" if body else b"")
        elif (found := WANTED.fullmatch(url.path)) and (digest := self._digest(found, url.query)):
            self._serve(digest, self._media_type(found["kind"], digest), body)
        else:
            self._head(HTTPStatus.NOT_FOUND, "application/json", 0)

    def _digest(self, found: re.Match, query: str) -> str:
        """What is asked for, "" when it is not here. A tag belongs to the registry that containerd names as `ns`."""
        reference = found["reference"]
        if not DIGEST.fullmatch(reference):
            [host] = parse_qs(query).get("ns", [self.headers.get("Host", "")])
            reference = self.server.layout.references.get(f"{host}/{found['repository']}:{reference}", "")
        there = reference and self.server.layout.blob(reference).is_file()
        return reference if there and self._media_type(found["kind"], reference) else ""

    def _media_type(self, kind: str, digest: str) -> str:
        return self.server.layout.media_type(digest) if kind == "manifests" else "application/octet-stream"

    def _serve(self, digest: str, media_type: str, body: bool) -> None:
        path: Path = self.server.layout.blob(digest)
        self._head(HTTPStatus.OK, media_type, path.stat().st_size, digest)
        if body:
            with path.open("rb") as stream:
                shutil.copyfileobj(stream, self.wfile)

    def _head(self, status: HTTPStatus, media_type: str, size: int, digest: str = "") -> None:
        self.send_response(status)
        headers = {
            "Content-Type": media_type,
            "Content-Length": str(size),
            "Docker-Distribution-Api-Version": "registry/2.0",
        }
        for name, value in {**headers, **({"Docker-Content-Digest": digest} if digest else {})}.items():
            self.send_header(name, value)
        self.end_headers()
