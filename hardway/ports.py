"""Who listens where on a host: the one table of ports, from which certificates, rules and checks are made."""

from __future__ import annotations

from collections.abc import Mapping

SSH = 22
ETCD_CLIENT, ETCD_PEER, ETCD_HEALTH = 2379, 2380, 2381
API_SERVER = 6443
# Where an API server listens whose host has HAProxy on 6443.
API_SERVER_ASIDE = 6444
KUBELET_HEALTH, KUBELET = 10248, 10250
KUBE_PROXY_METRICS, KUBE_PROXY_HEALTH = 10249, 10256
CONTROLLER_MANAGER, SCHEDULER = 10257, 10259

# By role, each port with the component that listens; kube-apiserver's own depends on the cluster
# (Cluster.apiserver_port).
LISTENING: Mapping[str, Mapping[int, str]] = {
    "lb": {},
    "etcd": dict.fromkeys((ETCD_CLIENT, ETCD_PEER, ETCD_HEALTH), "etcd"),
    "control-plane": {CONTROLLER_MANAGER: "kube-controller-manager", SCHEDULER: "kube-scheduler"},
    "worker": {
        KUBELET_HEALTH: "kubelet",
        KUBELET: "kubelet",
        KUBE_PROXY_METRICS: "kube-proxy",
        KUBE_PROXY_HEALTH: "kube-proxy",
    },
}
