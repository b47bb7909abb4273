"""What the guide takes for granted about the hosts: what they say themselves, as if nothing had been built on them
yet."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ...cluster import Cluster
from ...facts import Facts
from ...run.supposed import assumed
from ...session import Session


def unasked(cluster: Cluster) -> tuple[dict[str, Facts], list[str]]:
    """The same, and the names of all hosts, for none was asked."""
    return assumed(cluster), [host.name for host in cluster.hosts]


def surveyed(session: Session) -> tuple[dict[str, Facts], list[str]]:
    """Each host's own facts where it answers; the names of those that do not, for which Debian on amd64 is assumed."""
    facts = session.survey(frozenset()).facts
    return bare(facts), [host.name for host in session.cluster.hosts if not facts[host.name].kernel]


def bare(facts: Mapping[str, Facts]) -> dict[str, Facts]:
    """The same machines before anything was installed."""
    nothing = {
        "etcd_data": False,
        "etcd_state": "",
        "etcd_token": "",
        "cluster": "",
        "authority": "",
        "listening": frozenset(),
        "units": frozenset(),
    }
    return {name: dataclasses.replace(fact, **nothing) for name, fact in facts.items()}
