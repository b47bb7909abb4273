"""A cluster of three members as values."""

from ipaddress import IPv4Address

import pytest

from hardway.assets import default_versions
from hardway.cluster import Cluster, Host, Role
from hardway.settings import Api, LoadBalancer

VERSIONS = default_versions("1.34")


@pytest.fixture
def cluster() -> Cluster:
    hosts = [Host("lb", IPv4Address("10.0.0.9"), frozenset({Role.LB}))]
    hosts += [Host(f"c-{i}", IPv4Address(f"10.0.0.1{i}"), frozenset({Role.ETCD, Role.CONTROL_PLANE})) for i in range(3)]
    hosts += [Host("w-0", IPv4Address("10.0.0.20"), frozenset({Role.WORKER}))]
    arguments = {"kube-apiserver": {"no-such-flag": "1"}, "etcd": {"no-such": "1"}}
    return Cluster(
        "shop", tuple(hosts), VERSIONS, Api("10.0.0.9", load_balancer=LoadBalancer.HAPROXY), extra_args=arguments
    )
