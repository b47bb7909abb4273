"""Every failure doctor knows: what is a cause of others first, what is never one last."""

from __future__ import annotations

from . import api, checks, drift, hosts, leaving, pods, state, units
from . import etcd_cluster as etcd
from .diagnosis import Diagnosis

# What can be told of hosts on which nothing was ever built.
BEFORE: tuple[Diagnosis, ...] = (
    etcd.RESTORE,
    state.IDENTITY,
    hosts.AWAY,
    hosts.FORWARDING,
    hosts.PORTS,
    hosts.NEXT_HOP,
    state.STATE,
    state.UNBUILT,
    hosts.UNFIT,
    hosts.FULL,
)
# What repairs nothing: all that is said of a cluster that is lost, or is another one.
ONLY_TOLD: tuple[Diagnosis, ...] = (etcd.RESTORE, state.IDENTITY, hosts.AWAY, state.STATE, hosts.FULL)
KNOWN: tuple[Diagnosis, ...] = (
    *BEFORE,
    state.CERTIFICATES,
    units.HELD_UP,
    state.AUTHORITIES,
    units.REFUSED,
    *units.UNITS.values(),
    leaving.REMOVED,
    etcd.FULL_ALARM,
    etcd.ROOM,
    etcd.DOWN,
    etcd.QUORUM,
    units.STARTING,
    api.DOWN,
    drift.TOOLS,
    drift.NODE_IMAGES,
    pods.IMAGES,
    pods.SANDBOXES,
    pods.CRASHING,
    leaving.CORDONED,
    state.ROTATION,
    drift.VERSIONS,
    drift.DRIFT,
    state.ASSETS,
)
DIAGNOSES = (*KNOWN, *checks.diagnoses(frozenset(name for one in KNOWN for name in one.instead_of)))
