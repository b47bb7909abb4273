"""Set up the pod routes: every host learns which worker has which block of pod addresses.

A cloud would have a router; here a unit on each host sets its routes at boot, and sets them again
when a lost link, a network service or a command takes them away. Control-plane hosts need them too,
because the API server calls the pods of aggregated APIs and webhooks. A worker gets no route for
its own block, which its bridge serves. Pod traffic that leaves the cluster takes the node's
address; inside the cluster it keeps the pod's. The routes to a worker that you delete from the
inventory stay until its Node is deleted too.

By hand: `ip route show proto 200` on any host; `iptables -t nat -S POSTROUTING | grep hardway` on a worker.

Goes wrong: a router or a cloud drops packets with pod addresses (switch its source check off); the next hop
is behind a router, which does not know where the pods are.
"""

from ..cluster import Host
from ..living.departed import pod_routes
from ..phase import Inputs, Phase
from ..render import render
from ..resources import Directory, File, Leftover, LiveRoutes, Unit, text

UNIT = "pod-routes.service"


def desired(inputs: Inputs, host: Host) -> list:
    routes = pod_routes(inputs.cluster, host, inputs.facts[host.name], inputs.gone)
    files = (
        File(f"/etc/systemd/system/{UNIT}", text(render(UNIT, inputs.cluster, host)), "600"),
        File("/usr/local/bin/pod-routes", text(render("pod-routes", inputs.cluster, host, routes=routes)), "755"),
    )
    return [
        Directory("/usr/local/bin", shared=True),
        *files,
        Leftover("routes"),
        Unit(UNIT, files, block=True),
        LiveRoutes(routes, UNIT, tuple(file.path for file in files)),
    ]


PHASE = Phase(
    name="pod-routes",
    title="Set up the pod routes",
    targets=lambda cluster: cluster.hosts if any(worker.pod_cidr for worker in cluster.workers) else (),
    desired=desired,
)
