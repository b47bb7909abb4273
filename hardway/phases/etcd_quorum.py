"""Mark every etcd member as part of an existing cluster.

Written only after the members have elected a leader. A member that later loses its data directory
must be added to its cluster again; it can no longer create a second, empty one.

By hand: `cat /etc/etcd/etcd.env` says ETCD_INITIAL_CLUSTER_STATE=existing.

Goes wrong: a member with a replaced disk is started before it was added, and fails with `member count is
unequal`.
"""

from ..cluster import Host
from ..facts import Facts
from ..phase import Inputs, Phase
from ..resources import EtcdPeer
from .etcd import UNIT, environment, moved


def desired(inputs: Inputs, host: Host) -> list:
    return [environment(inputs, host, "existing"), *([EtcdPeer(host, UNIT)] if _moves(inputs, host) else ())]


def _moves(inputs: Inputs, host: Host) -> bool:
    """Whether its address may have changed while nobody could read etcd's member list: a lone member did not run."""
    return inputs.facts.get(host.name, Facts()).peer_url not in ("", host.peer_url) or moved(inputs, host)


PHASE = Phase(
    name="etcd-quorum",
    title="Mark etcd as an existing cluster",
    targets=lambda cluster: cluster.etcd_members,
    desired=desired,
    needs=lambda inputs: ("etcd-promotion",),
)
