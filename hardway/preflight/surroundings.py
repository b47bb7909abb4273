"""What else is on a host, and around it: taken ports, a firewall, a name server that pods cannot reach."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from ..cluster import Cluster, Host, Role
from ..facts import Facts
from ..phase import Inputs
from ..ports import LISTENING
from ..settings import LoadBalancer
from ..transport import FORWARDING_REMEDY
from .finding import Finding, HostCheck
from .flags import PORT

HAPROXY = "haproxy.service"
# How systemd-socket-activate is called in ss: another preflight listens for a moment (hardway/living/reach.py).
TRYING = "systemd-socket-"
FIREWALLS = {"ufw": "ufw disable", "firewalld": "systemctl disable --now firewalld"}
Found = Iterator[tuple[str, str]]


PORT_NAME, PORT_WANTED = (
    "Port-NUMBER",
    "No other program listens on a port that a unit of hardway needs; one for each port.",
)


def taken_ports(inputs: Inputs, host: Host, facts: Facts) -> list[Finding]:
    """Each port that is not held by the unit it is for, a check of its own by its number."""
    found = []
    for port, unit in sorted(set(_wanted(inputs.cluster, host))):
        program, process = facts.holders.get(port, ("another program", ""))
        free = port not in facts.listening or program == TRYING
        if not free and not _held(facts, port, unit) and not _of_api_server(facts, port, unit):
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


def forwarding(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if not facts.forwarding:
        yield "its sshd forbids forwarding, through which hardway asks etcd and the API", FORWARDING_REMEDY


def api_name(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """Clients on workers and control-plane hosts look the API's name up by themselves."""
    cluster, found = inputs.cluster, facts.api_name
    if found is None or not (host.is_(Role.WORKER) or host.is_(Role.CONTROL_PLANE)):
        return
    wanted, serving = _api_addresses(cluster)
    here = f"on {host.name}, a line in /etc/hosts: {wanted[0] if wanted else 'ADDRESS'} {cluster.api_name}"
    if not found:
        yield f"does not know the API's name {cluster.api_name}", f"add it to your DNS, or {here}"
    elif wanted and not set(found) <= {*wanted, *(found if host in serving and _all_local(found) else ())}:
        what = f"finds {', '.join(found)} for the API's name {cluster.api_name}, but the API is at {', '.join(wanted)}"
        yield what, f"correct your DNS, or {here}"


def _api_addresses(cluster: Cluster) -> tuple[list[str], tuple[Host, ...]]:
    """Where the API's name has to lead, and the hosts that answer there; nowhere in particular for a load balancer that
    is not ours."""
    if cluster.api.load_balancer is LoadBalancer.EXTERNAL:
        return [], ()
    hosts = cluster.load_balancers or cluster.control_plane
    addresses = [str(host.address) for host in hosts]
    return ([str(cluster.api.vip), *addresses] if cluster.api.vip else addresses), hosts


def _all_local(addresses: tuple[str, ...]) -> bool:
    return all(one.startswith("127.") for one in addresses)


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
    """The kernel takes a route only to a machine that it reaches without a router: in a network of the host's, or by a
    route of its own. A router between would not know where the pods are."""
    far = _far(inputs.cluster, host, facts)
    if not far:
        return
    hops = ", ".join(f"{worker.name} ({worker.address})" for worker in far)
    remedy = "correct `address` in the inventory, or connect all hosts to one network without a router in it"
    yield f"cannot route to the pods of {hops}: {_why(host, far, facts)}", remedy


def _far(cluster: Cluster, host: Host, facts: Facts) -> list[Host]:
    """The other workers that cannot be a next hop from here."""
    if facts.beyond is None and not facts.links:
        return []
    outside = [one for one in _beyond(cluster, tuple(facts.links)) if one != host]
    return outside if facts.beyond is None else [one for one in outside if str(one.address) in facts.beyond]


def _why(host: Host, far: list[Host], facts: Facts) -> str:
    if facts.beyond is None:
        shown = [link for link in facts.links if host.address in IPv4Network(link)] or facts.links
        return f"not in a network of its own ({', '.join(shown)})"
    routers = sorted({facts.beyond[str(one.address)] for one in far} - {"none"})
    return f"the way there is through a router, {', '.join(routers)}" if routers else "it has no route there"


def _beyond(cluster: Cluster, links: tuple[str, ...]) -> list[Host]:
    """The workers in none of these networks; most hosts have the same."""
    networks = [IPv4Network(link) for link in links]
    return cluster.once(
        ("beyond", links),
        lambda: [worker for worker in cluster.workers if not any(worker.address in network for network in networks)],
    )


CHECKS = (
    HostCheck("ApiName", "Every host finds the API under its name, where `api.address` is one.", api_name),
    HostCheck("Forwarding", "sshd opens connections to the host's own ports for hardway.", forwarding),
    HostCheck("NextHop", "The pods of every worker can be reached without a router between the hosts.", next_hops),
    HostCheck("Firewall", "No firewall is switched on that hardway does not know how to open.", firewall, warning=True),
    HostCheck("Nameserver", "The host's name server is not a local one (workers).", name_server, warning=True),
)
