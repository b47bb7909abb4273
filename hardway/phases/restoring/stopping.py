"""Stop the control plane, then etcd: nobody may write to, or read from, data that is about to be replaced.

An API server that kept running would serve what it remembers of the old data, and controllers would act on it. Pods
keep running: kubelets need no API for that. The units are disabled too, so that a host that reboots in the middle does
not start them.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...cluster import Host
from ...living.restoration import NOTE, Restoration
from ...phase import Inputs, Phase
from ...resources import Noted, Resource, Stopped

CONTROLLERS = ("kube-controller-manager.service", "kube-scheduler.service")
API_SERVER, ETCD = "kube-apiserver.service", "etcd.service"


def control_plane(restoration: Restoration) -> Phase:
    """Controllers first: what they do when their API server ends, they do in vain."""
    return Phase(
        name="stop-control-plane",
        title="Stop the control plane",
        targets=lambda cluster: cluster.control_plane,
        desired=lambda inputs, host: _stopped(restoration, inputs, host, (*CONTROLLERS, API_SERVER)),
        marks=False,
    )


def etcd(restoration: Restoration) -> Phase:
    """All members, once no API server runs anywhere."""
    return Phase(
        name="stop-etcd",
        title="Stop the etcd members",
        targets=lambda cluster: cluster.etcd_members,
        desired=lambda inputs, host: _stopped(restoration, inputs, host, (ETCD,)),
        needs=lambda inputs: ("stop-control-plane",),
        marks=False,
    )


def _stopped(restoration: Restoration, inputs: Inputs, host: Host, units: Sequence[str]) -> list[Resource]:
    """Nothing once all members have the new data; until then what has begun is noted before anything is stopped."""
    if restoration.everywhere(inputs.cluster, inputs.facts):
        return []
    return [Noted(NOTE, restoration.note), *map(Stopped, units)]
