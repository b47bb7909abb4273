"""Cluster DNS: who resolves the names it does not know."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from hardway.inventory.draft import Draft
from hardway.inventory.problem import Path, Problem


def resolvers_answer_pods(draft: Draft) -> Iterator[Problem]:
    """CoreDNS must not be sent to itself: it would end with "Loop detected"."""
    for path, servers in _resolvers(draft):
        for server in servers:
            if ipaddress.ip_address(server).is_loopback:
                yield Problem(
                    path, f"{server} is a loopback address, the CoreDNS pod itself: use an address pods can reach"
                )
            elif draft.sound("network", "service_cidr") and server == str(draft.network.dns_ip):
                yield Problem(path, f"{server} is cluster DNS itself: use the address of another name server")


def stub_domains_foreign(draft: Draft) -> Iterator[Problem]:
    own, coredns = draft.network.domain, draft.model.addons.coredns
    for domain in coredns.stub_domains:
        if f".{domain}".endswith(f".{own}") and draft.sound("network", "domain"):
            yield Problem(
                ("addons", "coredns", "stub_domains", domain),
                f"is in network.domain {own}, which cluster DNS itself serves",
            )


def _resolvers(draft: Draft) -> Iterator[tuple[Path, tuple[str, ...]]]:
    coredns, path = draft.model.addons.coredns, ("addons", "coredns")
    if isinstance(coredns.forward, tuple):
        yield (*path, "forward"), coredns.forward
    for domain, servers in coredns.stub_domains.items():
        yield (*path, "stub_domains", domain), servers


RULES = (resolvers_answer_pods, stub_domains_foreign)
