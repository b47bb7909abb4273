"""Close the API's former address and port, when the last client has left them.

After a change of the API's address, port or shared address, load balancers serve the former one beside the
new one, while kubelets and kube-proxies move one host at a time. When all have moved, the former one closes.
It stays open as long as one worker is unreachable, because that worker still uses it.

By hand: `grep bind /etc/haproxy/haproxy.cfg` and `ip -4 addr` on a load balancer.

Goes wrong: a kubeconfig that you copied to another computer still names the former address: get a new one with
`hardway kubeconfig`.
"""

from ..cluster import Host
from ..living import roads
from ..phase import Inputs, Phase
from ..resources import Resource, gone
from . import former_roles, load_balancer
from .load_balancer import keepalived

WHY = "the API has no shared address any more"


def desired(inputs: Inputs, host: Host) -> list[Resource]:
    """What differs from the load balancer that serves the former roads too, and no keepalived without an address."""
    return [*_closed(inputs, host), *_unshared(inputs, host)]


def _closed(inputs: Inputs, host: Host) -> list[Resource]:
    cluster, facts, over = inputs.cluster, inputs.facts, inputs.settles
    retired = frozenset(one.name for one in cluster.hosts if over and inputs.brings(one, former_roles.PHASE.name))
    kept = roads.kept(cluster, facts, host, not over, retired)
    opened = load_balancer.desired(inputs, host)
    return [resource for resource in load_balancer.wanted(inputs, host, kept) if resource not in opened]


def _unshared(inputs: Inputs, host: Host) -> list[Resource]:
    facts = inputs.facts[host.name]
    if inputs.cluster.api.vip or "keepalived" not in facts.components:
        return []
    return gone(keepalived(facts.package_manager, b""), WHY, inputs.settles)


PHASE = Phase(
    name="old-addresses",
    title="Close the API's former addresses",
    targets=lambda cluster: cluster.load_balancers,
    desired=desired,
    needs=lambda inputs: ("load-balancer", "control-plane", "kubelet", "kube-proxy", "kubectl", "former-roles"),
    ready=load_balancer.ready,
    rolling=True,
)
