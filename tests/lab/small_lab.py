"""The small cluster these tests make machines for."""

from __future__ import annotations

from ipaddress import IPv4Address

from hardway.cluster import Cluster, Host, Role
from hardway.settings import Api, Lab, Ssh, Versions

VERSIONS = Versions("1.34.4", "3.6.16", "2.3.7", "1.5.3", "1.10.0", "1.34.0", "1.15.0", "3.10")


def make_cluster(name: str = "labtest", network: str = "10.251.0", ports: tuple[int, int] = (22, 22), **lab) -> Cluster:
    """Two machines, alpha and beta, on a network of their own."""
    hosts = tuple(
        Host(host, IPv4Address(f"{network}.{number}"), frozenset({Role.WORKER}), ssh=Ssh(port=port))
        for host, number, port in (("alpha", 10, ports[0]), ("beta", 11, ports[1]))
    )
    return Cluster(
        name=name, hosts=hosts, versions=VERSIONS, api=Api("alpha"), lab=Lab(gateway=IPv4Address(f"{network}.1"), **lab)
    )
