"""Write a kubeconfig on your machine with which kubectl reaches the cluster through the load balancer.

By hand: `kubectl --kubeconfig .hardway/<cluster>/admin.conf cluster-info`.

Goes wrong: your machine cannot reach the API address at all (a bastion is between you and the hosts): then
use kubectl on a control-plane host, or a tunnel.
"""

from ..phase import OPERATOR, Pending, Phase
from ..targets.live import Live
from .kubeconfigs import kubeconfigs


def ready(live: Live, target) -> Pending | None:
    problem = live.administrator().forbidden()
    return (
        Pending(f"the administrator's kubeconfig to be accepted at {live.cluster.api_url} ({problem})")
        if problem
        else None
    )


PHASE = Phase(
    name="kubectl",
    title="Write the administrator's kubeconfig",
    targets=lambda cluster: (OPERATOR,),
    desired=lambda inputs, host: kubeconfigs(inputs),
    needs=lambda inputs: ("rbac", "load-balancer"),
    ready=ready,
)
