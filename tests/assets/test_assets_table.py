"""What the table says of files, roles and references."""

from __future__ import annotations

import dataclasses
import re

import pytest
from assets_world import VERSIONS, cluster

from hardway.assets import default_versions, image_reference
from hardway.assets.table import binary_item, needed, release, table
from hardway.cluster import CoreDns, Role


def names(found) -> list[str]:
    return [item.key for item in found]


def test_each_binary_of_a_role_belongs_to_a_component():
    roles = {name for binaries in table()["roles"].values() for name in binaries}
    files = {name for spec in table()["components"].values() for name in spec["files"]}
    assert roles == files - {"coredns"}


def test_kubernetes_is_published_file_by_file():
    found = release(binary_item(default_versions("1.36.4"), "kubelet", "arm64"))
    assert found.url == "https://dl.k8s.io/release/v1.36.4/bin/linux/arm64/kubelet"
    assert found.sha256.startswith("fd53ea3f")
    assert names(found.items) == ["kubelet"]


def test_an_archive_yields_all_binaries_of_its_component():
    found = release(binary_item(VERSIONS, "etcdctl", "amd64"))
    assert names(found.items) == ["etcd", "etcdctl", "etcdutl"]
    assert found.members["etcdctl"] == "etcd-v3.6.13-linux-amd64/etcdctl"
    assert found.sha256 == ""


def test_etcdutl_exists_since_3_5():
    old = dataclasses.replace(VERSIONS, etcd="3.4.30")
    assert "etcdutl" not in names(needed(cluster(versions=old), "amd64"))
    assert "etcdutl" in names(needed(cluster(), "amd64"))


def test_hosts_need_what_their_roles_need():
    assert names(needed(cluster(roles=frozenset({Role.ETCD, Role.LB}), images="pull"), "amd64")) == ["etcd", "etcdctl", "etcdutl"]
    assert len(needed(cluster(images="pull"), "amd64")) == 18


def test_images_are_needed_only_when_pushed_and_coredns_only_when_enabled():
    assert names(needed(cluster(), "amd64"))[-3:] == ["image:pause", "image:coredns", "image:busybox"]
    assert not [name for name in names(needed(cluster(images="pull"), "amd64")) if name.startswith("image:")]
    without = dataclasses.replace(cluster(), coredns=CoreDns(enabled=False))
    assert names(needed(without, "amd64"))[-2:] == ["image:pause", "image:busybox"]


def test_crictl_is_left_out_where_the_source_has_none():
    debian = cluster(versions=default_versions(source="debian"), source="debian")
    assert "crictl" not in names(needed(debian, "amd64"))


@pytest.mark.parametrize(
    ("source", "name", "reference"),
    [
        ("upstream", "pause", "registry.k8s.io/pause:3.10.1"),
        ("mirror", "coredns", "registry.k8s.io/coredns/coredns:v1.14.2"),
        ("upstream", "busybox", "registry.k8s.io/e2e-test-images/busybox:1.36.1-1"),
        ("debian", "pause", "registry.k8s.io/pause:3.4"),
        ("debian", "coredns", "registry.k8s.io/coredns/coredns:v1.11.1"),
        ("debian", "busybox", "docker.io/library/busybox:1.35.0"),
    ],
)
def test_references_need_no_archive(source, name, reference):
    assert image_reference(cluster(source=source, versions=default_versions(source=source)), name) == reference


def test_every_pinned_sum_is_one_and_names_a_file_of_a_component():
    keys = {*table()["components"], *table()["components"]["kubernetes"]["files"]}
    for key, by_arch in table()["sha256"].items():
        assert key.rpartition("-")[0] in keys
        assert set(by_arch) == {"amd64", "arm64"}
        assert all(re.fullmatch("[0-9a-f]{64}", value) for value in by_arch.values())
