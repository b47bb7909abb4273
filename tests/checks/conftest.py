"""A small cluster as values, and pods of the smoke suite on its workers."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from hardway.assets import default_versions
from hardway.checks.pods import Pod
from hardway.cluster import Cluster, Host, Role
from hardway.settings import Api, LoadBalancer

VERSIONS = default_versions("1.34")


@pytest.fixture
def cluster():
    both = frozenset({Role.ETCD, Role.CONTROL_PLANE})
    controllers = [Host(f"controller-{i}", IPv4Address(f"10.240.0.1{i}"), both) for i in range(3)]
    workers = [
        Host(
            f"worker-{i}",
            IPv4Address(f"10.240.0.2{i}"),
            frozenset({Role.WORKER}),
            pod_cidr=IPv4Network(f"10.200.{i}.0/24"),
        )
        for i in range(2)
    ]
    lb = Host("lb", IPv4Address("10.240.0.9"), frozenset({Role.LB}))
    return Cluster(
        "test", (lb, *controllers, *workers), VERSIONS, Api("10.240.0.9", load_balancer=LoadBalancer.HAPROXY)
    )


@pytest.fixture
def pods(cluster):
    return tuple(Pod(f"echo-{i}", f"10.200.{i}.7", worker) for i, worker in enumerate(cluster.workers))
