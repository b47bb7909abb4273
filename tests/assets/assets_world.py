"""A small world of releases: every file the table names, with made-up content, served over HTTP or lying in a
folder."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from hardway.assets.building.golang import toolchain
from hardway.assets.table import needed, release, table
from hardway.cluster import Cluster, Host, Role
from hardway.settings import Api, Assets, Versions

# None of these is pinned in the table, so made-up content can be right.
VERSIONS = Versions("1.36.90", "3.6.13", "2.3.3", "1.4.2", "1.8.0", "1.36.1", "1.14.1", "3.10.9")


def cluster(mirror="", versions: Versions = VERSIONS, images="push", source="mirror", roles=frozenset(Role)) -> Cluster:
    host = Host("node-0", IPv4Address("10.0.0.1"), roles, pod_cidr=IPv4Network("10.200.0.0/24"))
    return Cluster("assets", (host,), versions, Api("10.0.0.1"), assets=Assets(source, mirror, images))


def module_downloads() -> tuple[Path, str]:
    """Where the user's Go keeps the modules it has downloaded, and GOPROXY: of whichever Go hardway would take."""
    go = toolchain("1.26.6", table()["building"]["go"], Path("~/.cache/hardway").expanduser(), print)
    answer = subprocess.run(
        [go.program, "env", "GOMODCACHE", "GOPROXY"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return Path(answer[0]) / "cache/download", answer[1]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def program(content: bytes, arch: str = "amd64") -> bytes:
    """As a program's file begins, and something else after it."""
    machine = {"amd64": 62, "arm64": 183, "s390x": 22}[arch]
    return b"\x7fELF\x02\x01\x01" + bytes(11) + machine.to_bytes(2, "little") + content


def content_of(name: str, version: str, arch: str) -> bytes:
    return program(f"{name} {version} {arch}\n".encode() * 2000, arch)


def tgz(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _strip(url: str) -> str:
    return url.partition("://")[2]


def checksum(found, body: bytes) -> str:
    """What a project publishes of a file: Kubernetes a sha512, the others a sha256."""
    return hashlib.new("sha512" if found.checksum_url.endswith(".sha512") else "sha256", body).hexdigest()


def release_files(versions: Versions = VERSIONS, archs=("amd64", "arm64")) -> dict[str, bytes]:
    """HOST/PATH -> content of every release file, its published checksum included."""
    files: dict[str, bytes] = {}
    binaries = [item for arch in archs for item in needed(cluster(versions=versions, images="pull"), arch)]
    for item in binaries:
        found = release(item)
        contents = {i.name: content_of(i.name, i.version, i.arch) for i in found.items}
        # "./" in front, as the projects' own archives have it.
        body = tgz({f"./{found.members[n]}": c for n, c in contents.items()}) if found.members else contents[item.name]
        files[_strip(found.url)] = body
        line = f"{checksum(found, body)}  {found.url.rpartition('/')[2]}\n".encode()
        published = files.get(_strip(found.checksum_url), b"")
        files[_strip(found.checksum_url)] = published if line in published else published + line
    for arch in archs:
        body = tgz({"coredns": content_of("coredns", versions.coredns, arch)})
        name = f"coredns_{versions.coredns}_linux_{arch}.tgz"
        path = f"github.com/coredns/coredns/releases/download/v{versions.coredns}/{name}"
        files |= {path: body, path + ".sha256": f"{sha256(body)}  {path.rpartition('/')[2]}".encode()}
    return files


@dataclass
class Image:
    """One image of a made-up registry: its files below HOST/v2/REPOSITORY."""

    reference: str
    archs: tuple[str, ...] = ("amd64", "arm64")
    layers: dict[str, bytes] = field(default_factory=dict)

    def files(self) -> dict[str, bytes]:
        host, _, rest = self.reference.partition("/")
        repository, _, tag = rest.rpartition(":")
        base, out, entries = f"{host}/v2/{repository}", {}, []
        for arch in self.archs:
            layer = tgz({"program": content_of(repository, tag, arch)})
            config = json.dumps(
                {"architecture": arch, "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
            ).encode()
            blobs = [
                {"mediaType": "x", "digest": f"sha256:{sha256(blob)}", "size": len(blob)} for blob in (config, layer)
            ]
            media = "application/vnd.docker.distribution.manifest.v2+json"
            manifest = json.dumps(
                {"schemaVersion": 2, "mediaType": media, "config": blobs[0], "layers": blobs[1:]}
            ).encode()
            self.layers[arch] = layer
            out |= {f"{base}/blobs/sha256:{sha256(blob)}": blob for blob in (config, layer)}
            out[f"{base}/manifests/sha256:{sha256(manifest)}"] = manifest
            entries.append({"digest": f"sha256:{sha256(manifest)}", "platform": {"os": "linux", "architecture": arch}})
        out[f"{base}/manifests/{tag}"] = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
        return out


PAUSE = Image("registry.k8s.io/pause:3.10.9")
BUSYBOX = Image("registry.k8s.io/e2e-test-images/busybox:1.36.1-1")


def everything() -> dict[str, bytes]:
    return {**release_files(), **PAUSE.files(), **BUSYBOX.files()}


def own_sums(files: dict[str, bytes], path: Path) -> str:
    """A file of one's own with the digest of the made-up busybox, since the table has that of the real one; its
    name."""
    host, _, rest = BUSYBOX.reference.partition("/")
    repository, _, tag = rest.rpartition(":")
    path.write_text(f"{BUSYBOX.reference}: {sha256(files[f'{host}/v2/{repository}/manifests/{tag}'])}\n")
    return str(path)


def write_folder(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


class Server:
    """An HTTP server for such files that can be told to misbehave; `log` holds (path, headers) of every request."""

    def __init__(self, files: dict[str, bytes]):
        self.files = files
        self.ranges = True
        self.redirects: dict[str, str] = {}
        self.break_after: dict[str, list[int]] = {}
        self.token, self.login = "", ""
        self.log: list[tuple[str, dict[str, str]]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                owner.answer(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def requests(self, part: str) -> list[dict[str, str]]:
        return [headers for path, headers in self.log if part in path]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.lstrip("/").partition("?")[0]
        headers = {name.title(): value for name, value in handler.headers.items()}
        self.log.append((path, headers))
        if path in self.redirects:
            return self._head(handler, 302, {"Location": self.redirects[path], "Content-Length": "0"})
        if path == "auth/token":
            return self._send(handler, json.dumps({"token": self.token}).encode(), path, headers)
        if self.token and "/v2/" in path and headers.get("Authorization") != f"Bearer {self.token}":
            realm = self.login or f"{self.url}/auth/token"
            challenge = f'Bearer realm="{realm}",service="registry",scope="repository:pause:pull"'
            return self._head(handler, 401, {"WWW-Authenticate": challenge, "Content-Length": "0"})
        if path not in self.files:
            return self._head(handler, 404, {"Content-Length": "0"})
        return self._send(handler, self.files[path], path, headers)

    def _send(self, handler, body: bytes, path: str, headers: dict[str, str]) -> None:
        start = int(headers["Range"].removeprefix("bytes=").rstrip("-")) if self.ranges and "Range" in headers else 0
        if start >= len(body) and start:
            return self._head(handler, 416, {"Content-Length": "0"})
        self._head(handler, 206 if start else 200, {"Content-Length": str(len(body) - start)})
        limits = self.break_after.get(path)
        handler.wfile.write(body[start : start + limits.pop(0)] if limits else body[start:])
        handler.close_connection = True
        return None

    def _head(self, handler, status: int, headers: dict[str, str]) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
