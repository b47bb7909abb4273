"""Start what was stopped, as in a bootstrap: all members together, then the API servers, then their controllers.

The members must hold the same data, by etcd's own hash, before any API server is started.
"""

from __future__ import annotations

import contextlib
import dataclasses

from ...cluster import Host
from ...errors import HardwayError
from ...etcd.interface import Hash
from ...phase import Pending
from ...targets.live import Live
from .. import control_plane, etcd, etcd_quorum


def alike(live: Live, host: Host) -> Pending | None:
    """A member that is healthy, and has the same data as the first one."""
    first = live.cluster.etcd_members[0]
    return etcd.ready(live, host) or (_other_data(live, host, first) if host != first else None)


def _other_data(live: Live, host: Host, first: Host) -> Pending | None:
    revisions = [_revision(live, member) for member in (host, first)]
    own, other = (_hash(live, member, min(revisions)) for member in (host, first)) if all(revisions) else (None, None)
    if own is None or other is None or own.compacted != other.compacted:
        return _pending(host, f"to be compared with {first.name}")
    if own != other:
        return _pending(host, f"to have the same data as {first.name} (hash {own.value:x}, not {other.value:x})")
    return None


def _pending(host: Host, what: str) -> Pending:
    return Pending(f"etcd member {host.name} {what}", host.name, "etcd.service")


def _revision(live: Live, host: Host) -> int:
    with contextlib.suppress(HardwayError):
        return next((status.revision for status in live.etcd(host).status()), 0)
    return 0


def _hash(live: Live, host: Host, revision: int) -> Hash | None:
    with contextlib.suppress(HardwayError):
        return live.etcd(host).hashes(revision).get(host.name)
    return None


def server_ready(live: Live, host: Host) -> Pending | None:
    if problem := live.kube(host).not_ready():
        return Pending(f"kube-apiserver on {host.name} to be ready ({problem})", host.name, "kube-apiserver.service")
    return None


ETCD = dataclasses.replace(etcd.PHASE, needs=lambda inputs: ("restore-data",), ready=alike, deadline=120)
QUORUM = etcd_quorum.PHASE
API_SERVERS = dataclasses.replace(
    control_plane.PHASE,
    name="api-servers",
    title="Start the API servers",
    desired=control_plane.api_server,
    needs=lambda inputs: ("etcd", "etcd-quorum"),
    ready=server_ready,
)
CONTROL_PLANE = dataclasses.replace(control_plane.PHASE, needs=lambda inputs: ("api-servers",))
