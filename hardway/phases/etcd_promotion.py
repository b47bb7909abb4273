"""Promote new etcd members from learners to voting members.

In a new cluster there is nothing to do. A member that joins an existing cluster starts as a learner: it receives all
data and counts for no quorum, so a member that never starts does no harm. When it has caught up with the leader, etcd
accepts its promotion, and it votes from then on. API servers use a member only after that, because a learner rejects
their requests.

By hand: `etcdctl member promote ID` on another member.

Goes wrong: etcd answers `can only promote a learner member which is in sync with leader`: the member has not received
all data yet, or its etcd does not run.
"""

from ..cluster import Host
from ..etcd.membership import member_on
from ..facts import etcd_born
from ..phase import ETCD, Inputs, Phase
from ..resources import EtcdVoting
from .etcd_members import joins


def desired(inputs: Inputs, host) -> list:
    if not etcd_born(inputs.facts):
        return []
    hosts = inputs.among(inputs.cluster.etcd_members)
    return [EtcdVoting(member) for member in hosts if joins(inputs, member) or _learns(inputs, member)]


def _learns(inputs: Inputs, host: Host) -> bool:
    found = member_on(inputs.cluster, inputs.lives.members or (), host)
    return bool(found and found.learner)


PHASE = Phase(
    name="etcd-promotion",
    title="Promote new etcd members",
    targets=lambda cluster: (ETCD,),
    desired=desired,
    needs=lambda inputs: ("etcd",),
)
