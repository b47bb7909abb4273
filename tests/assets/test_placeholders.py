"""A cache that is half filled shows what it has; the rest goes by its name."""

from dataclasses import replace

import pytest

from hardway.assets.placeholders import Placeholders
from hardway.errors import AssetError


class HalfFilled:
    """A store in which only kubectl for arm64 is there and sound."""

    def binary(self, name, arch):
        if (name, arch) != ("kubectl", "arm64"):
            raise AssetError(f"{name} is damaged or not in the cache")
        return replace(Placeholders().binary(name, arch), sha256="f00d")

    image = binary


@pytest.mark.parametrize("store", [HalfFilled(), None])
@pytest.mark.parametrize("kind", ["binary", "image"])
@pytest.mark.parametrize(("name", "arch"), [("kubectl", "arm64"), ("kubectl", "amd64"), ("etcd", "arm64")])
def test_every_asset_has_a_name_and_what_is_there_its_digest(store, kind, name, arch):
    asset = getattr(Placeholders(store), kind)(name, arch)
    there = store is not None and (name, arch) == ("kubectl", "arm64")
    assert (asset.name, asset.arch, asset.sha256) == (name, arch, "f00d" if there else "-")
