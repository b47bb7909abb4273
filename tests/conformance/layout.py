"""Images in one folder, as the OCI's image layout describes it: what they share lies there once."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from hardway.assets.cache import sha256_of
from hardway.assets.images import CONFIG, EPOCH, LAYER, MANIFEST


class Layout:
    """The images in `directory`, which is made.

    A blob lies at blobs/sha256/HEX; `references` says which manifest goes by which name.
    """

    def __init__(self, directory: Path):
        self.directory = directory
        self.references: dict[str, str] = {}
        (directory / "blobs/sha256").mkdir(parents=True)

    def blob(self, digest: str) -> Path:
        """Where the content of a digest ("sha256:…") lies, if it is there."""
        return self.directory / "blobs/sha256" / digest.removeprefix("sha256:")

    def put(self, content: bytes | Path, media_type: str = LAYER) -> dict:
        """Take in some content, a large file as a link to it; how a manifest points at it."""
        digest = sha256_of(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()
        place = self.blob(digest)
        if not place.exists():
            place.symlink_to(content.resolve()) if isinstance(content, Path) else place.write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": place.stat().st_size}

    def image(self, reference: str, arch: str, layers: Sequence[Mapping], config: Mapping) -> None:
        """An image of layers that were put in before, the lowest first."""
        document = {
            "architecture": arch,
            "os": "linux",
            "created": EPOCH,
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
            "history": [{"created": EPOCH, "created_by": "hardway's conformance test"} for _ in layers],
        }
        settings = self.put(json.dumps(document, sort_keys=True).encode(), CONFIG)
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": settings, "layers": list(layers)}
        self._name(reference, self.put(json.dumps(manifest, sort_keys=True).encode(), MANIFEST))

    def media_type(self, digest: str) -> str:
        """What a manifest says it is; "" for what is no manifest of an image here."""
        return json.loads(self.blob(digest).read_text())["mediaType"] if digest in self.references.values() else ""

    def adopt(self, archive: Path, reference: str) -> None:
        """The one image of an archive that hardway made, under this name."""
        with tarfile.open(archive) as opened:
            files = {member.name: opened.extractfile(member).read() for member in opened}
        for name, content in files.items():
            if name.startswith("blobs/"):
                self.put(content)
        [manifest] = json.loads(files["index.json"])["manifests"]
        self._name(reference, manifest)

    def _name(self, reference: str, manifest: Mapping) -> None:
        self.references[reference] = manifest["digest"]
