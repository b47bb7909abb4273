"""Add new members to an etcd cluster that exists already.

On the first run there is nothing to add: the first members start together. Later, hardway adds a
host that is new in the inventory, or whose disk was replaced, to the cluster's member list as a
learner, then starts it with an empty data directory. It adds one member at a time, and only while
the others have quorum: to grow from three members to five, write both hosts in the inventory and
run `hardway node add INV HOST HOST`.

bootstrap never removes a member. One that the inventory no longer names still counts for the
quorum, so preflight refuses the inventory and shows the command that removes the member.

By hand: `etcdctl member add NAME --learner --peer-urls https://ADDRESS:2380` on a member.

Goes wrong: a member is added but never started: etcd accepts one learner at a time, so start it or remove it before
you add the next one.
"""

from ..cluster import Host
from ..errors import QuorumError
from ..etcd.membership import REMOVE
from ..facts import Facts, etcd_born
from ..phase import ETCD, Inputs, Phase
from ..resources import EtcdMember


def desired(inputs: Inputs, host) -> list:
    if not etcd_born(inputs.facts):
        return []
    new = [member for member in inputs.among(inputs.cluster.etcd_members) if joins(inputs, member)]
    if len(new) > 1:
        raise QuorumError(
            f"etcd accepts one new member at a time, but {', '.join(host.name for host in new)} have no data",
            phase="etcd-members",
            hint=f"hardway node add INV {' '.join(host.name for host in new)}   adds one after the other",
        )
    return [EtcdMember(host, REMOVE) for host in new]


def joins(inputs: Inputs, host: Host) -> bool:
    """Whether a host of an existing cluster has no data of it yet."""
    facts = inputs.facts.get(host.name, Facts(known=False))
    return facts.known and not facts.etcd_data


PHASE = Phase(
    name="etcd-members",
    title="Add new members to an existing etcd cluster",
    targets=lambda cluster: (ETCD,),
    desired=desired,
    needs=lambda inputs: ("pki", "binaries") if etcd_born(inputs.facts) else ("pki",),
)
