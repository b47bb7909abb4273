"""Which host connects to which port of which, and whether it can: asked from where the connection is needed.

A firewall that drops what it does not know is seen only from there; the host itself answers on all its ports. Before
anything of ours listens, systemd listens for a moment (systemd-socket-activate(1)).
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from ..cluster import Cluster, Host, Role
from ..errors import HardwayError, UnreachedError
from ..facts import Facts, ports
from ..patience import stretched
from ..ports import ETCD_CLIENT, ETCD_PEER, KUBELET
from ..settings import LoadBalancer
from ..targets.live import Live
from ..vocabulary import Probe

SECONDS = 3.0  # for an answer, and until systemd listens
LISTENING = re.compile(r"Listening on \S*:(\d+) as ")
AT_ONCE = 64
Port = tuple[str, int]  # of a host, by its name


@dataclass(frozen=True)
class Link:
    """A connection that the cluster needs."""

    source: Host
    target: Host
    port: int


@dataclass(frozen=True)
class Blocked:
    """One that does not come about, with `how` it fails: "no answer within 3 s" or "refused"."""

    source: str
    target: str
    port: int
    how: str


def links(cluster: Cluster) -> list[Link]:
    """Every connection between two hosts of the inventory."""
    return [link for link in dict.fromkeys(_links(cluster)) if link.source != link.target]


def _links(cluster: Cluster) -> Iterator[Link]:
    members, planes, workers = cluster.etcd_members, cluster.control_plane, cluster.workers
    yield from (Link(one, other, ETCD_PEER) for one in members for other in members)
    # An API server asks the member beside it, where there is one.
    apart = [plane for plane in planes if plane not in members]
    yield from (Link(plane, member, ETCD_CLIENT) for plane in apart for member in members)
    yield from (Link(plane, worker, KUBELET) for plane in planes for worker in workers)
    serving = [(plane, cluster.apiserver_port(plane)) for plane in planes]
    yield from (Link(balancer, *one) for balancer in cluster.load_balancers for one in serving)
    entries = [(balancer, cluster.api.port) for balancer in cluster.load_balancers]
    if cluster.api.load_balancer is LoadBalancer.NONE:
        entries = serving
    yield from (Link(client, *one) for client in cluster.with_role(Role.WORKER, Role.CONTROL_PLANE) for one in entries)


def blocked(live: Live, facts: Mapping[str, Facts], everywhere: bool) -> tuple[Blocked, ...]:
    """Those that do not come about. Of hosts on which something of ours is built only with `everywhere`: nobody asks
    all of them each time."""
    asked = {name for name, fact in facts.items() if fact.known and fact.forwarding}
    wanted = [
        link
        for link in links(live.cluster)
        if {link.source.name, link.target.name} <= asked and (everywhere or not facts[link.target.name].cluster)
    ]
    there = {(link.target.name, link.port) for link in wanted if link.port in facts[link.target.name].listening}
    bare: dict[Host, set[int]] = {}
    for link in wanted:
        if not facts[link.target.name].cluster and (link.target.name, link.port) not in there:
            bare.setdefault(link.target, set()).add(link.port)
    with _listening(live, bare) as ready, ThreadPoolExecutor(AT_ONCE) as pool:
        open_now = [link for link in wanted if (link.target.name, link.port) in there | ready]
        failed = [
            link for link, found in zip(open_now, pool.map(partial(_tried, live), open_now), strict=True) if found
        ]
        # A server that crashes and comes back is no firewall, and one lost packet is none either.
        hosts = list(dict.fromkeys(link.target for link in failed))
        still = dict(zip(hosts, pool.map(partial(_listened, live), hosts), strict=True))
        again = [link for link in failed if link.port in still[link.target]]
        return tuple(found for found in pool.map(partial(_tried, live), again) if found)


def _listened(live: Live, host: Host) -> frozenset[int]:
    """The ports on which somebody listens at this moment; none when the host cannot be asked."""
    question = Probe("ports")
    try:
        return ports(live.remotes[host.name].probe((question,))[question])
    except (HardwayError, OSError):
        return frozenset()


def _tried(live: Live, link: Link) -> Blocked | None:
    """How it fails; nothing when it does not, or the host that should connect cannot be asked."""
    try:
        live.transports[link.source.name].dial(link.port, str(link.target.address), SECONDS).close()
    except UnreachedError as error:
        how = f"no answer within {stretched(SECONDS):.0f} s" if error.waited_seconds else "refused"
        return Blocked(link.source.name, link.target.name, link.port, how)
    except (HardwayError, OSError):
        return None
    return None


@contextlib.contextmanager
def _listening(live: Live, hosts: Mapping[Host, set[int]]) -> Iterator[set[Port]]:
    """While the context lasts these ports of the hosts take connections; the value is those that do."""
    over, ready, news = threading.Event(), set[Port](), threading.Condition()
    wanted = {(host.name, port) for host, ports in hosts.items() for port in ports}

    def heard(name: str) -> Callable[[str], None]:
        def line(text: str) -> None:
            if found := LISTENING.search(text):
                with news:
                    ready.add((name, int(found[1])))
                    news.notify_all()

        return line

    def listen(host: Host) -> None:
        question = Probe("listening", tuple(str(port) for port in sorted(hosts[host])))
        with contextlib.suppress(HardwayError, OSError):
            live.follow(host, question, heard(host.name), over.is_set)
        with news:  # where nobody listens, nobody is waited for
            wanted.difference_update({one for one in wanted if one[0] == host.name} - ready)
            news.notify_all()

    threads = [threading.Thread(target=listen, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    try:
        with news:
            news.wait_for(lambda: wanted <= ready, stretched(SECONDS))
            found = set(ready)
        yield found
    finally:
        over.set()
        for thread in threads:
            thread.join(stretched(SECONDS))
