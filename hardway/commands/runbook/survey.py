"""What the guide takes for granted about the hosts: what they say themselves, as if nothing had been built on them yet."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ...cluster import Cluster
from ...facts import Facts
from ...session import Session


def assumed(cluster: Cluster) -> dict[str, Facts]:
    """Debian on amd64 everywhere."""
    return {host.name: Facts() for host in cluster.hosts}


def unasked(cluster: Cluster) -> tuple[dict[str, Facts], list[str]]:
    """The same, and the names of all hosts, for none was asked."""
    return assumed(cluster), [host.name for host in cluster.hosts]


def surveyed(session: Session) -> tuple[dict[str, Facts], list[str]]:
    """Each host's own facts where it answers; the names of those that do not, for which Debian on amd64 is assumed."""
    session.survey(frozenset())
    silent = [host.name for host in session.cluster.hosts if not session.facts[host.name].kernel]
    return bare(session.facts), silent


def bare(facts: Mapping[str, Facts]) -> dict[str, Facts]:
    """The same machines before anything was installed."""
    nothing = {"etcd_data": False, "etcd_state": "", "etcd_token": "", "cluster": "", "authority": "", "listening": frozenset(),
               "units": frozenset()}  # fmt: skip
    return {name: dataclasses.replace(fact, **nothing) for name, fact in facts.items()}
