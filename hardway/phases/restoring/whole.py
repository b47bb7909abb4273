"""Restore a whole cluster on machines that have nothing of it: first the control plane, then all as a bootstrap does.

The keys are those of the backup, so that workers, their pods and every token are accepted as before. Etcd gets its data
before any API server runs. When the API answers, bootstrap's own phases do the rest: they lead workers and load
balancers to the API, also where it has another address now, and install what a new machine lacks. Kubelets,
kube-proxies and cluster DNS start over once, because what they remember is newer than the snapshot.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from ...cluster import Host
from ...living.restoration import Restoration
from ...phase import Inputs, Phase, Target
from ...resources import Resource, Restarted, RolledOut
from ...vocabulary import Blob
from .. import PHASES, dns, etcd_members, kube_proxy, kubelet
from . import data, starting, stopping
from .following import COREDNS

# What makes hosts ready, and issues every certificate.
READY = PHASES[: PHASES.index(etcd_members.PHASE)]
More = Callable[[Inputs, Target], list[Resource]]


def control_plane(restoration: Restoration, snapshot: Blob) -> tuple[Phase, ...]:
    """Until the API serves what is in the snapshot. It is noted on hosts before anything else is done to them."""
    return (
        stopping.control_plane(restoration),
        stopping.etcd(restoration),
        *READY,
        data.phase(restoration, snapshot),
        starting.ETCD,
        starting.QUORUM,
        starting.API_SERVERS,
        starting.CONTROL_PLANE,
    )


def the_rest(restoration: Restoration) -> tuple[Phase, ...]:
    """Bootstrap's phases; in three of them, what runs already is restarted once."""
    more: dict[str, More] = {
        kubelet.PHASE.name: _restarted("kubelet", restoration),
        kube_proxy.PHASE.name: _restarted("kube-proxy", restoration),
        dns.PHASE.name: lambda inputs, target: _replaced(inputs, restoration),
    }
    return tuple(_with(phase, more[phase.name]) if phase.name in more else phase for phase in PHASES)


def _with(phase: Phase, more: More) -> Phase:
    return dataclasses.replace(
        phase, desired=lambda inputs, target: [*phase.desired(inputs, target), *more(inputs, target)]
    )


def _restarted(component: str, restoration: Restoration) -> More:
    """One that is installed by this run has nothing to forget."""

    def more(inputs: Inputs, host: Target) -> list[Resource]:
        installed = isinstance(host, Host) and component in inputs.facts[host.name].components
        return [Restarted(f"{component}.service", restoration.id)] if installed else []

    return more


def _replaced(inputs: Inputs, restoration: Restoration) -> list[Resource]:
    return [RolledOut(COREDNS, restoration.id)] if inputs.cluster.coredns.enabled else []
