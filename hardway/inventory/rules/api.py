"""The API endpoint: one address that survives the loss of a control-plane host."""

from __future__ import annotations

from collections.abc import Iterator

from hardway.cluster import Role
from hardway.inventory.draft import Draft
from hardway.inventory.problem import Problem
from hardway.inventory.rules.network import OWN_PORTS
from hardway.ports import API_SERVER


def balancer_fits(draft: Draft) -> Iterator[Problem]:
    """haproxy needs lb hosts, none needs a single control-plane host, and lb hosts need haproxy."""
    if not draft.complete or not draft.sound("api", "load_balancer"):
        return
    kind, balancers = draft.load_balancer, draft.with_role(Role.LB)
    planes, path = len(draft.with_role(Role.CONTROL_PLANE)), ("api", "load_balancer")
    if planes > 1 and kind in (None, "none"):
        ways = "give a host the role lb, or set api.load_balancer: external and api.address"
        yield Problem(path, f"{planes} control-plane hosts need a load balancer: {ways}")
    if kind == "haproxy" and not balancers:
        yield Problem(path, "haproxy needs a host with the role lb (a host may have several roles)")
    if kind in ("external", "none") and balancers:
        n, host = balancers[0]
        yield Problem(
            ("hosts", n, "roles"), f"{host.name} has the role lb but api.load_balancer is {kind}: remove one of the two"
        )


def address_known(draft: Draft) -> Iterator[Problem]:
    if draft.complete and draft.sound("api") and draft.load_balancer == "external" and not draft.model.api.address:
        yield Problem(("api", "address"), "is missing: set it to the external load balancer's name or address")


def shared_address(draft: Draft) -> Iterator[Problem]:
    """Several lb hosts stand behind one address, or the loss of the first is the loss of the API."""
    balancers, vip = draft.with_role(Role.LB), draft.model.api.vip
    if not draft.sound("api", "vip") or not draft.complete:
        return
    if draft.load_balancer == "haproxy" and len(balancers) > 1 and not vip:
        where = f" in {draft.network.node_cidr}" if draft.network.node_cidr else " in the hosts' network"
        yield Problem(
            ("api", "vip"),
            f"is missing: {len(balancers)} lb hosts share one address through keepalived; set a free one{where}",
        )
    if vip and draft.load_balancer != "haproxy":
        yield Problem(
            ("api", "vip"), "is only used with load_balancer: haproxy and hosts with the role lb: remove it or add them"
        )


def port_free(draft: Draft) -> Iterator[Problem]:
    """HAProxy may share a host with anything, but not a port; without it clients come to kube-apiserver itself."""
    port, own, path = draft.model.api.port, draft.model.api.server_port or API_SERVER, ("api", "port")
    if not draft.sound("api", "port") or not draft.sound("api", "load_balancer"):
        return
    if draft.load_balancer == "none" and port != own:
        yield Problem(
            path, f"must be {own}, not {port}: without a load balancer clients connect to kube-apiserver itself"
        )
    if draft.load_balancer == "haproxy" and port != API_SERVER and port in OWN_PORTS:
        yield Problem(path, f"{port} is used by {OWN_PORTS[port]}: use {API_SERVER}, 443 or another free port")


def own_port_free(draft: Draft) -> Iterator[Problem]:
    """The API servers' own port, where the inventory chooses it."""
    port, path = draft.model.api.server_port, ("api", "server_port")
    if not port or not draft.sound(*path):
        return
    if port != API_SERVER and port in OWN_PORTS:
        yield Problem(path, f"{port} is used by {OWN_PORTS[port]}: use {API_SERVER} or another free port")
    shared = any(Role.CONTROL_PLANE.value in host.roles for _, host in draft.with_role(Role.LB))
    if draft.load_balancer == "haproxy" and shared and port == draft.model.api.port:
        yield Problem(path, f"{port} is api.port, which HAProxy has on a control-plane host: use another port for one")


def certificates_outlive(draft: Draft) -> Iterator[Problem]:
    """A certificate that outlives its CA is valid on paper only."""
    pki = draft.model.pki
    if draft.sound("pki") and pki.validity_days > pki.ca_validity_days:
        message = f"must not be more than pki.ca_validity_days ({pki.ca_validity_days}), not {pki.validity_days}"
        yield Problem(("pki", "validity_days"), message)


RULES = (balancer_fits, address_known, shared_address, port_free, own_port_free, certificates_outlive)
