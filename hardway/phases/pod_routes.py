"""Program the pod routes: every host learns behind which worker each block of pod addresses lives.

A cloud would have a router; here each host has a unit that sets its routes at boot, so they
survive a reboot. Control-plane hosts need them too: the API server calls pods of aggregated APIs
and webhooks. A worker never gets a route for its own block, which its bridge serves. Pod traffic
leaving the cluster takes the node's address; inside it keeps its own.

By hand: `ip route` on any host; `iptables -t nat -S POSTROUTING | grep hardway` on a worker.

Goes wrong: a router or a cloud drops packets with pod addresses (switch its source check off); a restarted
network service takes the routes with it, which is why the unit restarts along with it.
"""

from ..cluster import Host
from ..phase import Inputs, Phase
from ..render import render
from ..resources import File, LiveRoutes, Unit, text

UNIT = "pod-routes.service"


def desired(inputs: Inputs, host: Host) -> list:
    unit = File(f"/etc/systemd/system/{UNIT}", text(render(UNIT, inputs.cluster, host)), "600")
    return [unit, Unit(UNIT, (unit,), block=True), LiveRoutes(inputs.cluster.pod_routes(host), UNIT)]


PHASE = Phase(
    name="pod-routes",
    title="Program the pod routes",
    targets=lambda cluster: tuple(host for host in cluster.hosts if cluster.pod_routes(host) or host.pod_cidr),
    desired=desired,
)
