"""What preflight says of the ways between hosts: sshd's forwarding, the API's name, ports that are not reached."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from hardway.errors import ConnectionLost, UnreachedError
from hardway.facts import Facts, parse
from hardway.inventory import load
from hardway.living import Lives
from hardway.living.reach import Blocked, Link, blocked, links
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


LAB = load(Path(__file__).parents[2] / "inventory" / "lab.yaml")


def named(found: list[Link]) -> set[tuple[str, str, int]]:
    return {(one.source.name, one.target.name, one.port) for one in found}


def test_every_connection_that_the_cluster_needs_is_known():
    found = named(links(LAB))
    planes, workers = ("controller-0", "controller-1", "controller-2"), ("worker-0", "worker-1")
    wanted = {(one, other, 2380) for one in planes for other in planes if one != other}
    wanted |= {(plane, worker, 10250) for plane in planes for worker in workers}
    wanted |= {("lb", plane, 6443) for plane in planes} | {(client, "lb", 6443) for client in (*planes, *workers)}
    assert found == wanted


W0 = str(LAB.host("worker-0").address)


def test_without_a_balancer_clients_need_the_api_servers_themselves():
    alone = replace(LAB, api=replace(LAB.api, load_balancer=LoadBalancer.NONE))
    assert ("worker-0", "controller-1", 6443) in named(links(alone))


class Way:
    """A host's transport: `closed` are ports of addresses that it does not reach, and how it says so."""

    def __init__(self, closed: dict[tuple[str, int], Exception]):
        self.closed, self.dialled = closed, []

    def dial(self, port: int, address: str, seconds: float):
        self.dialled.append((address, port))
        if (address, port) in self.closed:
            raise self.closed[address, port]
        return SimpleNamespace(close=lambda: None)


@pytest.fixture
def lab():
    """lab(source, target, port, error): a view of the lab in which one connection fails; every host listens when it is
    asked to, and says so; `listening` are the ports that it has when it is asked again."""

    def make(
        source: str = "",
        target: str = "lb",
        port: int = 0,
        error: Exception | None = None,
        deaf: bool = False,
        listening: str = "094C 192B 280A",
    ):
        address = str(LAB.host(target).address)
        ways = {host.name: Way({(address, port): error} if host.name == source else {}) for host in LAB.hosts}

        def follow(host, probe, lines, stop):
            for number in () if deaf else probe.args:
                lines(f"Listening on 0.0.0.0:{number} as 3.")
            while not deaf and not stop():
                time.sleep(0.01)

        heard = SimpleNamespace(probe=lambda questions: {questions[0]: listening})
        remotes = {host.name: heard for host in LAB.hosts}
        return SimpleNamespace(cluster=LAB, transports=ways, remotes=remotes, follow=follow)

    return make


FRESH = {host.name: Facts() for host in LAB.hosts}
SLOW, SHUT = UnreachedError("no", "x", waited_seconds=3.0), UnreachedError("no", "x")


@pytest.mark.parametrize(("error", "how"), [(SLOW, "no answer within 3 s"), (SHUT, "refused")])
def test_a_port_is_asked_for_from_where_it_is_needed(lab, error, how):
    live = lab("controller-1", "worker-0", 10250, error)
    assert blocked(live, FRESH, False) == (Blocked("controller-1", "worker-0", 10250, how),)
    assert sum(len(way.dialled) for way in live.transports.values()) == len(links(LAB)) + 1, "what failed, once more"


def test_a_server_that_has_ended_meanwhile_is_no_firewall(lab):
    live = lab("controller-1", "worker-0", 10250, SHUT, listening="094C 192B")
    assert blocked(live, FRESH, False) == ()


def test_a_connection_that_comes_about_the_second_time_was_never_blocked(lab):
    live = lab("controller-1", "worker-0", 10250, SLOW)
    way = live.transports["controller-1"]
    dial = way.dial

    def lossy(port: int, address: str, seconds: float):
        try:
            return dial(port, address, seconds)
        finally:
            way.closed.pop((address, port), None)

    way.dial = lossy
    assert blocked(live, FRESH, False) == () and way.dialled.count((W0, 10250)) == 2


def test_nothing_is_concluded_from_a_host_that_broke_off_or_does_not_listen(lab):
    assert blocked(lab("lb", "controller-0", 6443, ConnectionLost("gone", "lb")), FRESH, False) == ()
    assert blocked(lab("lb", "controller-0", 6443, SHUT, deaf=True), FRESH, False) == ()
    unknown = {**FRESH, "lb": Facts(known=False), "controller-0": Facts(forwarding=False)}
    live = lab("lb", "controller-0", 6443, SHUT)
    assert blocked(live, unknown, False) == () and not live.transports["lb"].dialled


def test_a_cluster_that_lives_is_asked_only_by_those_who_want_to_know(lab):
    built = {
        name: replace(facts, cluster="lab", listening=frozenset({2380, 6443, 10250})) for name, facts in FRESH.items()
    }
    live = lab("controller-1", "worker-0", 10250, SLOW)
    assert blocked(live, built, False) == () and not any(way.dialled for way in live.transports.values())
    assert [one.port for one in blocked(live, built, True)] == [10250]
    stopped = {**built, "worker-0": replace(built["worker-0"], listening=frozenset())}
    assert blocked(live, stopped, True) == (), "where nobody listens, another cause is told"


def test_a_host_that_is_not_reached_is_told_once(tmp_path):
    facts = {
        host.name: Facts(
            hostname=host.name, machine_id=host.name, memory_mb=8192, addresses={str(host.address): "eth0"}
        )
        for host in LAB.hosts
    }
    shut = [Blocked(f"controller-{n}", "worker-0", 10250, "no answer within 3 s") for n in range(3)]
    shut += [Blocked("lb", "controller-0", 6443, "refused")]
    made = Inputs(LAB, facts, Credentials(LAB, Overlay(StateDir(tmp_path / "none"))), None, Lives(blocked=tuple(shut)))
    one, two = [found for found in findings(made) if found.name == "Ports"]
    assert one.host == "worker-0" and one.what == (
        "port 10250 cannot be reached from controller-0, controller-1, controller-2 (no answer within 3 s): a firewall?"
    )
    assert "--dports 10250" in one.remedy and str(LAB.network.node_cidr) in one.remedy
    assert two.host == "controller-0" and "from lb (refused)" in two.what and not refuses("Ports")
    routed = replace(made, cluster=replace(LAB, network=replace(LAB.network, node_cidr=None)))
    assert all(f"-s {LAB.host('lb').address} " in found.remedy for found in findings(routed) if found.host == two.host)
