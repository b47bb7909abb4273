"""Whose host it is: ours, another cluster's, or somebody's with data of his own. A living cluster is only ever touched
with its own keys."""

from __future__ import annotations

from collections.abc import Iterator

from ..cluster import Host, Role
from ..facts import Facts, authority, etcd_born
from ..phase import Inputs
from ..pki.rotation import Rotation
from ..render import COMPONENTS
from .finding import ClusterCheck, HostCheck

Found = Iterator[tuple[str, str]]


def foreign(inputs: Inputs, host: Host, facts: Facts) -> Found:
    if facts.cluster and facts.cluster != inputs.cluster.name:
        remedy = f"reset the host with that cluster's inventory, or rename this cluster to {facts.cluster}"
        yield f"belongs to cluster {facts.cluster}", remedy


def lost_state(inputs: Inputs, host: Host, facts: Facts) -> Found:
    store = inputs.credentials.store
    if facts.cluster == inputs.cluster.name and store.read("pki/ca.crt") is None:
        remedy = "restore them from a backup, or give up the cluster: hardway reset INV"
        yield f"belongs to cluster {facts.cluster}, whose keys are not in {store.where()}", remedy


def other_state(inputs: Inputs, host: Host, facts: Facts) -> Found:
    store = inputs.credentials.store
    ours = Rotation("ca", store).ever
    if facts.cluster == inputs.cluster.name and ours and facts.authority not in map(authority, ours):
        given_up = "to give that cluster up: hardway reset INV --state-dir EMPTY"
        what = f"was built with a CA other than the one in {store.where()}"
        yield what, f"use the state directory it was built with; {given_up}"


def former_role(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """What a host of ours does, or would do from its next boot on, for a role that an edited inventory took from it.

    A load balancer is taken away by a phase; on the other roles data and pods depend.
    """
    for role in Role:
        of_role = {name for name, one in COMPONENTS.items() if one is role}
        if role not in host.roles and (units := sorted(f"{name}.service" for name in of_role & facts.components)):
            what = f"has {', '.join(units)}, but the inventory no longer gives it the role {role.value}"
            yield (
                what,
                f"with the previous inventory: hardway reset INV --limit {host.name}; then run this command again",
            )


def occupied(inputs: Inputs, host: Host, facts: Facts) -> Found:
    for folder in () if facts.cluster else facts.occupied:
        yield (
            f"{folder} holds data that hardway did not create",
            f"if you do not need it, move it: mv {folder} {folder}.old",
        )


def founding(inputs: Inputs, hosts: list[Host]) -> Iterator[tuple[Host, str, str]]:
    """A member without data may start a new etcd cluster only when every other one reports that there is none: a second
    would split the first."""
    away = [member.name for member in inputs.cluster.etcd_members if member not in hosts]
    if etcd_born(inputs.facts) or not away:
        return
    for member in inputs.cluster.etcd_members:
        if member in hosts and not inputs.facts[member.name].etcd_data:
            what = f"has no etcd data, and an etcd cluster may exist on hosts that gave no answer: {', '.join(away)}"
            remedy = "reachable, and do not exclude it: hardway status INV   shows why it does not answer"
            yield member, what, f"make {away[0]} {remedy}"


CHECKS = (
    HostCheck("Foreign", "It does not belong to another cluster.", foreign),
    HostCheck("LostState", "The keys of the cluster that it belongs to are in the state directory.", lost_state),
    HostCheck("OtherState", "It was built with the CA in the state directory.", other_state),
    HostCheck("Role", "It runs nothing for a role that the inventory took from it.", former_role),
    HostCheck(
        "Occupied",
        "The data folders of etcd, the kubelet and containerd hold no data that hardway did not create.",
        occupied,
    ),
)
TOGETHER = (
    ClusterCheck(
        "EtcdUnknown", "Before an etcd cluster is created, every etcd host says that there is none.", founding
    ),
)
