"""A plan asks hosts and reads the cache: it fetches nothing, writes nothing, and says what it could not compare."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from fakes.fake_assets import FakeAssets
from fakes.memory_session import MemorySession
from fakes.world import World

from hardway.assets import AssetStore
from hardway.errors import AssetError
from hardway.plans import as_text, look
from hardway.run.selection import Selection

pytestmark = pytest.mark.slow


class Lacking(FakeAssets):
    """A cache without some of what is needed."""

    lacks: tuple[str, ...] = ()
    state = "missing"

    def gather(self, archs: set[str]) -> None:
        raise AssertionError("a plan fetched something")

    def list(self, archs: set[str]) -> list:
        path = Path("/cache/a file")
        return [
            SimpleNamespace(name=name, version="9", arch="amd64", state=self.state, path=path) for name in self.lacks
        ]

    def binary(self, name: str, arch: str = "amd64"):
        if name in self.lacks:
            raise AssetError(f"{name} is not in the cache")
        return super().binary(name, arch)


def without(world: World, *names: str) -> MemorySession:
    world.assets = Lacking(world.cluster, world.assets.folder)
    world.assets.lacks = names
    return MemorySession.on(world)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}


def test_a_plan_of_a_built_cluster_says_what_it_cannot_compare(built, tmp_path: Path):
    world = built("lab")
    session = without(world, "kubelet", "etcdctl")
    before = tree(tmp_path)
    found, left_out = look(session, Selection())
    assert not left_out and tree(tmp_path) == before and world.log == []
    assert {change.resource for change in found.changes} == {
        "binary /usr/local/bin/kubelet",
        "binary /usr/local/bin/etcdctl",
    }
    assert all(change.unknown and not change.does and not change.restarts for change in found.changes)
    assert "? binary /usr/local/bin/kubelet: cannot be compared: it is not in the cache" in as_text(found)
    assert "not in the cache, so bootstrap fetches it first: kubelet 9, etcdctl 9" in session.said.getvalue()


def test_a_damaged_file_is_no_missing_one(built):
    """hardway never replaces one by itself, so bootstrap stops there."""
    session = without(built("lab"), "pause")
    session.assets.state = "damaged"
    found, _ = look(session, Selection())
    text = as_text(found)
    assert "[ERROR Cache] this computer: /cache/a file (pause 9) is damaged" in text
    assert "; rm '/cache/a file' && hardway assets fetch " in text
    assert text.splitlines()[-1] == "no changes, but bootstrap refuses to run: 1 error"
    assert "fetches it first" not in session.said.getvalue()
    with pytest.raises(AssetError, match="is damaged") as caught:
        look(session, Selection(), exact=True)
    assert caught.value.hint.startswith("rm '/cache/a file' && hardway assets fetch ")


def test_a_plan_of_bare_hosts_needs_no_programs(bare, tmp_path: Path):
    session = without(bare("lab"), "kubelet", "etcd", "runc", "crictl")
    found, _ = look(session, Selection())
    assert "binary /usr/local/bin/kubelet" in {change.resource for change in found.changes if "new" in change.why}
    assert not [change for change in found.changes if change.unknown and change.resource.startswith("binary")]
    assert "kubelet 9, etcd 9, runc 9 and 1 more" in session.said.getvalue()


def test_a_plan_that_is_saved_is_exact_or_is_not(built):
    with pytest.raises(AssetError, match="these are not in the cache: kubelet 9") as caught:
        look(without(built("lab"), "kubelet"), Selection(), exact=True)
    assert caught.value.hint.startswith("hardway assets fetch INV")


def test_a_whole_cache_is_compared_as_ever(built):
    session = without(built("lab"))
    found, _ = look(session, Selection(), exact=True)
    assert not found.changes and "cache" not in session.said.getvalue()


def test_to_look_into_a_cache_that_is_not_there_makes_none(bare, tmp_path: Path):
    store = AssetStore(bare("lab").cluster, tmp_path / "none")
    assert {row.state for row in store.list(["amd64"])} == {"missing"} and not (tmp_path / "none").exists()
