"""The etcd of the newest set, and three members of it that run for the whole session."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_etcd import VERSIONS, RealEtcd

from hardway.assets import AssetStore
from hardway.cluster import Cluster
from hardway.errors import AssetError
from hardway.inventory import load

LAB = Path(__file__).parents[2] / "inventory/lab.yaml"


@pytest.fixture(scope="session")
def binaries() -> Path:
    """A folder with etcd and etcdctl, as `hardway assets fetch` gathers them for the lab."""
    lab: Cluster = load(LAB)
    assert lab.versions == VERSIONS
    try:
        return AssetStore(lab).binary("etcd").path.parent
    except AssetError as error:
        pytest.skip(f"{error.message}; hardway assets fetch {LAB}")


@pytest.fixture(scope="session")
def real_etcd(tmp_path_factory, binaries):
    etcd = RealEtcd(tmp_path_factory.mktemp("etcd"), binaries)
    for host in etcd.cluster.hosts:
        etcd.start(host)
    yield etcd
    for host in etcd.cluster.hosts:
        if host.name in etcd.processes:
            etcd.stop(host)
