"""Gathering a whole cluster's assets from a mirror, and every way in which a mirror can be wrong."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tarfile

import pytest
from assets_world import (
    BUSYBOX,
    PAUSE,
    VERSIONS,
    cluster,
    content_of,
    everything,
    program,
    release_files,
    sha256,
    tgz,
    write_folder,
)

from hardway.assets import AssetStore, default_versions
from hardway.assets.table import binary_item, release, table
from hardway.errors import AssetError

pytestmark = pytest.mark.slow

KUBERNETES = "dl.k8s.io/v1.36.90/kubernetes-server-linux-amd64.tar.gz"
RUNC = "github.com/opencontainers/runc/releases/download/v1.4.2/runc.amd64"
ETCD = "github.com/etcd-io/etcd/releases/download/v3.6.13/etcd-v3.6.13-linux-amd64.tar.gz"


def store(mirror, tmp_path, said=None, **changes) -> AssetStore:
    return AssetStore(cluster(str(mirror), **changes), tmp_path / "cache", (said if said is not None else []).append)


def flip(body: bytes, at: int = 100) -> bytes:
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def test_everything_is_gathered_verified_and_then_left_alone(server, tmp_path):
    said = []
    found = store(server.url, tmp_path, said)
    assets = found.gather({"amd64", "arm64"})
    assert len(assets) == 42
    for (key, arch), asset in assets.items():
        assert (
            asset.arch == arch
            and asset.path.stat().st_size == asset.size
            and sha256(asset.path.read_bytes()) == asset.sha256
        )
        assert key.startswith("image:") or asset.path.read_bytes() == content_of(key, asset.version, arch)
    assert assets["kubelet", "amd64"].path.stat().st_mode & 0o777 == 0o755
    assert any(line.startswith("kubelet 1.36.90 arm64  0.0 MB") for line in said)
    server.log.clear()
    assert found.gather({"amd64", "arm64"}) == assets
    assert found.verify({"amd64", "arm64"}) == []
    assert server.log == []
    assert list((tmp_path / "cache/downloads").iterdir()) == []


def test_a_folder_serves_an_air_gapped_site(tmp_path):
    write_folder(tmp_path / "mirror", everything())
    found = store(tmp_path / "mirror", tmp_path)
    found.gather()
    assert found.binary("kube-apiserver").path.read_bytes() == content_of("kube-apiserver", "1.36.90", "amd64")
    assert {row.state for row in found.list()} == {"cached"}
    assert {row.state for row in found.list({"arm64"})} == {"missing"}


@pytest.mark.parametrize(("path", "program"), [(KUBERNETES, "kubelet"), (ETCD, "etcd"), (RUNC, "runc")])
def test_one_flipped_byte_is_refused_and_named(server, tmp_path, path, program):
    server.files[path] = flip(server.files[path])
    found = store(server.url, tmp_path)
    with pytest.raises(AssetError) as caught:
        found.gather()
    assert caught.value.exit_code == 8
    assert path in caught.value.message
    kind = hashlib.sha512 if path == KUBERNETES else hashlib.sha256
    assert kind(server.files[path]).hexdigest() in caught.value.evidence
    with pytest.raises(AssetError, match="is not in the cache"):
        found.binary(program)


def test_the_table_wins_over_what_a_mirror_publishes(server, tmp_path):
    versions = dataclasses.replace(VERSIONS, kubernetes="1.36.4")
    path = "dl.k8s.io/v1.36.4/kubernetes-server-linux-amd64.tar.gz"
    server.files |= {path: b"forged", f"{path}.sha512": hashlib.sha512(b"forged").hexdigest().encode()}
    with pytest.raises(AssetError, match="hardway's table of releases"):
        store(server.url, tmp_path, versions=versions).gather()


def test_what_was_seen_first_is_locked_even_when_checksums_change_with_the_file(server, tmp_path):
    found = store(server.url, tmp_path)
    path = found.gather()["runc", "amd64"].path
    path.unlink()
    server.files[RUNC] = b"replaced later"
    server.files[f"{RUNC.rpartition('/')[0]}/runc.sha256sum"] = f"{sha256(b'replaced later')}  runc.amd64".encode()
    with pytest.raises(AssetError, match="assets.lock.yaml") as caught:
        found.gather()
    assert RUNC in caught.value.message
    assert not path.exists()


def test_a_resumed_mixture_is_fetched_once_more_from_the_start(server, tmp_path):
    part = tmp_path / "cache/downloads" / (RUNC.replace("/", "_") + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"of another file")
    found = store(server.url, tmp_path)
    found.gather()
    assert found.binary("runc").sha256 == sha256(server.files[RUNC])
    assert [headers.get("Range") for headers in server.requests("runc.amd64") if "Range" in headers] == ["bytes=15-"]


def test_a_missing_checksum_names_where_it_was_looked_for(server, tmp_path):
    server.files["github.com/opencontainers/runc/releases/download/v1.4.2/runc.sha256sum"] = (
        f"{'0' * 64}  runc.s390x\n".encode()
    )
    with pytest.raises(AssetError, match="runc.sha256sum has no checksum for runc.amd64"):
        store(server.url, tmp_path).gather()


def test_an_archive_without_the_binary_is_refused(server, tmp_path):
    body = tgz({"etcd-v3.6.13-linux-amd64/etcd": b"only this"})
    server.files[ETCD] = body
    sums = ETCD.rpartition("/")[0] + "/SHA256SUMS"
    server.files[sums] = f"{sha256(body)}  {ETCD.rpartition('/')[2]}\n".encode()
    with pytest.raises(AssetError, match="does not contain etcd-v3.6.13-linux-amd64/etcdctl"):
        store(server.url, tmp_path).gather()


def test_what_arrived_before_a_failure_is_not_fetched_again(server, tmp_path):
    held = server.files.pop("github.com/opencontainers/runc/releases/download/v1.4.2/runc.amd64")
    found = store(server.url, tmp_path)
    with pytest.raises(AssetError, match="does not exist"):
        found.gather()
    here = {row.name for row in found.list() if row.state == "cached"}
    server.files["github.com/opencontainers/runc/releases/download/v1.4.2/runc.amd64"] = held
    server.log.clear()
    found.gather()
    assert "kube-apiserver" in here
    assert not server.requests("kubernetes-server")


def oci(path) -> tuple[dict, dict[str, bytes]]:
    with tarfile.open(path) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive}
    return json.loads(files["index.json"])["manifests"][0], files


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_the_coredns_image_wraps_the_released_binary_of_its_architecture(server, tmp_path, arch):
    found = store(server.url, tmp_path)
    found.gather({arch})
    image = found.image("coredns", arch)
    assert image.reference == "registry.k8s.io/coredns/coredns:v1.14.1"
    entry, files = oci(image.path)
    manifest = json.loads(files["blobs/sha256/" + entry["digest"].removeprefix("sha256:")])
    config = json.loads(files["blobs/sha256/" + manifest["config"]["digest"].removeprefix("sha256:")])
    assert entry["annotations"]["io.containerd.image.name"] == image.reference
    assert config["architecture"] == arch
    assert (
        content_of("coredns", "1.14.1", arch)
        in files["blobs/sha256/" + manifest["layers"][0]["digest"].removeprefix("sha256:")]
    )


@pytest.mark.parametrize(("name", "image"), [("pause", PAUSE), ("busybox", BUSYBOX)])
def test_a_registry_image_keeps_its_digests(server, tmp_path, name, image):
    found = store(server.url, tmp_path)
    found.gather({"arm64"})
    asset = found.image(name, "arm64")
    entry, files = oci(asset.path)
    assert asset.reference == image.reference
    assert asset.provenance == f"{image.reference}@{entry['digest']}"
    assert f"blobs/sha256/{sha256(image.layers['arm64'])}" in files
    assert all(path.rpartition("/")[2] == sha256(body) for path, body in files.items() if path.startswith("blobs/"))


def test_a_registry_may_ask_for_a_token_and_its_blob_hosts_never_see_it(server, tmp_path):
    server.token = "anonymous-pull"
    blob = f"registry.k8s.io/v2/pause/blobs/sha256:{sha256(PAUSE.layers['amd64'])}"
    server.files["blobs.example/layer"] = PAUSE.layers["amd64"]
    server.redirects[blob] = f"{server.url}/blobs.example/layer"
    found = store(server.url, tmp_path)
    found.gather()
    assert found.image("pause").size > 0
    assert all("Authorization" not in headers for headers in server.requests("blobs.example"))
    assert any(
        headers.get("Authorization") == "Bearer anonymous-pull" for headers in server.requests("v2/pause/manifests")
    )


def test_a_blob_that_is_not_its_digest_is_refused(server, tmp_path):
    blob = f"registry.k8s.io/v2/pause/blobs/sha256:{sha256(PAUSE.layers['amd64'])}"
    server.files[blob] = flip(server.files[blob], 20)
    with pytest.raises(AssetError, match="does not match its digest"):
        store(server.url, tmp_path).gather()


def test_an_image_without_our_architecture_is_refused(server, tmp_path):
    server.files |= dataclasses.replace(PAUSE, archs=("s390x",), layers={}).files()
    with pytest.raises(AssetError, match="pause:3.10.9 has no image for linux/amd64"):
        store(server.url, tmp_path).gather()


def test_a_registry_that_talks_html_is_refused(server, tmp_path):
    server.files["registry.k8s.io/v2/pause/manifests/3.10.9"] = b"<html>captive portal</html>"
    with pytest.raises(AssetError, match="is not JSON") as caught:
        store(server.url, tmp_path).gather()
    assert "captive portal" in caught.value.evidence


def test_pull_needs_no_archives(server, tmp_path):
    found = store(server.url, tmp_path, images="pull")
    assert not [key for key, _ in found.gather() if key.startswith("image:")]
    assert not server.requests("v2/")


def test_a_pinned_image_is_refused_when_its_tag_stands_for_another(server, tmp_path, monkeypatch):
    monkeypatch.setitem(table()["digests"], PAUSE.reference, "0" * 64)
    with pytest.raises(AssetError, match="does not match its digest"):
        store(server.url, tmp_path).gather()


def test_the_users_own_checksums_count_before_the_built_in_ones(server, tmp_path):
    versions = dataclasses.replace(VERSIONS, kubernetes="1.36.4")
    server.files |= release_files(versions)
    own, url = tmp_path / "sums.yaml", "https://dl.k8s.io/v1.36.4/kubernetes-server-linux-amd64.tar.gz"
    own.write_text(f"{url}: {sha256(server.files[url.removeprefix('https://')])}\n")
    whole = cluster(server.url, versions=versions)
    whole = dataclasses.replace(whole, assets=dataclasses.replace(whole.assets, checksums=str(own)))
    assert len(AssetStore(whole, tmp_path / "cache").gather()) == 21
    own.write_text(f"{url}: {'0' * 64}\n")
    with pytest.raises(AssetError, match="the checksum in assets.checksums"):
        AssetStore(whole, tmp_path / "other").gather()
    own.write_text("nonsense\n")
    with pytest.raises(AssetError, match="is not a list of checksums"):
        AssetStore(whole, tmp_path / "third").gather()


def test_plain_http_needs_a_checksum_that_is_known_beforehand(server, tmp_path, monkeypatch):
    monkeypatch.setattr("hardway.assets.fetching.download.LOCAL", ())
    found = store(server.url, tmp_path)
    with pytest.raises(
        AssetError, match="would be downloaded over plain http, without a known (checksum|digest)"
    ) as caught:
        found.gather()
    assert "https" in caught.value.hint and server.log == []
    own = tmp_path / "sums.yaml"
    own.write_text(
        "".join(f"https://{path}: {sha256(body)}\n" for path, body in server.files.items() if "/v2/" not in path)
    )
    with_sums = dataclasses.replace(found.cluster, assets=dataclasses.replace(found.cluster.assets, checksums=str(own)))
    with pytest.raises(AssetError, match="would be downloaded over plain http, without a known digest"):
        AssetStore(with_sums, tmp_path / "cache").gather()
    with own.open("a") as more:
        for image in (PAUSE, BUSYBOX):
            host, _, rest = image.reference.partition("/")
            repository, _, tag = rest.rpartition(":")
            more.write(f"{image.reference}: {sha256(server.files[f'{host}/v2/{repository}/manifests/{tag}'])}\n")
    assert len(AssetStore(with_sums, tmp_path / "cache").gather()) == 21


@pytest.mark.parametrize(("component", "path"), [("another version", KUBERNETES), ("another project", RUNC)])
def test_a_mirror_that_serves_something_else_under_a_right_checksum_is_refused(server, tmp_path, component, path):
    """What is published for the first time has nothing to be compared with but itself."""
    if path == KUBERNETES:
        items = {
            i.name: program(f"{i.name} 1.36.89".encode())
            for i in release(binary_item(VERSIONS, "kubelet", "amd64")).items
        }
        body = tgz({f"kubernetes/server/bin/{name}": content for name, content in items.items()})
        server.files |= {path: body, f"{path}.sha512": hashlib.sha512(body).hexdigest().encode()}
    else:
        body = program(b"crun version 1.20")
        server.files |= {
            path: body,
            f"{path.rpartition('/')[0]}/runc.sha256sum": f"{sha256(body)}  runc.amd64".encode(),
        }
    with pytest.raises(AssetError, match="the file does not contain the text"):
        store(server.url, tmp_path).gather()


@pytest.mark.parametrize("body", [b"", b"<html>log in first</html> 1.4.2", b"#!/bin/sh\nexec runc-1.4.2\n"])
def test_what_is_no_program_is_not_taken_for_one(server, tmp_path, body):
    checksum = f"{sha256(body)}  runc.amd64".encode()
    server.files |= {RUNC: body, f"{RUNC.rpartition('/')[0]}/runc.sha256sum": checksum}
    for _ in range(2):
        with pytest.raises(AssetError, match="runc 1.4.2 for amd64 is no program"):
            store(server.url, tmp_path).gather()


def test_half_a_file_is_refused(server, tmp_path):
    server.files[KUBERNETES] = server.files[KUBERNETES][:1000]
    with pytest.raises(AssetError, match="does not match the checksum"):
        store(server.url, tmp_path).gather()


def test_the_upstream_source_reads_no_mirror():
    from hardway.assets.fetching.releases import Releases

    upstream = AssetStore(cluster("http://ignored.example", versions=default_versions(), source="upstream"))
    assert (
        Releases(upstream.cluster, upstream.cache, print).site.location("https://dl.k8s.io/x") == "https://dl.k8s.io/x"
    )
