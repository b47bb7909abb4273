"""The phases in their order: this tuple is the product on one screen."""

from __future__ import annotations

from ..cluster import Host
from ..phase import Inputs
from ..resources.base import Resource
from . import (
    binaries,
    containers,
    control_plane,
    dns,
    encryption,
    encryption_read,
    etcd,
    etcd_clients,
    etcd_members,
    etcd_promotion,
    etcd_quorum,
    former_roles,
    kube_proxy,
    kubeconfigs,
    kubectl,
    kubelet,
    load_balancer,
    node_marks,
    old_addresses,
    pki,
    pod_routes,
    preflight,
    prepare,
    rbac,
)

PHASES = (
    preflight.PHASE,
    pki.PHASE,
    kubeconfigs.PHASE,
    encryption.PHASE,
    prepare.PHASE,
    binaries.PHASE,
    etcd_members.PHASE,
    etcd_clients.PHASE,
    etcd.PHASE,
    etcd_promotion.PHASE,
    encryption_read.PHASE,
    control_plane.PHASE,
    etcd_quorum.PHASE,
    load_balancer.PHASE,
    rbac.PHASE,
    containers.PHASE,
    pod_routes.PHASE,
    kubelet.PHASE,
    kube_proxy.PHASE,
    dns.PHASE,
    node_marks.PHASE,
    kubectl.PHASE,
    former_roles.PHASE,
    old_addresses.PHASE,
)


def wanted_on(inputs: Inputs, host: Host) -> list[Resource]:
    """Everything that should stand on a host, in the phases' order: the same model that bootstrap applies."""
    return [
        resource for phase in PHASES if phase.works_on(inputs.cluster, host) for resource in phase.desired(inputs, host)
    ]
