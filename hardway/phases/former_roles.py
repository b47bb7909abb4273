"""Remove the load balancer from hosts that are none any more.

When an edited inventory takes the role lb from a host, HAProxy and keepalived there would continue: two
hosts could hold the shared address at a time. hardway stops them and removes what it installed of them, but
only when every kubelet and kube-proxy uses the API's new address: until then some clients may still come
through this host. Other roles are removed by a command, because data or pods depend on them.

By hand: `systemctl is-active haproxy keepalived` on that host says `inactive` twice.

Goes wrong: a host has left the inventory before it was reset. hardway cannot reach it, and it may still hold the
shared address: put its lines back, then run `hardway node remove`.
"""

from ..cluster import Host
from ..living.roads import others
from ..phase import Inputs, Phase
from ..resources import Resource, gone
from .load_balancer import haproxy, keepalived

WHY = "this host is no longer a load balancer"


def desired(inputs: Inputs, host: Host) -> list[Resource]:
    found, manager = inputs.facts[host.name].components, inputs.facts[host.name].package_manager
    return [
        *(gone(keepalived(manager, b""), WHY, inputs.settles) if "keepalived" in found else ()),
        *(gone(haproxy(manager, b"", b""), WHY, inputs.settles) if "haproxy" in found else ()),
    ]


PHASE = Phase(
    name="former-roles",
    title="Remove the load balancer from hosts that are none any more",
    targets=others,
    desired=desired,
    needs=lambda inputs: ("control-plane", "kubelet", "kube-proxy", "kubectl"),
)
