"""What may never change while a cluster lives is refused with the value it was founded with."""

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from hardway.cluster import Cluster
from hardway.facts import Facts
from hardway.inventory import load
from hardway.living import Founded, Lives
from hardway.phase import Inputs
from hardway.preflight import lasting

LAB = load(Path(__file__).parents[2] / "inventory" / "lab.yaml")
FOUNDED = Founded.of(LAB, Lives(etcd="e7cd", uid="u"), "2026-11-29")
ISSUER = "override_args.kube-apiserver.service-account-issuer"


def network(**changed) -> Cluster:
    return replace(LAB, network=replace(LAB.network, **changed))


def issued(by: str) -> Cluster:
    return replace(LAB, override_args={"kube-apiserver": {"service-account-issuer": by}})


def told(cluster: Cluster, founded: Founded | None = FOUNDED, **facts) -> list[str]:
    """What is found on hosts that answer, in the words of the finding; `facts` are of control-plane hosts."""
    said = {host.name: Facts(etcd_data=True) for host in LAB.control_plane} | {
        name.replace("_", "-"): fact for name, fact in facts.items()
    }
    hosts = [host for host in LAB.control_plane if said[host.name].known]
    [check] = lasting.TOGETHER
    inputs = Inputs(cluster, said, None, None, founded=founded)
    return [f"{one.host} {one.what} | {one.remedy}" for one in check.findings(inputs, hosts)]


CHANGED = [
    (network(service_cidr=IPv4Network("10.33.0.0/24")), "network.service_cidr", "10.33.0.0/24", "10.32.0.0/24"),
    (network(domain="new.local"), "network.domain", "new.local", "cluster.local"),
    (network(pod_cidr=IPv4Network("10.201.0.0/16")), "network.pod_cidr", "10.201.0.0/16", "10.200.0.0/16"),
    (network(pod_cidr=IPv4Network("10.200.0.0/15")), "network.pod_cidr", "10.200.0.0/15", "10.200.0.0/16"),
    (network(node_prefix=25), "network.node_prefix", "25", "24"),
    (issued("https://me"), ISSUER, "https://me", "https://kubernetes.default.svc.cluster.local"),
]


@pytest.mark.parametrize(("cluster", "key", "new", "old"), CHANGED, ids=[key for _, key, _, _ in CHANGED])
def test_old_and_new_value_and_the_reason_are_told(cluster, key, new, old):
    [finding] = told(cluster)
    assert finding.startswith(
        f"controller-0 {key} is {new} in the inventory, but this cluster was created with {old}: "
    )
    assert lasting.WHY[key] in finding and (old in finding.partition(" | ")[2] or "remove" in finding)


def test_what_was_founded_is_no_change():
    assert told(LAB) == []


def test_an_issuer_of_ones_own_is_kept_too():
    own = Founded.of(issued("https://me"), Lives(), "2026-11-29")
    assert told(issued("https://me"), own) == []
    [finding] = told(LAB, own)
    assert finding.endswith(
        f"write {ISSUER}: https://me in INV again; another value takes a new cluster beside this one"
    )


LIVED = Facts(
    etcd_data=True,
    service_cidr="10.32.0.0/24",
    pod_cidr="10.200.0.0/16",
    issuer="https://kubernetes.default.svc.cluster.local",
)


@pytest.mark.parametrize(
    ("cluster", "key"), [(cluster, key) for cluster, key, *_ in CHANGED if key != "network.node_prefix"]
)
def test_where_nothing_is_bound_the_control_plane_says_it(cluster, key):
    [finding] = told(cluster, None, controller_1=LIVED)
    assert finding.startswith(f"controller-1 {key} is ")
    assert told(LAB, None, controller_1=LIVED) == []


def test_a_change_that_was_begun_may_be_ended_or_undone():
    begun = replace(LIVED, service_cidr="10.33.0.0/24")
    for cluster in (LAB, network(service_cidr=IPv4Network("10.33.0.0/24"))):
        assert told(cluster, None, controller_0=LIVED, controller_1=begun) == []


def test_before_etcd_has_data_everything_may_change():
    """A bootstrap that died early leaves API servers that never served."""
    died = replace(LIVED, etcd_data=False)
    planes = {"controller_0": died, "controller_1": died, "controller_2": died}
    cluster = network(domain="new.local")
    assert told(cluster, None, **planes) == []
    silent = {**planes, "controller_2": Facts(known=False)}
    assert len(told(cluster, None, **silent)) == 1, "a member that does not answer may have data"
