"""The cluster all PKI tests are about: every role, three etcd members, a load balancer of ours."""

from __future__ import annotations

from ipaddress import IPv4Address

from hardway.cluster import Cluster, Host, Role
from hardway.settings import Api, LoadBalancer, Versions

VERSIONS = Versions("1.36.4", "3.6.14", "2.3.4", "1.4.3", "1.9.1", "1.36.0", "1.14.2", "3.10")


def lab() -> Cluster:
    controllers = [
        Host(f"controller-{i}", IPv4Address(f"10.240.0.1{i}"), frozenset({Role.ETCD, Role.CONTROL_PLANE}))
        for i in range(3)
    ]
    workers = [Host(f"worker-{i}", IPv4Address(f"10.240.0.2{i}"), frozenset({Role.WORKER})) for i in range(2)]
    balancer = Host("lb", IPv4Address("10.240.0.9"), frozenset({Role.LB}))
    api = Api("10.240.0.9", load_balancer=LoadBalancer.HAPROXY)
    return Cluster("lab", (balancer, *controllers, *workers), VERSIONS, api)
