"""The gathered programs laid out as their projects publish them: a complete mirror of real files, with checksums of our
own."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

from hardway.assets import Asset, AssetStore
from hardway.assets.table import binary_item, release


def publish(store: AssetStore, folder: Path) -> Path:
    """Write every release file and image that `store` needs below `folder`; the file with their checksums."""
    sums = {}
    binaries = [
        *(item for item in store.needed() if not item.is_image),
        binary_item(store.cluster.versions, "coredns", "amd64"),
    ]
    for found in {(found := release(item)).url: found for item in binaries}.values():
        target = folder / found.url.partition("://")[2]
        target.parent.mkdir(parents=True, exist_ok=True)
        paths = {item.name: store.binary(item.name).path for item in found.items}
        if found.members:
            with tarfile.open(target, "w:gz", compresslevel=1) as archive:
                for name, path in paths.items():
                    archive.add(path, found.members[name])
        else:
            target.write_bytes(paths[found.items[0].name].read_bytes())
        sums[found.url] = hashlib.sha256(target.read_bytes()).hexdigest()
    for item in (item for item in store.needed() if item.is_image and item.name != "coredns"):
        image = store.image(item.name)
        sums[image.reference] = _image(image, folder)
    listed = folder / "sums.yaml"
    listed.write_text("".join(f"{name}: {value}\n" for name, value in sums.items()))
    return listed


def _image(image: Asset, folder: Path) -> str:
    """An image as a registry serves it; the sha256 of what its tag stands for."""
    host, _, rest = image.reference.partition("/")
    repository, _, tag = rest.rpartition(":")
    base = folder / host / "v2" / repository
    with tarfile.open(image.path) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive}
    manifest = json.loads(files["index.json"])["manifests"][0]["digest"]
    content = files.pop(f"blobs/sha256/{manifest.removeprefix('sha256:')}")
    for place, body in {f"manifests/{tag}": content, **_blobs(files)}.items():
        (base / place).parent.mkdir(parents=True, exist_ok=True)
        (base / place).write_bytes(body)
    return hashlib.sha256(content).hexdigest()


def _blobs(files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"blobs/sha256:{Path(name).name}": body for name, body in files.items() if name.startswith("blobs/")}
