"""What else is on a host, and around it: taken ports, a firewall, a name server that pods cannot reach."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from ..cluster import Cluster, Host, Role
from ..facts import Facts
from ..phase import Inputs
from ..ports import LISTENING
from .finding import Finding, HostCheck
from .flags import PORT

HAPROXY = "haproxy.service"
FIREWALLS = {"ufw": "ufw disable", "firewalld": "systemctl disable --now firewalld"}
Found = Iterator[tuple[str, str]]


def taken_ports(inputs: Inputs, host: Host, facts: Facts) -> list[Finding]:
    """Each port that is not held by the unit it is for, a check of its own by its number."""
    found = []
    for port, unit in sorted(set(_wanted(inputs.cluster, host))):
        if port in facts.listening and not _held(facts, port, unit) and not _of_api_server(facts, port, unit):
            program, process = facts.holders.get(port, ("another program", ""))
            holder = f"{program} (process {process})" if process else program
            what = f"port {port} is in use by {holder}, but {unit} needs it"
            find = (
                f"systemctl status {process}   shows what it belongs to"
                if process
                else f"find it with: ss -ltnp sport = :{port}"
            )
            found.append(Finding(f"Port-{port}", host.name, what, f"{find}; then stop it"))
    return found


def _held(facts: Facts, port: int, unit: str) -> bool:
    """Whether the unit holds the port that it is to have: HAProxy may run with another one until now."""
    former = unit == HAPROXY and facts.bound
    return unit in facts.units and (not former or port in former)


def _of_api_server(facts: Facts, port: int, unit: str) -> bool:
    """Whether HAProxy would need the port of our own API server: ApiPort has the better advice than to stop that."""
    return unit == HAPROXY and facts.flags.get(PORT) == str(port)


def _wanted(cluster: Cluster, host: Host) -> Iterator[tuple[int, str]]:
    for role in host.roles:
        yield from ((port, f"{name}.service") for port, name in LISTENING[role].items())
    if host.is_(Role.CONTROL_PLANE):
        yield cluster.apiserver_port(host), "kube-apiserver.service"
    if host in cluster.load_balancers:
        yield cluster.api.port, HAPROXY


def firewall(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if facts.firewall:
        network = inputs.cluster.network
        others = f"{network.node_cidr or 'the other hosts'} and {network.pod_cidr}"
        remedy = f"let it accept all traffic from {others}, or: {FIREWALLS[facts.firewall]}"
        yield f"{facts.firewall} is active and may block traffic between hosts and pods", remedy


def name_server(inputs: Inputs, host: Host, facts: Facts) -> Found:
    coredns = inputs.cluster.coredns
    if host.is_(Role.WORKER) and facts.own_nameservers and coredns.enabled and coredns.forward == "auto":
        own = f"its name server {facts.own_nameservers[0]} is local, so pods cannot reach it"
        yield (
            f"{own}; a new cluster DNS will not resolve outside names, and one that does cannot run on this host",
            ("set addons.coredns.forward: [ADDRESS] to a name server that all hosts reach"),
        )


def next_hops(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """The kernel takes a route only to a machine that it reaches without a router."""
    far = [one for one in _beyond(inputs.cluster, tuple(facts.links)) if one != host] if facts.links else []
    if far:
        shown = [link for link in facts.links if host.address in IPv4Network(link)] or facts.links
        hops = ", ".join(f"{worker.name} ({worker.address})" for worker in far)
        what = f"cannot route to the pods of {hops}: not in a network of its own ({', '.join(shown)})"
        yield what, "correct `address` in the inventory, or connect all hosts to one network without a router in it"


def _beyond(cluster: Cluster, links: tuple[str, ...]) -> list[Host]:
    """The workers in none of these networks; most hosts have the same."""
    networks = [IPv4Network(link) for link in links]
    return cluster.once(
        ("beyond", links),
        lambda: [worker for worker in cluster.workers if not any(worker.address in network for network in networks)],
    )


CHECKS = (
    HostCheck("NextHop", next_hops),
    HostCheck("Firewall", firewall, warning=True),
    HostCheck("Nameserver", name_server, warning=True),
)
