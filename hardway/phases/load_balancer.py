"""Put HAProxy in front of the API servers; two lb hosts share a virtual address through keepalived.

Kubelets, kube-proxies and people know one address only. HAProxy passes TLS through untouched and
asks each API server's /readyz (verified with the cluster's authority), so a server that is down,
or up but not ready, is taken out within a second.

By hand: `curl --cacert .hardway/<cluster>/pki/ca.crt https://<api address>:6443/readyz`.

Goes wrong: HAProxy asks /readyz and finds no server because the control plane is not ready, not because
HAProxy is wrong: its journal tells which; the port is taken when an API server shares the host.
"""

from ..cluster import Host
from ..phase import Inputs, Pending, Phase
from ..render import render
from ..resources import Directory, File, Leftover, Packages, Unit, text
from ..targets.live import Live


def desired(inputs: Inputs, host: Host) -> list:
    manager = inputs.facts[host.name].package_manager
    files = [
        File("/etc/haproxy/ca.crt", text(inputs.credentials.ca("ca"))),
        File("/etc/haproxy/haproxy.cfg", text(render("haproxy.cfg", inputs.cluster, host))),
    ]
    proxy = [
        Directory("/etc/haproxy"),
        *files,
        Leftover("haproxy"),
        Packages(manager, (("haproxy", "haproxy"),)),
        Unit("haproxy.service", tuple(files), block=True),
    ]
    return [*proxy, *(_keepalived(inputs, host, manager) if inputs.cluster.api.vip else ())]


def _keepalived(inputs: Inputs, host: Host, manager: str) -> list:
    password = inputs.credentials.shared_password("keepalived").reveal().decode()
    interface = inputs.facts[host.name].addresses.get(str(host.address), "eth0")
    content = render("keepalived.conf", inputs.cluster, host, password=password, interface=interface)
    config = File("/etc/keepalived/keepalived.conf", text(content, secret=True), "600")
    return [
        Directory("/etc/keepalived"),
        config,
        Packages(manager, (("keepalived", "keepalived"),)),
        Unit("keepalived.service", (config,), block=True),
    ]


def ready(live: Live) -> Pending | None:
    problem = live.balanced().not_ready()
    host = live.cluster.load_balancers[0].name if live.cluster.load_balancers else ""
    return Pending(f"the API to answer at {live.cluster.api_url} ({problem})", host, "haproxy.service") if problem else None


PHASE = Phase(
    name="load-balancer",
    title="Put the load balancer in front of the API",
    targets=lambda cluster: cluster.load_balancers,
    desired=desired,
    needs=lambda inputs: ("pki",),
    ready=ready,
    deadline=330,  # it waits for the API servers too
    rolling=True,
)
