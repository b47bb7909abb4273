"""Asking the cluster that lives, in a few round trips and only where something answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ..cluster import Cluster, Host
from ..errors import HardwayError
from ..facts import Facts
from ..foreign.understanding import mapping, mappings, text, texts, understood
from ..ports import SSH
from ..targets.kube import BROKEN, KubeApi
from ..targets.live import Live
from . import roads
from .encryption import serves, settled
from .lives import Lives, Node, forward, node
from .reach import blocked
from .requested import requests

T = TypeVar("T")
ETCD, API = "etcd.service", "kube-apiserver.service"
ENDPOINTS = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
COREDNS = "/api/v1/namespaces/kube-system/configmaps/coredns"


def what_lives(live: Live, facts: Mapping[str, Facts] | None = None, trial: bool = False) -> Lives:
    """What lives, by the hosts whose facts say that etcd or an API server runs there; without facts by all of them.

    With `trial` also whether all of them reach each other, not only those on which nothing was built yet.
    """
    members = running(live.cluster.etcd_members, facts, ETCD)
    servers = running(live.cluster.control_plane, facts, API)
    with ThreadPoolExecutor(2) as pool:
        etcd = pool.submit(_etcd, live, members) if members else None
        api = pool.submit(_api, live, servers, facts or {}) if servers else None
        found = Lives() if etcd is None else etcd.result()
        others = Lives() if api is None else api.result()
    lives = replace(others, etcd=found.etcd, members=found.members, etcd_versions=found.etcd_versions)
    lives = replace(lives, listening=balancers(live, facts or {}), blocked=blocked(live, facts or {}, trial))
    return lives if facts is None or _settled(live, facts) else with_encryption(live, facts, lives)


def tried(live: Live, facts: Mapping[str, Facts]) -> dict[str, Facts]:
    """Of each host of ours whose API server should have answered: whether its sshd lets us ask at all."""
    hosts = [host for host in live.cluster.control_plane if facts[host.name].cluster]
    with ThreadPoolExecutor(len(hosts) or 1) as pool:
        return dict(pool.map(lambda host: (host.name, live.tried(host, facts[host.name])), hosts))


def balancers(live: Live, facts: Mapping[str, Facts]) -> dict[str, bool]:
    """Whether HAProxy listens on load balancers that share the API's address and left the inventory, asked from those
    that share it with them. A machine that does not answer is left out."""
    found: dict[str, bool] = {}
    for address, names in roads.strangers(live.cluster, facts).items():
        host = live.cluster.host(names[0])
        ports = facts[host.name].bound or (live.cluster.api.port,)
        if any(live.listens(host, port, address) for port in ports):
            found[address] = True
        elif live.listens(host, SSH, address):
            found[address] = False
    return found


def _settled(live: Live, facts: Mapping[str, Facts]) -> bool:
    return settled(live.cluster, facts, live.credentials.encryption_writer())


def with_encryption(live: Live, facts: Mapping[str, Facts], lives: Lives) -> Lives:
    """The same, and what each API server has loaded to read Secrets with, asked of its process if it runs."""
    servers = tuple(host for host in live.cluster.control_plane if serves(facts[host.name]))
    with ThreadPoolExecutor(len(servers) or 1) as pool:
        found = dict(zip((host.name for host in servers), pool.map(live.encryption, servers), strict=True))
    return replace(lives, loaded={name: digest for name, digest in found.items() if digest is not None})


def running(hosts: tuple[Host, ...], facts: Mapping[str, Facts] | None, unit: str) -> tuple[Host, ...]:
    """Those of the hosts on which a unit is active."""
    return tuple(host for host in hosts if facts is None or (host.name in facts and unit in facts[host.name].units))


def _etcd(live: Live, running: tuple[Host, ...]) -> Lives:
    """Each running member for itself, all at once: a dead one costs five seconds. One that answers speaks for all."""
    with ThreadPoolExecutor(len(running)) as pool:
        said = [*pool.map(lambda host: _answer(live.etcd(host).status) or (), running)]
    answers = [(host, own) for host, status in zip(running, said, strict=True) for own in status]
    if not answers:
        return Lives()
    # A learner has the data, but does not say who the members are.
    host, first = next((one for one in answers if not one[1].is_learner), answers[0])
    versions = {own.name: own.version for _, own in answers}
    return Lives(f"{first.cluster_id:x}", _answer(live.etcd(host).members), versions)


def _api(live: Live, servers: tuple[Host, ...], facts: Mapping[str, Facts]) -> Lives:
    for host in servers:
        nodes = _answer(partial(_nodes, live.kube(host)))
        if nodes is not None:
            return _told(live.kube(host), live.cluster, facts, nodes)
    return Lives()


def _told(api: KubeApi, cluster: Cluster, facts: Mapping[str, Facts], nodes: Mapping[str, Node]) -> Lives:
    return Lives(
        uid=_answer(lambda: _uid(api)) or "",
        nodes=nodes,
        servers=_answer(lambda: _servers(api)),
        forward=_answer(lambda: _forward(api)),
        requested=_answer(lambda: requests(api, cluster, facts, nodes)),
    )


def _nodes(api: KubeApi) -> dict[str, Node] | None:
    said = api.get("/api/v1/nodes")
    with understood("the API server", said):
        return None if said is None else {one.name: one for one in map(node, mappings(said.get("items")))}


def _uid(api: KubeApi) -> str:
    said = api.get("/api/v1/namespaces/kube-system") or {}
    with understood("the API server", said):
        return text(mapping(said.get("metadata")).get("uid", ""))


def _forward(api: KubeApi) -> tuple[str, ...] | None:
    said = api.get(COREDNS)
    with understood("the API server", said):
        return forward(said)


def _servers(api: KubeApi) -> frozenset[str] | None:
    """Each API server keeps its own address among the endpoints of the Service `kubernetes`, and one that ends is taken
    out within seconds."""
    said = api.get(ENDPOINTS)
    with understood("the API server", said):
        ends = mappings((said or {}).get("endpoints"))
        return None if said is None else frozenset(address for one in ends for address in texts(one["addresses"]))


def _answer(question: Callable[[], T]) -> T | None:
    """None when there is no answer."""
    try:
        return question()
    except (*BROKEN, HardwayError):
        return None
