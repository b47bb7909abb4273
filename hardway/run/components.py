"""What runs on which host by the inventory alone: the units that our phases want, told without asking anybody."""

from __future__ import annotations

from collections.abc import Mapping

from ..assets.table import component_of
from ..cluster import Cluster, Host
from ..phases import PHASES
from ..resources import Unit
from .supposed import supposed


def components(cluster: Cluster) -> Mapping[str, tuple[Host, ...]]:
    """Each unit's name without `.service`, in the phases' order, and the hosts that carry it."""
    inputs = supposed(cluster)
    found: dict[str, list[Host]] = {}
    for phase in PHASES:
        for host in cluster.hosts:
            wanted = phase.desired(inputs, host) if phase.works_on(cluster, host) else ()
            for name in (resource.name.removesuffix(".service") for resource in wanted if isinstance(resource, Unit)):
                found.setdefault(name, []).append(host)
    return {name: tuple(hosts) for name, hosts in found.items()}


def wanted_version(cluster: Cluster, component: str) -> str:
    """The version the inventory asks for; empty for what comes from the hosts' own packages, or is no program."""
    try:
        return getattr(cluster.versions, component_of(component))
    except KeyError:
        return ""
