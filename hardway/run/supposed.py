"""What the phases want on hosts that nobody has asked: bare machines with Debian on amd64, keys made for the
occasion."""

from __future__ import annotations

from ..assets.placeholders import Placeholders
from ..cluster import Cluster
from ..facts import Facts
from ..phase import Inputs
from ..pki.stand_ins import StandIns


def assumed(cluster: Cluster) -> dict[str, Facts]:
    """Debian on amd64 everywhere."""
    return {host.name: Facts() for host in cluster.hosts}


def supposed(cluster: Cluster) -> Inputs:
    """Inputs for desired states of which paths, units and arguments count, and no key or program."""
    return Inputs(cluster, assumed(cluster), StandIns(cluster).credentials, Placeholders())
