"""Whether etcd has the members that the inventory names, and reaches them where it says."""

from __future__ import annotations

from collections.abc import Iterator

from ..cluster import Host
from ..etcd.interface import Member, quorum
from ..etcd.membership import called, member_on, removal, strangers, voting
from ..facts import Facts
from ..phase import Inputs
from .finding import ClusterCheck

Found = Iterator[tuple[Host, str, str]]
AGAIN = "then run this command again"


def not_named(inputs: Inputs, hosts: list[Host]) -> Found:
    """Members that the inventory does not name: they count for the quorum until etcd itself is told otherwise."""
    for member in strangers(inputs.cluster, inputs.lives.members or ()):
        if here := _under_another_name(inputs, member):
            what = f"is the etcd member {member.name}, but the inventory changes both its name and its address"
            yield here, what, f"change one at a time: write {member.name} back as its name in INV, {AGAIN}"
            continue
        what = f"etcd has the member {called(member)}, but the inventory does not name it"
        yield _speaker(inputs), what, removal(member)


def _under_another_name(inputs: Inputs, member: Member) -> Host | None:
    """The etcd host that has a member's data, as its own files say."""
    hosts = inputs.cluster.etcd_members
    return next((host for host in hosts if _facts(inputs, host).peer_url in member.peer_urls), None)


def _speaker(inputs: Inputs) -> Host:
    """An etcd host that runs."""
    members = inputs.cluster.etcd_members
    return next((host for host in members if "etcd.service" in _facts(inputs, host).units), members[0])


def moved(inputs: Inputs, hosts: list[Host]) -> Found:
    """A member is moved with the agreement of the others: those that stay must have quorum."""
    former = {host: url for host in inputs.cluster.etcd_members if (url := former_url(inputs, host))}
    count = len(inputs.cluster.etcd_members if inputs.lives.members is None else voting(inputs.lives.members))
    too_many = count > 1 and count - len(former) < quorum(count)
    for host, url in former.items():
        if holder := _holder(inputs, host):
            what = f"its etcd member is to move to {host.peer_url}, which still belongs to {called(holder)}"
            yield host, what, f"give it another address in INV, or move {called(holder)} first: one bootstrap for each"
        elif too_many:
            what = f"the inventory moves {len(former)} of {count} etcd members at once; this one is at {url}"
            yield (
                host,
                what,
                f"move one etcd member at a time: {_back(inputs, host, url)}, bootstrap, then move the next",
            )


def _back(inputs: Inputs, host: Host, url: str) -> str:
    """What gives a host the address in a peer URL back."""
    address = url.removeprefix("https://").rpartition(":")[0]
    network, interface = inputs.cluster.network.node_cidr, _facts(inputs, host).addresses.get(str(host.address), "eth0")
    again = f"ip address add {address}/{network.prefixlen if network else 24} dev {interface}"
    return f"write {address} back as its address in INV (if the machine has lost it: {again})"


def former_url(inputs: Inputs, host: Host) -> str:
    """Where the member on a host is reached until now, if the inventory moves it: as etcd says, or the host's files."""
    facts = _facts(inputs, host)
    member = member_on(inputs.cluster, inputs.lives.members or (), host)
    known = [*(member.peer_urls if member else ()), *filter(None, [facts.peer_url])]
    here = facts.etcd_data or not facts.known
    return next((url for url in known if url != host.peer_url), "") if here else ""


def _holder(inputs: Inputs, host: Host) -> Member | None:
    """Another member that has the address which a host is to get."""
    others = (member for member in inputs.lives.members or () if member.name != host.name)
    return next((member for member in others if host.peer_url in member.peer_urls), None)


def _facts(inputs: Inputs, host: Host) -> Facts:
    return inputs.facts.get(host.name, Facts(known=False))


TOGETHER = (
    ClusterCheck("EtcdMembers", "The inventory names every etcd member.", not_named),
    ClusterCheck("EtcdAddress", "Not all etcd members move to other addresses at once.", moved),
)
