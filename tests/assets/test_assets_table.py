"""What the table says of files, roles and references."""

from __future__ import annotations

import dataclasses
import re

import pytest
from assets_world import VERSIONS, cluster

from hardway.assets import default_versions, image_reference
from hardway.assets.fetching.checksums import is_checksum
from hardway.assets.table import binary_item, needed, release, table
from hardway.cluster import Role
from hardway.settings import CoreDns


def names(found) -> list[str]:
    return [item.key for item in found]


def test_each_binary_of_a_role_belongs_to_a_component():
    roles = {name for binaries in table()["roles"].values() for name in binaries}
    files = {name for spec in table()["components"].values() for name in spec["files"]}
    assert roles == files - {"coredns"}


def test_kubernetes_is_published_as_one_archive():
    found = release(binary_item(default_versions("1.36.3"), "kubelet", "arm64"))
    assert found.url == "https://dl.k8s.io/v1.36.3/kubernetes-server-linux-arm64.tar.gz"
    assert len(found.pinned) == 128
    assert found.members["kubelet"] == "kubernetes/server/bin/kubelet"
    assert "kubeadm" not in found.members
    assert "kubeadm" in release(binary_item(default_versions("1.36.3"), "kubeadm", "arm64")).members


@pytest.mark.parametrize("minor", table()["sets"])
def test_kubernetes_and_the_images_of_every_set_are_pinned(minor):
    versions = default_versions(minor)
    whole = cluster(versions=versions)
    for arch in ("amd64", "arm64"):
        assert release(binary_item(versions, "kubelet", arch)).pinned
        assert release(binary_item(versions, "crictl", arch)).pinned
    assert image_reference(whole, "pause") in table()["digests"]


def test_an_archive_yields_all_binaries_of_its_component():
    found = release(binary_item(VERSIONS, "etcdctl", "amd64"))
    assert names(found.items) == ["etcd", "etcdctl", "etcdutl"]
    assert found.members["etcdctl"] == "etcd-v3.6.13-linux-amd64/etcdctl"
    assert found.pinned == ""


def test_hosts_need_what_their_roles_need():
    assert names(needed(cluster(roles=frozenset({Role.ETCD, Role.LB}), images="pull"), "amd64")) == [
        "etcd",
        "etcdctl",
        "etcdutl",
    ]
    assert len(needed(cluster(images="pull"), "amd64")) == 18


def test_images_are_needed_only_when_pushed_and_coredns_only_when_enabled():
    assert names(needed(cluster(), "amd64"))[-3:] == ["image:pause", "image:coredns", "image:busybox"]
    assert not [name for name in names(needed(cluster(images="pull"), "amd64")) if name.startswith("image:")]
    without = dataclasses.replace(cluster(), coredns=CoreDns(enabled=False))
    assert names(needed(without, "amd64"))[-2:] == ["image:pause", "image:busybox"]


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("pause", "registry.k8s.io/pause:3.10.9"),
        ("coredns", "registry.k8s.io/coredns/coredns:v1.14.1"),
        ("busybox", "registry.k8s.io/e2e-test-images/busybox:1.36.1-1"),
    ],
)
@pytest.mark.parametrize("source", ["upstream", "modules", "auto"])
def test_references_need_no_archive_and_are_the_same_for_every_source(source, name, reference):
    assert image_reference(cluster(source=source), name) == reference


def test_every_pinned_sum_is_one_and_names_a_component():
    for key, by_arch in table()["sums"].items():
        assert key.rpartition("-")[0] in table()["components"]
        assert set(by_arch) == {"amd64", "arm64"}
        assert all(is_checksum(value) for value in by_arch.values())
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in table()["digests"].values())
