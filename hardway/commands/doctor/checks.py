"""The checks of `hardway verify` that change nothing, each as a diagnosis: what it found, with the check's own
remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ...checks.check import Check
from ...checks.outcome import Status
from ...checks.scene import told
from ...checks.suite import READING
from ...cluster import Cluster
from ...targets.live import UNREACHABLE
from .diagnosis import Diagnosis, Finding
from .patient import Patient
from .units import UNITS

BALANCERS = ("unit-haproxy", "unit-keepalived")
# What explains a failed check: on the same host, and anywhere. A check that is not here is its own cause.
CAUSES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "pod-routes": (("next-hop", "unit-pod-routes"), ()),
    "certificates-lasting": (("certificate",), ()),
    "etcd-members": (("etcd-removed", "etcd-member", "etcd-quorum"), ("etcd-alarm",)),
    "etcd-strangers": (("etcd-member", "certificate"), ()),
    "apiservers-ready": (("unit-kube-apiserver", "etcd-quorum", "certificate"), ()),
    "certificates-served": (("certificate", "unit-etcd", "unit-kube-apiserver", "unit-kubelet"), ("api-address",)),
    "api-address": ((), (*BALANCERS, "shared-address", "apiservers-ready")),
    "shared-address": (BALANCERS, (*BALANCERS, "apiservers-ready")),
    "administrator": ((), (*BALANCERS, "api-address")),
    "leaders": ((), ("etcd-alarm", "unit-kube-controller-manager", "unit-kube-scheduler")),
    "kubernetes-service": ((), ("apiservers-ready",)),
    "nodes-ready": (
        ("unit-kubelet", "unit-containerd", "disk-full", "sandbox"),
        ("etcd-alarm", *BALANCERS, "api-address"),
    ),
    "coredns-ready": ((), ("image-missing", "add-on-crashing", "sandbox", "nodes-ready")),
    "dns-from-hosts": (("unit-kube-proxy", "kernel-settings", "pod-routes"), ("coredns-ready", "api-down")),
    "dns-current": ((), ("coredns-ready", "dns-from-hosts", "pod-routes")),
    "kubelet-anonymous": (("unit-kubelet",), ()),
    "binaries": (("drift",), ()),
    "units-steady": (("unit-starting", *(one.name for one in UNITS.values())), ()),
}
# Of these a host cannot be told, or not by its neighbours, while connections to it do not come about.
THROUGH = ("forwarding", "port-closed")
ASKED_THROUGH = frozenset(
    {"etcd-members", "etcd-strangers", "apiservers-ready", "certificates-served", "dns-from-hosts"}
)
WITHOUT_KEYS = frozenset({"kernel-settings", "swap-off", "pod-routes", "units-steady"})
NEEDS_API = frozenset(
    {
        "api-address",
        "administrator",
        "leaders",
        "apiservices",
        "kubernetes-service",
        "nodes-ready",
        "nodes-known",
        "coredns-ready",
        "dns-current",
        "kubelet-anonymous",
    }
)


def diagnosis(check: Check) -> Diagnosis:
    here, anywhere = CAUSES.get(check.name, ((), ()))
    if check.name in NEEDS_API | ASKED_THROUGH:
        anywhere = (*THROUGH, *anywhere)
    keys, api = check.name not in WITHOUT_KEYS, check.name in NEEDS_API
    return Diagnosis(check.name, check.title, _look(check), here, anywhere, needs_keys=keys, needs_api=api)


def _look(check: Check) -> Callable[[Patient], Iterable[Finding]]:
    def look(patient: Patient) -> Iterator[Finding]:
        try:
            outcome = check.run(patient.scene)
        except UNREACHABLE as error:
            yield Finding(_blamed(patient.cluster, error), told(error), check.remedy)
            return
        if outcome.status is Status.FAILED:
            for line in outcome.detail.splitlines():
                yield Finding(*placed(patient.cluster, line), check.remedy)

    return look


def _blamed(cluster: Cluster, error: BaseException) -> str:
    """The host that an error names, when it is one of the inventory's."""
    named = getattr(error, "host", "")
    return named if named in {host.name for host in cluster.hosts} else ""


def placed(cluster: Cluster, line: str) -> tuple[str, str]:
    """(host, what) of a check's line, which begins with the host's name where there is one."""
    first, _, rest = line.partition(" ")
    if first.rstrip(":") not in {host.name for host in cluster.hosts}:
        return "", line
    return first.rstrip(":"), rest if first.endswith(":") else line


def diagnoses(but: frozenset[str]) -> tuple[Diagnosis, ...]:
    return tuple(diagnosis(check) for check in READING if check.name not in but)
