"""API servers that run on machines which the inventory no longer names."""

from __future__ import annotations

from collections.abc import Iterator

from ..cluster import Host
from ..phase import Inputs
from .finding import ClusterCheck

ADVERTISED = "kube-apiserver.advertise-address"


def left_behind(inputs: Inputs, hosts: list[Host]) -> Iterator[tuple[Host, str, str]]:
    """Such a one goes on serving and controlling with files that nobody keeps up to date. A host that has lost its role
    alone is Role's business; one with a new address still announces the old one, as its own unit shows."""
    cluster, servers = inputs.cluster, inputs.lives.servers
    planes = [host for host in cluster.control_plane if host in hosts]
    if servers is None or len(planes) < len(cluster.control_plane):
        return
    known = {str(host.address) for host in cluster.hosts}
    known |= {inputs.facts[host.name].flags.get(ADVERTISED, "") for host in planes}
    for address in sorted(servers - known):
        what = f"an API server of this cluster runs at {address}, and the inventory has no host with this address"
        yield (
            planes[0],
            what,
            "put its host back into INV, then: hardway node remove INV HOST",
        )


TOGETHER = (ClusterCheck("ApiServer", "The inventory names every API server.", left_behind),)
