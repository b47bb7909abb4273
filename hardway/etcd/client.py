"""Choosing the way to etcd."""

from __future__ import annotations

from ..cluster import Cluster
from ..pki.credentials import Credentials
from ..transport import Transport
from .command import Etcdctl, beside
from .interface import EtcdClient
from .library import Unusable, open_library


def open_etcd(cluster: Cluster, transport: Transport, credentials: Credentials) -> EtcdClient:
    """A client of the cluster's etcd by way of `transport`, an etcd host: the library, or else etcdctl on that host.

    Raises nothing because etcd is down: the calls do that.
    """
    try:
        return open_library(cluster, transport, credentials)
    except Unusable as unusable:
        return Etcdctl(transport, beside(transport.host, cluster.etcd_members), reason=str(unusable))
