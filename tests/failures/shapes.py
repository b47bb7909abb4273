"""What others leave on a machine, as users of installers have reported it: how it comes there, and how it goes."""

from __future__ import annotations

from dataclasses import dataclass

KUBEADM = "[Service]\\nEnvironment=X=--v=3\\nExecStart=\\nExecStart=/usr/local/bin/kubelet $X --config=/tmp/none\\n"
DROP_IN = "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf"
DROPPED = f"mkdir -p {DROP_IN.rpartition('/')[0]}; printf '{KUBEADM}' >{DROP_IN}"
CNI = "/etc/cni/net.d/05-other.conf"
MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
NO_FORWARDING = "echo AllowTcpForwarding no >/etc/ssh/sshd_config.d/00-hard.conf; systemctl reload ssh"
FORWARDING = "rm /etc/ssh/sshd_config.d/00-hard.conf; systemctl reload ssh"
DROP, REJECT = (f"INPUT -p tcp --dport 10250 -j {target}" for target in ("DROP", "REJECT"))


@dataclass(frozen=True)
class Shape:
    """`check` of preflight finds it on a `worker` (or on the control plane); an empty one: it is in nobody's way."""

    name: str
    check: str
    harm: str
    remedy: str
    worker: bool = True


SHAPES = (
    Shape("drop-in", "DropIn", DROPPED, f"rm {DROP_IN}"),
    Shape("cni", "PodNetwork", f"mkdir -p /etc/cni/net.d; echo '{{}}' >{CNI}", f"rm {CNI}"),
    Shape("static-pod", "StaticPod", f"mkdir -p /etc/kubernetes/manifests; touch {MANIFEST}", f"rm {MANIFEST}"),
    Shape(
        "bridge",
        "Bridge",
        "ip link add cni0 type bridge; ip addr add 10.85.0.1/16 dev cni0",
        "ip link delete cni0",
    ),
    Shape(
        "resolver",
        "Resolver",
        "mv /etc/resolv.conf /root/; ln -s /nowhere /etc/resolv.conf",
        "mv /root/resolv.conf /etc/",
    ),
    Shape("noexec", "NoExec", "mount -t tmpfs -o noexec tmpfs /usr/local", "umount /usr/local", worker=False),
    Shape(
        "disk",
        "Disk",
        "mkdir -p /var/lib/containerd; mount -t tmpfs -o size=50m tmpfs /var/lib/containerd",
        "umount /var/lib/containerd",
    ),
    Shape("forwarding", "Forwarding", NO_FORWARDING, FORWARDING, worker=False),
    Shape("dropped", "Ports", f"iptables -I {DROP}", f"iptables -D {DROP}"),
    Shape("rejected", "Ports", f"iptables -I {REJECT}", f"iptables -D {REJECT}"),
    Shape(
        "proxy",
        "",
        "mkdir -p /etc/systemd/system/containerd.service.d;"
        " printf '[Service]\\nEnvironment=NO_PROXY=x\\n' >/etc/systemd/system/containerd.service.d/proxy.conf",
        "rm -r /etc/systemd/system/containerd.service.d",
    ),
    Shape("later-cni", "", "mkdir -p /etc/cni/net.d; touch /etc/cni/net.d/99-x.conf", "rm /etc/cni/net.d/99-x.conf"),
    Shape(
        "limits",
        "",
        "mkdir -p /etc/systemd/system/etcd.service.d;"
        " printf '[Service]\\nLimitNOFILE=65536\\n' >/etc/systemd/system/etcd.service.d/limits.conf",
        "rm -r /etc/systemd/system/etcd.service.d",
        worker=False,
    ),
)
