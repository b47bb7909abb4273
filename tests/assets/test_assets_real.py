"""The real thing: binaries built from Debian's sources run and know their versions, real containerd imports our images."""

from __future__ import annotations

import os
import platform
import subprocess
import time

import pytest
from assets_world import cluster

from hardway.assets import AssetStore, default_versions
from hardway.errors import AssetError

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def store():
    found = AssetStore(cluster(versions=default_versions(source="debian"), source="debian"))
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
    assert len(assets) == 19
    assert all(asset.provenance for asset in assets.values())


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        *((name, ["--version"], "Kubernetes v1.20.2") for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")),
        *((name, ["--version"], "Kubernetes v1.20.2") for name in ("kubelet", "kube-proxy")),
        ("kubectl", ["version", "--client"], 'GitVersion:"v1.20.2"'),
        ("etcd", ["--version"], "etcd Version: 3.4.23"),
        ("etcdctl", ["version"], "etcdctl version: 3.4.23"),
        ("containerd", ["--version"], "1.6.20"),
        ("ctr", ["--version"], "1.6.20"),
        ("coredns", ["-version"], "CoreDNS-1.11.1"),
    ],
)
def test_each_binary_runs_and_is_what_it_says(store, name, arguments, words):
    assert words in output(store.binary(name).path, *arguments)


@pytest.fixture
def containerd(store, tmp_path):
    """A containerd of its own, listening below `tmp_path`."""
    if os.geteuid():
        pytest.skip("needs root to start containerd")
    socket, log = tmp_path / "c.sock", (tmp_path / "log").open("w")
    (tmp_path / "config.toml").write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    paths = ["--config", tmp_path / "config.toml", "--root", tmp_path / "root", "--state", tmp_path / "state", "--address", socket]
    process = subprocess.Popen([str(word) for word in (store.binary("containerd").path, *paths)], stdout=log, stderr=log)
    deadline = time.monotonic() + 30
    while "Server" not in output(store.binary("ctr").path, "--address", socket, "version") and time.monotonic() < deadline:
        time.sleep(0.1)
    yield socket
    process.terminate()
    process.wait(10)


def test_containerd_imports_every_image_under_its_reference(store, containerd):
    ctr = [store.binary("ctr").path, "--address", containerd, "--namespace", "k8s.io", "images"]
    for name in ("pause", "coredns", "busybox"):
        image = store.image(name)
        assert "done" in output(*ctr, "import", "--snapshotter", "native", image.path)
        line = next(line for line in output(*ctr, "list").splitlines() if line.startswith(image.reference + " "))
        assert "linux/amd64" in line
        checked = [line for line in output(*ctr, "check", "--snapshotter", "native").splitlines() if line.startswith(image.reference)]
        assert "complete" in checked[0]
