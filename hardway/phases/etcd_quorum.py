"""Close the founding of etcd: from now on every member is marked as part of an existing cluster.

Written only after the members have agreed on a leader. A member whose data folder is ever lost
must then be added to the cluster it belonged to; it can no longer found a second, empty one
beside it.

By hand: `cat /etc/etcd/etcd.env` says ETCD_INITIAL_CLUSTER_STATE=existing.

Goes wrong: a member whose disk was replaced is started without having been added first, and ends with `member
count is unequal`.
"""

from ..cluster import Host
from ..phase import Inputs, Phase
from .etcd import environment


def desired(inputs: Inputs, host: Host) -> list:
    return [environment(inputs, host, "existing")]


PHASE = Phase(
    name="etcd-quorum",
    title="Close the founding of etcd",
    targets=lambda cluster: cluster.etcd_members,
    desired=desired,
    needs=lambda inputs: ("etcd",),
)
