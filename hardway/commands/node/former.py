"""Hosts that live but are in no inventory: a person has deleted their lines first. What the cluster says of them is
enough to remove them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from ...cluster import Cluster, Host, Role
from ...errors import UsageError
from ...etcd.interface import Member
from ...etcd.membership import host_of
from ...living.departed import read
from ...living.lives import Lives
from ...run.selection import meant


def with_former(cluster: Cluster, lives: Lives, names: Sequence[str]) -> Cluster:
    """The inventory and, of these names, the hosts that live and are not in it; UsageError for a name of neither."""
    ours = {host.name for host in cluster.hosts}
    former = [_former(cluster, lives, name) for name in dict.fromkeys(names) if name not in ours]
    return replace(cluster, hosts=(*cluster.hosts, *former)) if former else cluster


def without(cluster: Cluster, names: Sequence[str]) -> Cluster:
    """The inventory as it is once the lines of these hosts are deleted."""
    return replace(cluster, hosts=tuple(host for host in cluster.hosts if host.name not in names))


def twin(cluster: Cluster, host: Host) -> str:
    """The other host that has the address of one: its machine has become that one, and only objects are left of it."""
    return next((one.name for one in cluster.hosts if one.address == host.address and one.name != host.name), "")


def _former(cluster: Cluster, lives: Lives, name: str) -> Host:
    node, member = (lives.nodes or {}).get(name), _member(cluster, lives, name)
    address = read(IPv4Address, node.address if node else _address(member) if member else "")
    if address is None:
        raise _unknown(cluster, lives, name)
    roles = {Role.WORKER} if node else set()
    roles |= {Role.ETCD} if member else set()
    roles |= {Role.CONTROL_PLANE} if str(address) in (lives.servers or ()) else set()
    block = read(IPv4Network, node.block) if node else None
    return Host(name, address, frozenset(roles), cluster.ssh, pod_cidr=block)


def _member(cluster: Cluster, lives: Lives, name: str) -> Member | None:
    """By its name; one that never started has none, and is called by its address."""
    strangers = [member for member in lives.members or () if not host_of(cluster, member)]
    return next((member for member in strangers if name in (member.name, _address(member))), None)


def _address(member: Member) -> str:
    return member.peer_urls[0].removeprefix("https://").rpartition(":")[0]


def _unknown(cluster: Cluster, lives: Lives, name: str) -> UsageError:
    silent = [what for what, said in (("the API", lives.nodes), ("etcd", lives.members)) if said is None]
    living = [*(lives.nodes or {}), *(member.name for member in lives.members or () if member.name)]
    names = list(dict.fromkeys([*(host.name for host in cluster.hosts), *living]))
    where = f" {cluster.source}" if cluster.source else ""
    lives_not = f"{' and '.join(silent)} could not be asked" if silent else "no node or etcd member has that name"
    again = "to continue a removal, put its lines back and run the command again"
    what = f"there is no host {name} in the inventory{where}, and {lives_not}"
    return UsageError(what, hint=f"{meant(name, names)}; {again}")
