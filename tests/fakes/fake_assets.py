"""Assets of a few bytes each, so that a convergence test moves no megabytes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection
from pathlib import Path

from hardway.assets import Asset, image_reference
from hardway.assets.table import binary_item, image_item
from hardway.cluster import Cluster, Role


class FakeAssets:
    """Every binary and image there is, as files in `folder`, each of the version its cluster wants.

    `version` changes the content of all of them: other builds of the same versions.
    """

    def __init__(self, cluster: Cluster, folder: Path, version: str = "1"):
        self.cluster, self.folder, self.version = cluster, folder, version
        self.guard = threading.Lock()

    def binary(self, name: str, arch: str = "amd64") -> Asset:
        return self._asset("binary", name, binary_item(self.cluster.versions, name, arch).version, arch, "")

    def image(self, name: str, arch: str = "amd64") -> Asset:
        version = image_item(self.cluster, name, arch).version
        return self._asset("image", name, version, arch, image_reference(self.cluster, name))

    def gather(self, archs: set[str], roles: Collection[Role] = tuple(Role)) -> None:
        """All of it is there."""

    def list(self, archs: set[str]) -> list[Asset]:
        return []

    def _asset(self, kind: str, name: str, version: str, arch: str, reference: str) -> Asset:
        content = f"{kind} {name} {version} {self.version} {arch}".encode()
        path = self.folder / f"{kind}-{name}-{version}-{self.version}-{arch}"
        with self.guard:
            if not path.exists():
                path.write_bytes(content)
        return Asset(
            kind,
            name,
            version,
            arch,
            path,
            hashlib.sha256(content).hexdigest(),
            len(content),
            "made for a test",
            reference,
        )
