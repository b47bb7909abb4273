"""Why a cluster cannot come from what runs to what is wanted, whatever is done. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ..cluster import Cluster, Role
from ..preflight.finding import Finding
from ..preflight.upgrades import Version, parsed
from .passes import way
from .rungs import NoWay
from .standing import MEMBER, ON_WORKERS, RUNTIME, SERVERS, Standing, components, kubelets

# How many minors a kubelet may be older than an API server (Kubernetes' version skew policy).
BEHIND = 3


def refusals(cluster: Cluster, standing: Standing) -> list[Finding]:
    """All of them."""
    return [
        *_unbuilt(cluster, standing),
        *_lowered(cluster, standing),
        *_skipped(cluster, standing),
        *_left(cluster, standing),
    ]


def _unbuilt(cluster: Cluster, standing: Standing) -> Iterator[Finding]:
    """A new API server would start in the newest version at once."""
    for host in cluster.with_role(Role.ETCD, Role.CONTROL_PLANE):
        if host.name not in standing.built:
            what = "is new in the inventory, and would be built with the newest version before the others have it"
            remedy = "write the version that runs in the inventory, then: hardway bootstrap INV; then upgrade"
            yield Finding("NotBuilt", host.name, what, remedy)


def _lowered(cluster: Cluster, standing: Standing) -> Iterator[Finding]:
    wanted = dict.fromkeys((*SERVERS, *ON_WORKERS), cluster.versions.kubernetes)
    wanted |= {MEMBER: cluster.versions.etcd, RUNTIME: cluster.versions.containerd}
    for host in cluster.hosts:
        for name in components(host):
            there, then = standing.running.get(host.name, {}).get(name, ""), wanted[name]
            if parsed(there) > parsed(then):
                yield Finding(
                    "Downgrade", host.name, f"runs {name} {there}, newer than {then}", _back(name, there, then)
                )


def _back(name: str, there: str, wanted: str) -> str:
    """What to do instead of going back."""
    key = "kubernetes" if name not in (MEMBER, RUNTIME) else f"versions.{name}"
    if parsed(there)[:2] == parsed(wanted)[:2]:
        return f"set {key}: {there} in the inventory; an older patch is installed by hardway bootstrap INV"
    further = "or continue an upgrade to the Kubernetes version that has it (--to VERSION)"
    return f"set {key}: {there} in the inventory, {further}; no minor goes back"


def _skipped(cluster: Cluster, standing: Standing) -> Iterator[Finding]:
    try:
        way(cluster, standing)
    except NoWay as error:
        yield Finding("VersionJump", "cluster", str(error), "hardway assets list INV; choose other versions")


def _left(cluster: Cluster, standing: Standing) -> Iterator[Finding]:
    """Kubelets that the API servers would leave too far behind, those of unreachable and of foreign nodes too."""
    then: Version = parsed(cluster.versions.kubernetes)[:2]
    for name, version in sorted(kubelets(cluster, standing).items()):
        now = parsed(version)[:2]
        if now and (then[0], then[1] - BEHIND) > now:
            what = f"its kubelet is {version}, more than {BEHIND} minors older than {cluster.versions.kubernetes}"
            remedy = f"upgrade to 1.{now[1] + BEHIND} first: hardway upgrade INV --to {now[0]}.{now[1] + BEHIND}"
            known = name in {host.name for host in cluster.workers}
            yield Finding(
                "KubeletBehind", name, what, remedy if known else f"upgrade or remove that node first: {name}"
            )
