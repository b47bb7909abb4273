"""Clusters of many workers."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from hardway.cluster import Cluster, Host, Role
from hardway.inventory import load

from .world import World

LAB = load(Path(__file__).parents[2] / "inventory" / "lab.yaml")


def cluster_of(workers: int) -> Cluster:
    """The lab with so many workers."""
    network = dataclasses.replace(LAB.network, pod_cidr=IPv4Network("10.160.0.0/14"), node_cidr=None)
    others = tuple(host for host in LAB.hosts if not host.is_(Role.WORKER))
    made = tuple(
        Host(f"worker-{n}", IPv4Address("10.240.4.0") + n, frozenset({Role.WORKER}), pod_cidr=network.pod_block(n))
        for n in range(workers)
    )
    return dataclasses.replace(LAB, hosts=others + made, network=network)


def flagged(world: World) -> None:
    """One flag of every kube-proxy is another, and a bootstrap brings it about."""
    world.use(dataclasses.replace(world.cluster, extra_args={"kube-proxy": {"profiling": "true"}}))
    world.run()
