"""The phases of `hardway etcd restore`, in their order. What can be done as in a bootstrap is bootstrap's own phase."""

from __future__ import annotations

from ...living.restoration import Restoration
from ...phase import Phase
from ...vocabulary import Blob
from . import data, following, starting, stopping

MODULES = (stopping, data, starting, following)


def phases(restoration: Restoration, snapshot: Blob) -> tuple[Phase, ...]:
    """All of one restore; the same for every run that works on it."""
    return (
        stopping.control_plane(restoration),
        stopping.etcd(restoration),
        data.phase(restoration, snapshot),
        starting.ETCD,
        starting.QUORUM,
        starting.API_SERVERS,
        starting.CONTROL_PLANE,
        following.kubelets(restoration),
        following.kube_proxies(restoration),
        following.dns(restoration),
    )
