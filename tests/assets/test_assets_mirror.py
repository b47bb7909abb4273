"""A mirror that hardway fills is one that hardway can work from, without the world it was filled from."""

from __future__ import annotations

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from assets_world import VERSIONS, cluster, sha256
from click.testing import CliRunner

from hardway.assets import AssetStore
from hardway.assets.fetching.mirror import fill
from hardway.cli.app import cli
from hardway.errors import AssetError

KUBERNETES = "dl.k8s.io/v1.36.90/kubernetes-server-linux-amd64.tar.gz"
BOTH = ("amd64", "arm64")


@pytest.fixture
def folder(server, tmp_path):
    """A filled mirror; nothing is left where it was filled from."""
    fill(cluster(server.url), BOTH, tmp_path / "mirror", lambda line: None)
    server.files = {}
    return tmp_path / "mirror"


def below(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def gathered(mirror, cache) -> dict:
    found = AssetStore(cluster(str(mirror)), cache).gather(BOTH)
    return {name: (asset.sha256, asset.reference) for name, asset in found.items()}


def test_a_folder_on_a_stick(server, tmp_path):
    published = server.files
    fill(cluster(server.url), BOTH, tmp_path / "mirror", lambda line: None)
    online = gathered(server.url, tmp_path / "online")
    server.files = {}
    assert gathered(tmp_path / "mirror", tmp_path / "offline") == online
    assert below(tmp_path / "mirror").items() <= published.items()


def test_served_by_pythons_own_server(folder, tmp_path):
    handler = functools.partial(SimpleHTTPRequestHandler, directory=folder)
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    try:
        assert len(gathered(f"http://127.0.0.1:{http.server_port}", tmp_path / "cache")) == 42
    finally:
        http.shutdown()
        http.server_close()


def test_it_holds_what_is_published_and_nothing_else(server, tmp_path):
    files = fill(cluster(server.url), BOTH, tmp_path / "mirror", lambda line: None)
    held = below(tmp_path / "mirror")
    assert {path.relative_to(tmp_path / "mirror").as_posix() for path in files} == set(held)
    assert held.items() <= server.files.items()
    assert f"{KUBERNETES}.sha512" in held


def test_filling_again_brings_only_what_is_missing(server, tmp_path):
    fill(cluster(server.url), ["amd64"], tmp_path / "mirror", lambda line: None)
    (tmp_path / "mirror" / KUBERNETES).write_bytes(b"half a file")
    blob = next((tmp_path / "mirror/registry.k8s.io/v2/pause/blobs").iterdir())
    blob.write_bytes(b"half a blob")
    server.log.clear()
    fill(cluster(server.url), ["amd64"], tmp_path / "mirror", lambda line: None)
    sums = (".sha256", ".sha512", ".sha256sum", "SHA256SUMS")
    large = {path for path, _ in server.log if not path.endswith(sums) and "/manifests/" not in path}
    assert large == {KUBERNETES, f"registry.k8s.io/v2/pause/blobs/{blob.name}"}
    assert sha256(blob.read_bytes()) == blob.name.removeprefix("sha256:")


def test_a_forged_file_never_stays(server, tmp_path):
    server.files[KUBERNETES] = b"forged"
    with pytest.raises(AssetError, match="does not match the checksum"):
        fill(cluster(server.url), ["amd64"], tmp_path / "mirror", lambda line: None)
    assert not (tmp_path / "mirror" / KUBERNETES).exists()


def test_what_is_built_here_cannot_be_mirrored(tmp_path):
    with pytest.raises(AssetError, match="are not published") as caught:
        fill(cluster(source="modules"), ["amd64"], tmp_path / "mirror", lambda line: None)
    assert "HARDWAY_CACHE" in caught.value.hint and not (tmp_path / "mirror").exists()


def test_the_command(server, tmp_path):
    versions = {
        name: getattr(VERSIONS, name)
        for name in ("etcd", "containerd", "runc", "cni_plugins", "crictl", "coredns", "pause")
    }
    whole = {"cluster": "class", "kubernetes": VERSIONS.kubernetes, "versions": versions}
    whole["assets"] = {"source": "mirror", "mirror": server.url}
    whole["hosts"] = [{"name": "node-0", "address": "10.0.0.1", "roles": ["etcd", "control-plane", "worker"]}]
    (tmp_path / "class.yaml").write_text(yaml.safe_dump(whole))
    done = CliRunner().invoke(
        cli, ["assets", "mirror", str(tmp_path / "class.yaml"), str(tmp_path / "mirror")], catch_exceptions=False
    )
    assert done.exit_code == 0 and f"verified in {tmp_path}/mirror" in done.output
    whole["assets"]["mirror"] = str(tmp_path / "mirror")
    server.files = {}
    (tmp_path / "offline.yaml").write_text(yaml.safe_dump(whole))
    fetched = CliRunner().invoke(cli, ["assets", "fetch", str(tmp_path / "offline.yaml")], catch_exceptions=False)
    assert fetched.exit_code == 0 and "21 assets" in fetched.output
