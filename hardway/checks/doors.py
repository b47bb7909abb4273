"""The ports at which the cluster shows certificates of ours, and what is shown there just now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..cluster import Cluster, Host
from ..pki.certificates import definition, label
from ..pki.credentials import Pair
from ..ports import ETCD_CLIENT, ETCD_PEER, KUBELET
from ..targets.away import Away
from ..targets.readonly import ReadingTransport
from ..transport import Transport
from . import peer

# etcd shows itself to nobody else where TLS is older than 1.3.
TO_ETCD = "etcd-healthcheck-client"


@dataclass(frozen=True)
class Door:
    """A port that shows the certificate of a row; it is dialled from `host`, whose certificate it is where each has its
    own."""

    row: str
    host: Host
    port: int
    address: str

    @property
    def where(self) -> str:
        return f"{self.address}:{self.port}"

    @property
    def label(self) -> str:
        """What the certificate is called that belongs there."""
        row = definition(self.row)
        return label(row, self.host if row.per_host else None)

    @property
    def to_etcd(self) -> bool:
        return self.row.startswith("etcd-")

    def shown(
        self, transports: Mapping[str, Transport | ReadingTransport | Away], ca: bytes, client: Pair | None = None
    ) -> bytes:
        """The certificate (DER); HardwayError or OSError when nobody can be asked. Whether it is believed is the
        caller's matter."""
        settings = peer.context(ca, client if self.to_etcd else None, believe=False)
        return peer.certificate(lambda: transports[self.host.name].dial(self.port, self.address), settings)


def doors(cluster: Cluster, through: Host) -> list[Door]:
    """All of them; the address of all clients is dialled from `through`."""
    found = [Door("apiserver", host, cluster.apiserver_port(host), str(host.address)) for host in cluster.control_plane]
    for row, port in (("etcd-server", ETCD_CLIENT), ("etcd-peer", ETCD_PEER)):
        found += [Door(row, host, port, str(host.address)) for host in cluster.etcd_members]
    found += [Door("kubelet-server", host, KUBELET, str(host.address)) for host in cluster.workers]
    return [*found, Door("apiserver", through, cluster.api.port, cluster.api.address)]
