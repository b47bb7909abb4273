"""The real thing: the gathered programs run and know their versions, real containerd imports our images."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time

import pytest
from assets_world import cluster

from hardway.assets import AssetStore, default_versions
from hardway.assets.building import homemade
from hardway.assets.cache import Cache, sha256_of
from hardway.assets.choice import Origin
from hardway.errors import AssetError

pytestmark = pytest.mark.lab
VERSIONS = default_versions()
KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")


@pytest.fixture(scope="module")
def store():
    found = AssetStore(cluster(versions=VERSIONS, source="auto"))
    try:
        found.binary("kube-apiserver"), found.image("pause")
    except AssetError as error:
        pytest.skip(f"{error.message}; {error.hint} (on {platform.machine()})")
    return found


def output(*command) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def test_nothing_is_missing_and_a_second_gathering_is_quick(store):
    started = time.monotonic()
    assets = store.gather()
    assert time.monotonic() - started < 5  # Building takes minutes: this says that nothing was built.
    assert len(assets) == 21
    assert all(asset.provenance for asset in assets.values())


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        *((name, ["--version"], f"Kubernetes v{VERSIONS.kubernetes}") for name in KUBERNETES),
        ("kubectl", ["version", "--client"], f"Client Version: v{VERSIONS.kubernetes}"),
        ("etcd", ["--version"], f"etcd Version: {VERSIONS.etcd}"),
        ("etcdctl", ["version"], f"etcdctl version: {VERSIONS.etcd}"),
        ("etcdutl", ["version"], f"etcdutl version: {VERSIONS.etcd}"),
        ("containerd", ["--version"], f"v{VERSIONS.containerd}"),
        ("containerd-shim-runc-v2", ["-v"], f"v{VERSIONS.containerd}"),
        ("ctr", ["--version"], f"v{VERSIONS.containerd}"),
        ("runc", ["--version"], f"runc version {VERSIONS.runc}"),
        ("crictl", ["--version"], f"crictl version v{VERSIONS.crictl}"),
        ("bridge", ["--version"], f"plugin v{VERSIONS.cni_plugins}"),
        ("coredns", ["-version"], f"CoreDNS-{VERSIONS.coredns}"),
    ],
)
def test_each_binary_runs_and_is_what_it_says(store, name, arguments, words):
    assert words in output(store.binary(name).path, *arguments)


def test_runc_can_confine_system_calls(store):
    """Without it no pod starts."""
    assert "libseccomp: " in output(store.binary("runc").path, "--version")


@pytest.mark.parametrize("name", ["pause", "coredns", "busybox"])
def test_an_image_made_again_is_the_same_bytes(store, tmp_path, name):
    if store.origin is not Origin.MODULES:
        pytest.skip("the images of this cache come from their registry")
    for path in store.cache.directory.joinpath("modules/coredns").rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(store.cache.directory)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
    again = Cache(tmp_path, "modules")
    item = next(item for item in store.needed() if item.key == f"image:{name}")
    homemade.images(store.cluster, again, print, [item])
    assert sha256_of(again.path(item)) == store.image(name).sha256


@pytest.fixture
def containerd(store, tmp_path):
    """A containerd of its own, listening below `tmp_path`."""
    if os.geteuid():
        pytest.skip("needs root to start containerd")
    socket, log = tmp_path / "c.sock", (tmp_path / "log").open("w")
    (tmp_path / "config.toml").write_text(
        'version = 3\ndisabled_plugins = ["io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri"]\n'
    )
    paths = [
        "--config",
        tmp_path / "config.toml",
        "--root",
        tmp_path / "root",
        "--state",
        tmp_path / "state",
        "--address",
        socket,
    ]
    process = subprocess.Popen(
        [str(word) for word in (store.binary("containerd").path, *paths)], stdout=log, stderr=log
    )
    deadline = time.monotonic() + 30
    while (
        "Server" not in output(store.binary("ctr").path, "--address", socket, "version") and time.monotonic() < deadline
    ):
        time.sleep(0.1)
    yield socket
    process.terminate()
    process.wait(10)


def test_containerd_imports_every_image_under_its_reference(store, containerd):
    ctr = [store.binary("ctr").path, "--address", containerd, "--namespace", "k8s.io", "images"]
    for name in ("pause", "coredns", "busybox"):
        image = store.image(name)
        assert "done" in output(*ctr, "import", "--local", "--snapshotter", "native", image.path)
        line = next(line for line in output(*ctr, "list").splitlines() if line.startswith(image.reference + " "))
        assert "linux/amd64" in line
        checked = [
            line
            for line in output(*ctr, "check", "--snapshotter", "native").splitlines()
            if line.startswith(image.reference)
        ]
        assert "complete" in checked[0]
