"""What kubeadm is told: its defaults, but for addresses, our versions, and what the lab's kernel asks for; pure."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import yaml
from kubeadm_kit import etcd_tag

from hardway.cluster import Cluster, Host, Role

SOCKET = "unix:///run/containerd/containerd.sock"


def _token() -> str:
    """Of the form that kubeadm wants."""
    return f"{secrets.token_hex(3)}.{secrets.token_hex(8)}"


@dataclass(frozen=True)
class Keys:
    """What a new node needs: the token to join with, the key of the certificates that a control-plane host fetches."""

    token: str = field(default_factory=_token, repr=False)
    certificates: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)


def init_config(cluster: Cluster, host: Host, keys: Keys) -> bytes:
    """For `kubeadm init` on the first host."""
    init = {
        **_kind("InitConfiguration"),
        "bootstrapTokens": [{"token": keys.token}],
        "certificateKey": keys.certificates,
        "localAPIEndpoint": _own(host),
        "nodeRegistration": _registration(),
    }
    documents = [init, _cluster(cluster), _kubelet(cluster), _proxy(cluster)]
    return yaml.safe_dump_all(documents, sort_keys=False).encode()


def join_config(cluster: Cluster, host: Host, keys: Keys, authority: str) -> bytes:
    """For `kubeadm join`; `authority` is the digest of the cluster's CA that init told."""
    discovery = {"apiServerEndpoint": _shared(cluster), "token": keys.token, "caCertHashes": [authority]}
    document = {
        **_kind("JoinConfiguration"),
        "discovery": {"bootstrapToken": discovery},
        "nodeRegistration": _registration(),
    }
    if host.is_(Role.CONTROL_PLANE):
        document["controlPlane"] = {"certificateKey": keys.certificates, "localAPIEndpoint": _own(host)}
    return yaml.safe_dump(document, sort_keys=False).encode()


def _cluster(cluster: Cluster) -> dict:
    network = cluster.network
    return {
        **_kind("ClusterConfiguration"),
        "kubernetesVersion": f"v{cluster.versions.kubernetes}",
        "controlPlaneEndpoint": _shared(cluster),
        "networking": {
            "podSubnet": str(network.pod_cidr),
            "serviceSubnet": str(network.service_cidr),
            "dnsDomain": network.domain,
        },
        "etcd": {"local": {"dataDir": "/var/lib/etcd", "imageTag": etcd_tag(cluster)}},
        "dns": {"imageTag": f"v{cluster.versions.coredns}"},
        # hardway's kind of keys. kubeadm's own default, RSA, takes longer to make.
        "encryptionAlgorithm": "ECDSA-P256",
    }


def _kubelet(cluster: Cluster) -> dict:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "systemd",
        "failCgroupV1": cluster.kubelet.fail_cgroup_v1,
    }


def _proxy(cluster: Cluster) -> dict:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": cluster.proxy_mode,
        # A machine that shares its kernel with others cannot change these.
        "conntrack": {"maxPerCore": 0, "min": 0},
    }


def _kind(name: str) -> dict[str, str]:
    return {"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": name}


def _registration() -> dict[str, str]:
    """All images are there; what is not must be noticed, not pulled."""
    return {"criSocket": SOCKET, "imagePullPolicy": "Never"}


def _own(host: Host) -> dict[str, object]:
    return {"advertiseAddress": str(host.address), "bindPort": 6443}


def _shared(cluster: Cluster) -> str:
    return f"{cluster.api.address}:{cluster.api.port}"
