"""Restore one snapshot on all members, with etcd's own tool.

The data that is there is renamed, never deleted. The members get a new cluster id, so that a member with the old data
can never join them. The revision is raised and marked as compacted, so that every client that watches notices, and
lists everything again.
"""

from __future__ import annotations

from ...cluster import Host
from ...living.restoration import Restoration
from ...phase import Inputs, Phase
from ...resources import Directory, EtcdData, Resource, User
from ...vocabulary import Blob
from ..binaries import program


def phase(restoration: Restoration, snapshot: Blob) -> Phase:
    """On all members at the same time, once all of them are stopped."""

    def desired(inputs: Inputs, host: Host) -> list[Resource]:
        cluster = inputs.cluster
        about = (restoration.id, restoration.marker, cluster.etcd_initial_cluster, restoration.token(cluster))
        return [
            User("etcd", "/var/lib/etcd"),
            Directory("/usr/local/bin", shared=True),
            Directory("/var/lib/etcd", "700", "etcd", "etcd", data=True),
            program(inputs, host, "etcdutl"),
            program(inputs, host, "etcdctl"),
            EtcdData(host, *about, restoration.bump, snapshot),
        ]

    return Phase(
        name="restore-data",
        title="Restore the snapshot on every member",
        targets=lambda cluster: cluster.etcd_members,
        desired=desired,
        needs=lambda inputs: ("stop-etcd",),
    )
