"""What preflight says of the roads: sshd's forwarding, and the API's name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hardway.facts import Facts, parse
from hardway.inventory import load
from hardway.phase import Inputs
from hardway.pki.credentials import Credentials
from hardway.preflight import findings, refuses
from hardway.settings import LoadBalancer
from hardway.state.statedir import Overlay, StateDir

OWN = load(Path(__file__).parents[2] / "inventory" / "vagrant.yaml")
NAME = "api.example.org"
LB = str(OWN.host("lb").address)


@pytest.fixture
def told(tmp_path):
    """told(HOST, load_balancer, fact=value, ...): what preflight finds when one host of a healthy cluster has these."""

    def find(name: str, balancer=LoadBalancer.HAPROXY, **wrong) -> list:
        cluster = replace(OWN, api=replace(OWN.api, address=NAME, load_balancer=balancer))
        hosts = {
            host.name: Facts(
                hostname=host.name,
                machine_id=host.name,
                memory_mb=8192,
                addresses={str(host.address): "eth0"},
                nameservers=("192.0.2.53",),
                api_name=(LB,),
            )
            for host in cluster.hosts
        }
        hosts[name] = replace(hosts[name], **wrong)
        return findings(Inputs(cluster, hosts, Credentials(cluster, Overlay(StateDir(tmp_path / "none"))), None))

    return find


@pytest.mark.parametrize("host", ["worker-0", "controller-0", "lb"])
def test_an_sshd_that_forwards_nothing_is_an_error(told, host):
    [one] = told(host, forwarding=False)
    assert (one.name, one.host, one.warning) == ("Forwarding", host, False)
    assert "AllowTcpForwarding" in one.remedy and not refuses("Forwarding")


@pytest.mark.parametrize(
    ("host", "found", "words"),
    [
        ("worker-0", (), "does not know the API's name api.example.org"),
        ("controller-0", (), "does not know"),
        ("worker-0", ("192.0.2.1",), "finds 192.0.2.1 for the API's name api.example.org, but the API is at " + LB),
        ("worker-0", (LB, "192.0.2.1"), f"finds {LB}, 192.0.2.1"),
        ("worker-0", ("127.0.1.1",), "finds 127.0.1.1"),
    ],
)
def test_a_name_of_the_api_that_leads_nowhere_is_an_error(told, host, found, words):
    [one] = told(host, api_name=found)
    assert (one.name, one.host, one.warning) == ("ApiName", host, False) and words in one.what
    assert f"{LB} {NAME}" in one.remedy


@pytest.mark.parametrize(
    ("host", "found"), [("worker-0", (LB,)), ("worker-0", None), ("lb", ()), ("lb", ("127.0.1.1",))]
)
def test_what_leads_to_the_api_is_not_told(told, host, found):
    assert told(host, api_name=found) == []


def test_where_a_balancer_of_the_users_own_is_nobody_else_knows(told):
    assert told("worker-0", LoadBalancer.EXTERNAL, api_name=("192.0.2.1",)) == []
    assert [one.name for one in told("worker-0", LoadBalancer.EXTERNAL, api_name=())] == ["ApiName"]


@pytest.mark.parametrize(
    ("said", "found"), [("api_name=x.y 10.0.0.1 10.0.0.2", ("10.0.0.1", "10.0.0.2")), ("api_name=x.y ", ()), ("", None)]
)
def test_what_a_host_finds_is_read(said, found):
    assert parse(said, 0.0, 0.0).api_name == found
