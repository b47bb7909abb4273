"""Whether the hosts reach each other on every port that one needs of another."""

from __future__ import annotations

from collections.abc import Iterator

from ..cluster import Host
from ..living.reach import Blocked
from ..phase import Inputs
from .finding import ClusterCheck

NAME = "Ports"
NAMED = 4  # sources that are named; of more, their number says enough
FoundOn = Iterator[tuple[Host, str, str]]


def ports(inputs: Inputs, hosts: list[Host]) -> FoundOn:
    """Once for each host that is not reached, since one firewall forbids them all."""
    by_name = {host.name: host for host in hosts}
    for name in dict.fromkeys(one.target for one in inputs.lives.blocked):
        if name in by_name:
            mine = [one for one in inputs.lives.blocked if one.target == name]
            yield by_name[name], f"{_told(mine)}: a firewall?", _remedy(inputs, by_name[name], mine)


def _told(blocked: list[Blocked]) -> str:
    sources: dict[tuple[int, str], list[str]] = {}
    for one in blocked:
        sources.setdefault((one.port, one.how), []).append(one.source)
    return ", ".join(
        f"port {port} cannot be reached from {_names(names)} ({how})" for (port, how), names in sources.items()
    )


def _names(sources: list[str]) -> str:
    more = len(sources) - NAMED
    return ", ".join(sources[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _remedy(inputs: Inputs, host: Host, blocked: list[Blocked]) -> str:
    wanted = ",".join(str(port) for port in sorted({one.port for one in blocked}))
    sources = dict.fromkeys(str(inputs.cluster.host(one.source).address) for one in blocked)
    network = inputs.cluster.network.node_cidr or ",".join(sources)
    allow = f"iptables -I INPUT -p tcp -s {network} -m multiport --dports {wanted} -j ACCEPT"
    look = f"on {host.name}: iptables -S INPUT; nft list ruleset   show what forbids it"
    return f"{look}; to allow it until the next boot: {allow}"


TOGETHER = (ClusterCheck(NAME, "Every host is reached on each port that another one needs.", ports),)
