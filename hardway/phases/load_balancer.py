"""Put HAProxy in front of the API servers; two lb hosts share a virtual address through keepalived.

Kubelets, kube-proxies and administrators use one address only. HAProxy passes TLS through
unchanged and checks each API server's /readyz (verified with the cluster's CA), so it removes a
server that is down, or up but not ready, within a second. HAProxy checks a changed configuration
before it replaces the old one, and loads it without closing a connection. When the inventory gives
the API another address or port, the former one stays open until the last client has left it.

By hand: `curl --cacert .hardway/<cluster>/pki/ca.crt https://<api address>:6443/readyz`.

Goes wrong: HAProxy finds no server because the control plane is not ready, not because HAProxy is wrong: its
journal shows which; the port is taken when an API server shares the host.
"""

from collections.abc import Sequence

from ..cluster import Host, by_address
from ..living import roads
from ..living.roads import Kept
from ..phase import Inputs, Pending, Phase
from ..render import render
from ..resources import Directory, File, Leftover, Packages, Resource, Unit, text
from ..settings import LoadBalancer
from ..targets.live import Live


def desired(inputs: Inputs, host: Host) -> list[Resource]:
    """As the inventory says, with all that clients may still use until they have moved."""
    return wanted(inputs, host, roads.kept(inputs.cluster, inputs.facts, host, not inputs.settled))


def wanted(inputs: Inputs, host: Host, kept: Kept) -> list[Resource]:
    """The load balancer on a host, with what it keeps beyond the inventory."""
    manager = inputs.facts[host.name].package_manager
    config = render("haproxy.cfg", inputs.cluster, host, former_ports=kept.ports)
    proxy = haproxy(manager, inputs.credentials.ca("ca"), config)
    return [*proxy, *(keepalived(manager, _sharing(inputs, host, kept)) if inputs.cluster.api.vip else ())]


def haproxy(manager: str, ca: bytes, config: bytes) -> list[Resource]:
    """HAProxy with its configuration."""
    files = [
        File("/etc/haproxy/ca.crt", text(ca)),
        File("/etc/haproxy/haproxy.cfg", text(config), checked="haproxy"),
    ]
    return [Directory("/etc/haproxy"), *files, Leftover("haproxy"), *_program(manager, "haproxy", files)]


def keepalived(manager: str, config: bytes) -> list[Resource]:
    """keepalived with its configuration, which contains a password."""
    file = File("/etc/keepalived/keepalived.conf", text(config, secret=True), "600")
    return [Directory("/etc/keepalived"), file, *_program(manager, "keepalived", [file])]


def _program(manager: str, name: str, files: Sequence[File]) -> list[Resource]:
    """A package of the distribution and its unit, which loads changed files without a restart."""
    unit = Unit(f"{name}.service", tuple(files), block=True, reloads=frozenset(file.path for file in files))
    return [Packages(manager, ((name, name),)), unit]


def _sharing(inputs: Inputs, host: Host, kept: Kept) -> bytes:
    cluster = inputs.cluster
    others = [str(peer.address) for peer in by_address(cluster.load_balancers) if peer != host]
    return render(
        "keepalived.conf",
        cluster,
        host,
        password=inputs.credentials.shared_password("keepalived").reveal().decode(),
        interface=inputs.facts[host.name].addresses.get(str(host.address), "eth0"),
        routers=routers([str(cluster.api.vip), *kept.addresses]),
        peers=[*others, *kept.peers],
    )


def routers(addresses: Sequence[str]) -> list[tuple[int, list[str]]]:
    """The addresses by the number of their virtual router, that of the first one first.

    The number comes from the address, so that an address that stays is held through a reload.
    """
    found: dict[int, list[str]] = {}
    for address in addresses:
        found.setdefault(int(address.rsplit(".", 1)[1]) or 255, []).append(address)
    return list(found.items())


def ready(live: Live, host: Host) -> Pending | None:
    port = live.cluster.api.port
    if not live.serves(host, "haproxy", port):
        return Pending(f"HAProxy to listen on port {port} of {host.name}", host.name, "haproxy.service")
    problem = live.balanced().not_ready()
    # A run that is about no API server, while none is ready, has nobody to wait for.
    if not problem or (not live.among(live.cluster.control_plane) and live.kube().not_ready()):
        return None
    return Pending(f"the API to answer at {live.cluster.api_url} ({problem})", host.name, "haproxy.service")


def road(inputs: Inputs) -> tuple[str, ...]:
    """The phases that open the road by which clients come to the API."""
    balanced = inputs.cluster.api.load_balancer is LoadBalancer.HAPROXY
    return ("control-plane", "load-balancer") if balanced else ("control-plane",)


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
