"""What the effects of drills are seen by: each takes a practice and says what is not so yet, or nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ...cluster import Host
from ...errors import ConnectionFailed
from ...patience import stretched
from ...targets.live import UNREACHABLE, Live
from ...vocabulary import Probe
from .drill import Practice

CONTAINERS = Probe("containers")
LEASES = "/apis/coordination.k8s.io/v1/leases?limit=1"
IN_A_ROW = 5
# The leaders of the control plane renew their leases every 2 s.
WRITES_WITHIN = 6.0


def containers(live: Live) -> Mapping[str, frozenset[str]]:
    """The containers that run on each worker that answers."""
    found = {}
    for host in live.cluster.workers:
        try:
            found[host.name] = frozenset(live.remotes[host.name].probe((CONTAINERS,))[CONTAINERS].split())
        except UNREACHABLE:
            found[host.name] = frozenset()
    return found


def server_is_down(practice: Practice) -> str:
    return (
        ""
        if practice.live.kube(practice.broken).not_ready()
        else f"the API server of {practice.broken.name} to stop answering"
    )


def address_answers(practice: Practice) -> str:
    """Several times in a row, since one answer may be luck."""
    for _ in range(IN_A_ROW):
        if problem := practice.live.balanced(practice.spared[0]).not_ready():
            return f"the API to answer at {practice.cluster.api_url} ({problem})"
    return ""


def address_is_dead(practice: Practice) -> str:
    problem = practice.live.balanced(practice.cluster.control_plane[0]).not_ready()
    return "" if problem else f"{practice.cluster.api_url} to stop answering"


def servers_are_ready(practice: Practice) -> str:
    for host in practice.cluster.control_plane:
        if problem := practice.live.kube(host).not_ready():
            return f"the API server of {host.name} to be ready ({problem})"
    return ""


def member_is_down(practice: Practice) -> str:
    return "" if practice.live.etcd_health(practice.broken) else f"etcd on {practice.broken.name} to stop answering"


def others_are_healthy(practice: Practice) -> str:
    for host in practice.cluster.etcd_members:
        if host not in practice.hosts and (problem := practice.live.etcd_health(host)):
            return f"etcd on {host.name} to be healthy ({problem})"
    return ""


def writes_go_on(practice: Practice) -> str:
    """etcd's revision grows without any write by hardway: the control plane renews its leases all the time."""
    api = practice.live.balanced(practice.spared[0] if practice.spared else None)
    revision = lambda: int((api.get(LEASES) or {})["metadata"]["resourceVersion"])  # noqa: E731
    first, end = revision(), time.monotonic() + stretched(WRITES_WITHIN)
    while time.monotonic() < end:
        if revision() > first:
            return ""
        time.sleep(0.2)
    return f"a write (etcd stays at revision {first})"


def node_is_not_ready(practice: Practice) -> str:
    """The control plane noticed: "Unknown". A kubelet that has just started says "False" for a moment by itself."""
    node = practice.live.nodes().get(practice.broken.name, {})
    ready = next((c["status"] for c in node.get("status", {}).get("conditions", []) if c["type"] == "Ready"), "Unknown")
    return "" if ready == "Unknown" else f"node {practice.broken.name} to become NotReady"


def containers_go_on(practice: Practice) -> str:
    return _gone(practice, practice.cluster.workers)


def its_containers_go_on(practice: Practice) -> str:
    return _gone(practice, practice.hosts)


def _gone(practice: Practice, hosts: tuple[Host, ...]) -> str:
    now = containers(practice.live)
    lost = {host.name: len(practice.before[host.name] - now[host.name]) for host in hosts}
    return "; ".join(f"{count} containers on {name} no longer run" for name, count in lost.items() if count)


def machine_is_off(practice: Practice) -> str:
    transport = practice.live.transports[practice.broken.name]
    transport.close()
    try:
        transport.connect()
    except ConnectionFailed:
        return ""
    return f"{practice.broken.name} to be off"
