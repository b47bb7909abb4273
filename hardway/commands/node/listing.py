"""`hardway node list`: the inventory's hosts beside the nodes and the etcd members that live."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from ...cluster import Cluster, Host, Role
from ...drain.cordon import cordon_of
from ...errors import HardwayError
from ...etcd.interface import Member
from ...etcd.membership import host_of
from ...foreign.quantity import amount
from ...foreign.understanding import mapping, mappings, text, understood
from ...living.lives import node
from ...session import Session
from ...targets.live import UNREACHABLE, Live

SCHEMA = 1
PODS = "/api/v1/pods?fieldSelector=status.phase!=Succeeded,status.phase!=Failed"


@dataclass(frozen=True)
class Row:
    """One machine by its name. `inventory` is whether the inventory names it, and `roles` are those it has there, or
    seems to have.

    `node` is Ready, NotReady, none (where there should be one), unknown, or empty for a host that is no worker;
    `cordon` is empty where pods may come. `etcd` is leader, follower, learner, not started, not a member, unknown, or
    empty. `age_seconds` is that of the Node. `problem` is what does not fit, and `next` the command for it.
    """

    name: str
    address: str = ""
    roles: tuple[str, ...] = ()
    inventory: bool = True
    node: str = ""
    cordon: str = ""
    version: str = ""
    pods: int = 0
    pods_allowed: int = 0
    block: str = ""
    etcd: str = ""
    age_seconds: int = 0
    problem: str = ""
    next: str = ""


@dataclass(frozen=True)
class Listing:
    """`unknown` says of "nodes" and "etcd" why they could not be asked; it is empty when both were."""

    cluster: str
    hosts: tuple[Row, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)
    schema: int = SCHEMA


@dataclass(frozen=True)
class Lives:
    """The Nodes and how many pods each has, None when no API server answers; etcd's members and who leads, None when no
    member answers."""

    nodes: Mapping[str, Mapping[str, Any]] | None = None
    pods: Mapping[str, int] = field(default_factory=dict)
    members: tuple[Member, ...] | None = None
    leader: int = 0
    unknown: Mapping[str, str] = field(default_factory=dict)


def listing(session: Session) -> Listing:
    """Every host of the inventory in its order, then what lives and is in no inventory."""
    with ThreadPoolExecutor(2) as pool:
        api, etcd = pool.submit(_of_api, session.live), pool.submit(_of_etcd, session.live)
        nodes, members = api.result(), etcd.result()
    unknown = {**nodes.unknown, **members.unknown}
    return listed(session.cluster, replace(nodes, members=members.members, leader=members.leader, unknown=unknown))


def _of_api(live: Live) -> Lives:
    """From the first API server that answers."""
    problem = "the inventory has no control-plane host"
    for host in live.cluster.control_plane:
        try:
            api = live.kube(host)
            nodes = {one["metadata"]["name"]: one for one in (api.get("/api/v1/nodes") or {}).get("items", [])}
            for found in nodes.values():
                with understood("the API server", found):  # now, where another server can be asked instead
                    _of_node(Row(""), found, Lives(), datetime.datetime.now(datetime.UTC))
            return Lives(nodes, _pods(api.get(PODS) or {}))
        except UNREACHABLE as error:
            problem = f"{host.name}: {str(error) or type(error).__name__}"
    return Lives(unknown={"nodes": f"no API server answers ({problem})"})


def _pods(answer: Mapping[str, Any]) -> Counter[str]:
    with understood("the API server", answer):
        return Counter(text(mapping(one.get("spec")).get("nodeName", "")) for one in mappings(answer.get("items")))


def _of_etcd(live: Live) -> Lives:
    """From the first member that answers; its status says who leads."""
    problem = "the inventory has no etcd host"
    for host in live.cluster.etcd_members:
        try:
            etcd = live.etcd(host)
            members, status = etcd.members(), etcd.status()
            return Lives(members=members, leader=status[0].leader if status else 0)
        except HardwayError as error:
            problem = f"{host.name}: {error.message}"
    return Lives(unknown={"etcd": f"no member answers ({problem})"})


def listed(cluster: Cluster, lives: Lives, now: datetime.datetime | None = None) -> Listing:
    """The rows of what was asked; pure."""
    now = now or datetime.datetime.now(datetime.UTC)
    mine = [_with_next(cluster, _row(cluster, host, lives, now)) for host in cluster.hosts]
    return Listing(cluster.name, (*mine, *_others(cluster, lives, now)), lives.unknown)


def _row(cluster: Cluster, host: Host, lives: Lives, now: datetime.datetime) -> Row:
    roles = tuple(role.value for role in Role if host.is_(role))
    row = Row(host.name, str(host.address), roles, block=str(host.pod_cidr or ""))
    found = (lives.nodes or {}).get(host.name)
    if found:
        row = _of_node(row, found, lives, now)
    elif host.is_(Role.WORKER):
        row = replace(row, node="unknown" if lives.nodes is None else "none")
    return replace(row, etcd=_etcd(cluster, host, lives))


def _of_node(row: Row, found: Mapping[str, Any], lives: Lives, now: datetime.datetime) -> Row:
    about, status, mark = node(found), found.get("status", {}), cordon_of(found)
    return replace(
        row,
        address=about.address or row.address,
        node="Ready" if about.ready else "NotReady",
        cordon=str(mark) if mark else "",
        version=about.version,
        pods=lives.pods.get(row.name, 0),
        pods_allowed=int(amount(mapping(status.get("allocatable")).get("pods", 0))),
        block=about.block or row.block,
        age_seconds=_age(found["metadata"].get("creationTimestamp", ""), now),
    )


def _age(since: str, now: datetime.datetime) -> int:
    return max(0, int((now - datetime.datetime.fromisoformat(since)).total_seconds())) if since else 0


def _etcd(cluster: Cluster, host: Host, lives: Lives) -> str:
    if not host.is_(Role.ETCD):
        return ""
    if lives.members is None:
        return "unknown"
    found = next((member for member in lives.members if host_of(cluster, member) == host), None)
    return _standing(found, lives) if found else "not a member"


def _standing(member: Member, lives: Lives) -> str:
    if not member.started:
        return "not started"
    return "learner" if member.learner else "leader" if member.id == lives.leader else "follower"


def _with_next(cluster: Cluster, row: Row) -> Row:
    problem = "has no node" if row.node == "none" else "is no etcd member" if row.etcd == "not a member" else ""
    return replace(row, problem=problem, next=f"hardway node add INV {row.name}") if problem else row


def _others(cluster: Cluster, lives: Lives, now: datetime.datetime) -> Iterator[Row]:
    """Nodes, then members, that the inventory does not name; a machine that is both has one row."""
    ours = {host.name for host in cluster.hosts}
    strangers = {one.name: one for one in lives.members or () if one.name and not host_of(cluster, one)}
    names = [name for name in lives.nodes or {} if name not in ours]
    for name in dict.fromkeys([*sorted(names), *sorted(strangers)]):
        row = Row(name, inventory=False, problem="is in no inventory", next=f"hardway node remove INV {name}")
        if found := (lives.nodes or {}).get(name):
            row = replace(_of_node(row, found, lives, now), roles=("worker",))
        if member := strangers.get(name):
            address = row.address or member.peer_urls[0].removeprefix("https://").rpartition(":")[0]
            row = replace(row, address=address, roles=("etcd", *row.roles), etcd=_standing(member, lives))
        yield row
    for member in unnamed(cluster, lives.members or ()):
        address = member.peer_urls[0].removeprefix("https://").rpartition(":")[0]
        yield Row(
            address,
            address,
            ("etcd",),
            inventory=False,
            etcd="not started",
            problem="is an etcd member that never started, in no inventory",
            next=f"hardway node remove INV {address} --gone",
        )


def unnamed(cluster: Cluster, members: Sequence[Member]) -> list[Member]:
    """Members that were announced for no host of the inventory and never started: they have no name yet."""
    return [member for member in members if not member.name and not host_of(cluster, member)]
