"""etcd from Debian's packages, and three members of it that run for the whole session."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from real_etcd import RealEtcd

CACHE = Path("~/.cache/hardway/test-etcd").expanduser()


@pytest.fixture(scope="session")
def binaries() -> Path:
    """A folder with etcd and etcdctl from Debian's packages, downloaded once."""
    folder = CACHE / "x" / "usr" / "bin"
    if not (folder / "etcd").exists() or not (folder / "etcdctl").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        download = subprocess.run(["apt-get", "download", "etcd-server", "etcd-client"], cwd=CACHE, capture_output=True, text=True)
        if download.returncode:
            pytest.skip(f"etcd is missing: apt-get download etcd-server etcd-client: {download.stderr.strip()}")
        for package in CACHE.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, CACHE / "x"], check=True)
    return folder


@pytest.fixture(scope="session")
def real_etcd(tmp_path_factory, binaries):
    etcd = RealEtcd(tmp_path_factory.mktemp("etcd"), binaries)
    for host in etcd.cluster.hosts:
        etcd.start(host)
    yield etcd
    for host in etcd.cluster.hosts:
        if host.name in etcd.processes:
            etcd.stop(host)
