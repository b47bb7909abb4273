"""What a host that joins or leaves changes on the others: a few phases, and only where they are at work already.

A host of the inventory that was never built, or has got a role that it does not fill yet, has its own `node add`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...cluster import Host, Role
from ...facts import Facts
from ...phase import Phase, Target
from ...run.selection import Scope

# Of each phase: whether a host that was built has it.
AT_WORK: Mapping[str, Callable[[Facts], bool]] = {
    "prepare": lambda facts: True,
    "pod-routes": lambda facts: True,
    "control-plane": lambda facts: "kube-apiserver" in facts.components,
    "load-balancer": lambda facts: "haproxy" in facts.components,
    "etcd-quorum": lambda facts: facts.etcd_data,
}


def built(facts: Facts) -> bool:
    """Whether a host answers, and is one of ours already."""
    return facts.known and bool(facts.cluster)


def of_phases(facts: Mapping[str, Facts], *names: str) -> Scope:
    """These phases on all hosts where they are at work."""

    def scope(phase: Phase, target: Target) -> bool:
        if phase.name not in names or not isinstance(target, Host):
            return False
        return built(facts[target.name]) and AT_WORK[phase.name](facts[target.name])

    return scope


def of_newcomers(facts: Mapping[str, Facts], new: Sequence[Host]) -> Scope:
    """Names, and what their roles demand: routes to a worker's pods, an API server's name in the certificate and its
    place behind the load balancers, a member in the others' lists."""
    roles, names = _roles(new), ["prepare"]
    names += ["pod-routes"] if Role.WORKER in roles else []
    names += ["control-plane", "load-balancer"] if roles & {Role.CONTROL_PLANE, Role.LB} else []
    names += ["control-plane", "etcd-quorum"] if Role.ETCD in roles else []
    return of_phases(facts, *names)


def of_leavers(facts: Mapping[str, Facts], leave: Sequence[Host]) -> Scope:
    """Names and routes, the load balancers, the lists of members."""
    roles, names = _roles(leave), ["prepare", "pod-routes"]
    names += ["load-balancer"] if roles & {Role.CONTROL_PLANE, Role.LB} else []
    names += ["control-plane", "etcd-quorum"] if Role.ETCD in roles else []
    return of_phases(facts, *names)


def _roles(hosts: Sequence[Host]) -> frozenset[Role]:
    return frozenset[Role]().union(*(host.roles for host in hosts))
