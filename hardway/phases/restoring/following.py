"""Have those who watch the API look again: kubelets, kube-proxies and cluster DNS, a few workers at a time.

They would notice by themselves that their watches ended. But a kubelet registers its Node only when it starts, and one
that is not in the snapshot has none any more. On a reinstalled machine none of them is there yet: bootstrap sees to it.
"""

from __future__ import annotations

from ...cluster import Host
from ...living.restoration import Restoration
from ...phase import API, Inputs, Pending, Phase, Target
from ...resources import Resource, Restarted, RolledOut
from ...resources.unit_state import properties
from ...targets.live import Live
from ...vocabulary import Probe
from .. import dns as cluster_dns
from .. import kube_proxy, kubelet

KUBELET = Probe("unit", ("kubelet.service",))
COREDNS = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"


def kubelets(restoration: Restoration) -> Phase:
    return _restarted("restart-kubelets", "Restart the kubelets", "kubelet", kubelet.PHASE, restoration)


def kube_proxies(restoration: Restoration) -> Phase:
    name, title = "restart-kube-proxies", "Restart the kube-proxies"
    return _restarted(name, title, "kube-proxy", kube_proxy.PHASE, restoration)


def _restarted(name: str, title: str, component: str, like: Phase, restoration: Restoration) -> Phase:
    def desired(inputs: Inputs, host: Host) -> list[Resource]:
        installed = component in inputs.facts[host.name].components
        return [Restarted(f"{component}.service", restoration.id)] if installed else []

    return Phase(
        name=name,
        title=title,
        targets=like.targets,
        desired=desired,
        needs=lambda inputs: ("control-plane",),
        ready=like.ready,
        deadline=like.deadline,
        rolling=True,
        side_by_side=True,
        before_restart=like.before_restart,
        marks=False,
    )


def dns_ready(live: Live, target: Target) -> Pending | None:
    """A snapshot may be older than cluster DNS, or another cluster's; and where a node is missing, its pods may be
    waited for in vain: bootstrap sees to both."""
    pending = cluster_dns.ready(live, target) if live.kube().get(COREDNS) else None
    nodes = live.among(live.cluster.workers) if pending else ()
    return pending if all(_has_kubelet(live, node) for node in nodes) else None


def _has_kubelet(live: Live, host: Host) -> bool:
    said = live.remotes[host.name].probe([KUBELET])[KUBELET]
    return properties(said)["LoadState"] != "not-found"


def dns(restoration: Restoration) -> Phase:
    """Its pods are replaced by the Deployment's own rolling update, so that names are always answered."""
    return Phase(
        name="restart-dns",
        title="Replace the pods of cluster DNS",
        targets=lambda cluster: (API,),
        desired=lambda inputs, target: [RolledOut(COREDNS, restoration.id)] if inputs.cluster.coredns.enabled else [],
        needs=lambda inputs: ("restart-kubelets", "restart-kube-proxies"),
        ready=dns_ready,
        deadline=cluster_dns.PHASE.deadline,
        marks=False,
    )
