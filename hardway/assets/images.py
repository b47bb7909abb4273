"""Image archives made here: OCI layouts with fixed times and order, so the same content is the same file everywhere."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..cluster import Cluster
from .asset import Asset, Item, Report, megabytes
from .cache import Cache
from .table import binary_item, image_reference

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Entry:
    """One path of a layer: a file with content, a symlink with `link`, or (neither) a directory."""

    path: str
    content: bytes | None = None
    link: str = ""
    mode: int = 0o755


def layer(entries: Sequence[Entry]) -> bytes:
    """An uncompressed layer; byte for byte the same for the same entries."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.path)
            info.mode = entry.mode
            info.type = (
                tarfile.SYMTYPE if entry.link else tarfile.REGTYPE if entry.content is not None else tarfile.DIRTYPE
            )
            info.linkname = entry.link
            info.size = len(entry.content or b"")
            archive.addfile(info, io.BytesIO(entry.content or b""))
    return out.getvalue()


def descriptor(media_type: str, blob: bytes) -> dict:
    """How a manifest points at a blob."""
    return {"mediaType": media_type, "digest": "sha256:" + hashlib.sha256(blob).hexdigest(), "size": len(blob)}


def build(target: Path, reference: str, arch: str, entries: Sequence[Entry], config: Mapping) -> None:
    """Write an archive of one single-layer image that a runtime imports under `reference`."""
    content = layer(entries)
    document = {
        "architecture": arch,
        "os": "linux",
        "created": EPOCH,
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(content).hexdigest()]},
        "history": [{"created": EPOCH, "created_by": "hardway"}],
    }
    settings = json.dumps(document, sort_keys=True).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, settings),
        "layers": [descriptor(LAYER, content)],
    }
    write(target, reference, MANIFEST, json.dumps(manifest, sort_keys=True).encode(), [settings, content])


def write(target: Path, reference: str, media_type: str, manifest: bytes, blobs: Sequence[bytes | Path]) -> None:
    """Write an OCI layout archive of `manifest` and the blobs it names; blobs may be files named by their hex
    sha256."""
    named = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference.rpartition(":")[2]}
    index = {"schemaVersion": 2, "manifests": [{**descriptor(media_type, manifest), "annotations": named}]}
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
        _add(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        _add(archive, "index.json", json.dumps(index, sort_keys=True).encode())
        for blob in (manifest, *blobs):
            name = blob.name if isinstance(blob, Path) else hashlib.sha256(blob).hexdigest()
            _add(archive, f"blobs/sha256/{name}", blob)


@functools.cache
def manifest_digest(archive: Path, sha256: str) -> str:
    """By which a runtime knows the image of an archive that is `sha256`: that of its manifest; empty when it is not
    here."""
    try:
        with tarfile.open(archive) as layout:
            index = layout.extractfile("index.json")
            return str(json.load(index)["manifests"][0]["digest"]) if index else ""
    except (OSError, LookupError, ValueError, tarfile.TarError):
        return ""


def _add(archive: tarfile.TarFile, name: str, blob: bytes | Path) -> None:
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    info.size = blob.stat().st_size if isinstance(blob, Path) else len(blob)
    with blob.open("rb") if isinstance(blob, Path) else io.BytesIO(blob) as stream:
        archive.addfile(info, stream)


def build_coredns(cluster: Cluster, cache: Cache, item: Item, report: Report) -> Asset:
    """The CoreDNS image: nothing but the cached static binary."""
    binary = cache.get(binary_item(cluster.versions, "coredns", item.arch))
    assert binary is not None, "the binary is gathered before its image"
    entries = [Entry("coredns", binary.path.read_bytes())]
    config = {"Entrypoint": ["/coredns"], "ExposedPorts": {"53/udp": {}, "53/tcp": {}}, "WorkingDir": "/"}
    return store(cluster, cache, item, entries, config, f"{binary.name} {binary.version}: {binary.provenance}", report)


def store(
    cluster: Cluster,
    cache: Cache,
    item: Item,
    entries: Sequence[Entry],
    config: Mapping,
    provenance: str,
    report: Report,
) -> Asset:
    """Build an image and put it into the cache."""
    started = time.monotonic()
    with cache.workspace() as scratch:
        target = scratch / f"{item.name}.tar"
        build(target, image_reference(cluster, item.name), item.arch, entries, config)
        asset = cache.put(item, target, provenance)
    report(f"{item.name} image {item.version} {item.arch}  {megabytes(asset.size)}  {time.monotonic() - started:.1f} s")
    return asset
