"""The small files of a host that is to belong to a cluster of kubeadm's; pure.

containerd, the pod network and the kernel's settings are hardway's own: what differs is what builds the cluster alone.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import replace

from hardway.assets import image_reference
from hardway.cluster import Cluster, Host, Role
from hardway.render import render

WAITING = "/root/network"
"""Where the pod network's files wait until the node has joined."""
SYSCTLS = "/etc/sysctl.d/90-kubeadm.conf"

# Unit and drop-in are those of Kubernetes' own packages, but for the program's folder.
KUBELET = """[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/local/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
KUBECONFIGS = "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
KUBELET_DROP_IN = f"""[Service]
Environment="KUBELET_KUBECONFIG_ARGS={KUBECONFIGS}"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/local/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""

# kubeadm's guide to high availability, except that it asks as often as hardway's and believes the first good answer:
# at HAProxy's own pace, a look every 2 s, the first API server would be found seconds late.
HAPROXY = """global
    log stdout format raw daemon notice

defaults
    mode tcp
    log global
    option dontlognull
    option redispatch
    retries 1
    timeout connect 5s
    timeout client 35s
    timeout server 35s
    timeout check 10s

frontend apiserver
    bind *:{port}
    default_backend apiserverbackend

backend apiserverbackend
    option httpchk
    http-check connect ssl
    http-check send meth GET uri /healthz
    http-check expect status 200
    balance roundrobin
    default-server inter 500ms rise 1 check verify none
"""


def spread(cluster: Cluster) -> Cluster:
    """The cluster as kubeadm makes it: control-plane hosts are nodes too, each with its own block of pod addresses."""
    return replace(cluster, hosts=tuple(_node(cluster, host) for host in cluster.hosts))


def _node(cluster: Cluster, host: Host) -> Host:
    if not host.is_(Role.CONTROL_PLANE):
        return host
    # A worker has the block of its name's number, which is below the last byte of any address.
    block = cluster.network.pod_block(int(host.address) & 0xFF)
    return replace(host, roles=host.roles | {Role.WORKER}, pod_cidr=block)


def small_files(cluster: Cluster, host: Host) -> dict[str, bytes]:
    """The files of a host by path, for a `spread` cluster."""
    if host.is_(Role.LB):
        servers = "".join(f"    server {one.name} {one.address}:6443\n" for one in cluster.control_plane)
        return {"/etc/haproxy/haproxy.cfg": (HAPROXY.format(port=cluster.api.port) + servers).encode()}
    pause = image_reference(cluster, "pause")
    return {
        "/etc/containerd/config.toml": render("containerd-config.toml", cluster, host, pause_image=pause),
        "/etc/systemd/system/containerd.service": render("containerd.service", cluster, host),
        "/etc/crictl.yaml": render("crictl.yaml", cluster, host),
        "/etc/modules-load.d/kubeadm.conf": render("hardway.modules.conf", cluster, host),
        SYSCTLS: render("90-hardway.sysctl.conf", cluster, host),
        "/etc/systemd/system/kubelet.service": KUBELET.encode(),
        "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf": KUBELET_DROP_IN.encode(),
        # The machines have no name server, and kubeadm's CoreDNS ends at once without one. Nothing listens at this one.
        "/etc/resolv.conf": f"nameserver {cluster.lab.gateway}\n".encode(),
        f"{WAITING}/10-bridge.conflist": render("10-bridge.conflist", cluster, host),
        f"{WAITING}/pod-routes.service": render("pod-routes.service", cluster, host, retries=True),
        f"{WAITING}/pod-routes": render("pod-routes", cluster, host, routes=cluster.pod_routes(host)),
    }


def packed(files: Mapping[str, bytes]) -> bytes:
    """A tar of them to unpack at /."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path.lstrip("/"))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()
