"""Flags by which a program finds what it stored, and the port at which others find it: they stay while the cluster
lives."""

from __future__ import annotations

from collections.abc import Iterator

from ..cluster import Cluster, Host, Role
from ..facts import Facts, etcd_born
from ..living.changes import flags
from ..phase import Inputs
from ..render import given_flags
from .finding import HostCheck

PORT = "kube-apiserver.secure-port"
Found = Iterator[tuple[str, str]]


def fixed_flag(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """Our units set none of them, so whatever a host has of them came from the inventory, and would go with it."""
    for component, fixed in flags().items():
        given = given_flags(component, inputs.cluster) if component in facts.flags else {}
        for flag, harm in fixed.items():
            # A survey knows a value up to its first blank.
            there, wanted = facts.flags.get(f"{component}.{flag}", ""), given.get(flag, "").partition(" ")[0]
            if wanted != there and etcd_born(inputs.facts):
                what = f"{component} runs with {_said(flag, there)}, the inventory asks for {_said(flag, wanted)}"
                remedy = f"undo the change of --{flag} in extra_args.{component}: it stays as long as the cluster lives"
                yield f"{what}: {harm}", remedy


def _said(flag: str, value: str) -> str:
    return f"--{flag}={value}" if value else f"no --{flag}"


def api_port(inputs: Inputs, host: Host, facts: Facts) -> Found:
    """All API servers have one port, and HAProxy knows no other: they cannot move one after the other."""
    cluster, there = inputs.cluster, facts.flags.get(PORT, "")
    wanted = str(cluster.apiserver_port(host))
    if host.is_(Role.CONTROL_PLANE) and there not in ("", wanted) and etcd_born(inputs.facts):
        what = f"its API server listens on port {there} and would have to move to {wanted}, as all of them"
        yield f"{what}: HAProxy would lose those that have not moved", _way_out(cluster, there)


def _way_out(cluster: Cluster, there: str) -> str:
    shared = ", ".join(host.name for host in cluster.load_balancers if host.is_(Role.CONTROL_PLANE))
    if shared and str(cluster.api.port) == there:
        return f"HAProxy on {shared} needs port {there}: give the role lb to another host, or set api.port to 443"
    return f"write api.server_port: {there} in the inventory"


CHECKS = (
    HostCheck("FixedFlag", "A flag by which stored data is found stays as it is.", fixed_flag),
    HostCheck("ApiPort", "HAProxy does not need the port of the API server on the same host.", api_port),
)
