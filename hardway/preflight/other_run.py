"""Whether another run is changing the cluster while this command looks at it."""

from __future__ import annotations

from collections.abc import Iterator

from ..cluster import Host
from ..lease import Holder
from ..phase import Inputs
from .finding import ClusterCheck


def other_run(inputs: Inputs, hosts: list[Host]) -> Iterator[tuple[Host, str, str]]:
    """Each such run once, with the first of the hosts that it has."""
    found: dict[str, tuple[Host, Holder]] = {}
    for host in hosts:
        if holder := Holder.parse(inputs.facts[host.name].lease):
            found.setdefault(holder.token, (host, holder))
    for host, holder in found.values():
        yield host, str(holder), "wait until it ends: what you see here may change until then"


OTHER_RUN = ClusterCheck("OtherRun", "No other run is changing the cluster.", other_run, warning=True)
TOGETHER = (OTHER_RUN,)
