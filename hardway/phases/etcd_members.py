"""Add new members to an etcd cluster that exists already.

On the first run there is nothing to add: the founding members start together. Later, a host that
the inventory gained, or whose disk was replaced, is announced to the others first and starts
with an empty data folder. One member at a time, and only while the others have their quorum.

By hand: `etcdctl member add NAME --peer-urls https://ADDRESS:2380` on a member.

Goes wrong: a member is added but never started: it counts for the quorum all the same, so start it or remove
it again before the next one.
"""

from ..errors import QuorumError
from ..facts import etcd_born
from ..phase import ETCD, Inputs, Phase
from ..resources import EtcdMember


def desired(inputs: Inputs, host) -> list:
    if not etcd_born(inputs.facts):
        return []
    known = [host for host in inputs.cluster.etcd_members if host.name in inputs.facts and inputs.facts[host.name].known]
    new = [host for host in known if not inputs.facts[host.name].etcd_data]
    if len(new) > 1:
        names = ", ".join(host.name for host in new)
        raise QuorumError(
            f"etcd takes one new member at a time, and {names} have no data",
            phase="etcd-members",
            hint="one lost member can be replaced; growing etcd, or replacing several members at once, is not supported",
        )
    return [EtcdMember(host) for host in new]


PHASE = Phase(
    name="etcd-members",
    title="Add new members to an existing etcd cluster",
    targets=lambda cluster: (ETCD,),
    desired=desired,
    needs=lambda inputs: ("pki", "binaries") if etcd_born(inputs.facts) else ("pki",),
)
