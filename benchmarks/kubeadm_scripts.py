"""What is done on a host of a cluster of kubeadm's, as scripts of sh; pure."""

from __future__ import annotations

from kubeadm_config import SOCKET
from kubeadm_files import SYSCTLS, WAITING

from hardway.cluster import Cluster, Host, Role
from hardway.phases.binaries import CNI_PLUGINS
from hardway.phases.preflight import tools
from hardway.render import render

CONFIG = "/root/kubeadm.yaml"
SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BEGIN = f"set -e; export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH={SEARCHED}\n"
INSTALL = "apt-get -qq -y -o Dpkg::Options::=--force-confold --no-install-recommends install"


def preparing(cluster: Cluster, host: Host, pushed: str) -> str:
    """Make a bare host ready: the small files come on standard input, the large ones are in the folder `pushed`."""
    return BEGIN + (_balancer() if host.is_(Role.LB) else _node(cluster, host, pushed))


def _balancer() -> str:
    return f"""tar -xf - -C /
{INSTALL} haproxy </dev/null >/dev/null
systemctl enable -q --now haproxy.service
"""


def _node(cluster: Cluster, host: Host, pushed: str) -> str:
    packages = " ".join(dict.fromkeys(tools(cluster).values()))
    listed = render("hardway.modules.conf", cluster, host).decode().splitlines()
    modules = " ".join(line for line in listed if line and not line.startswith("#"))
    return f"""tar -xf - -C /
cd {pushed}
mkdir -p /opt/cni/bin /etc/cni/net.d
mv {" ".join(CNI_PLUGINS)} /opt/cni/bin/
for file in *; do case $file in *.tar) ;; *) mv "$file" /usr/local/bin/ ;; esac; done
{INSTALL} {packages} </dev/null >/dev/null
swapoff -a
modprobe -a {modules}
sysctl -q -p {SYSCTLS}
systemctl daemon-reload
systemctl enable -q kubelet.service
systemctl enable -q --now containerd.service
for image in *.tar; do ctr -n k8s.io images import "$image" >/dev/null; rm "$image"; done
"""


# Applied when a node has joined, as kubeadm's guide has it. Copied, because containerd, once it runs, does not look at
# a file that was moved into the folder.
NETWORK = f"""cp {WAITING}/10-bridge.conflist /etc/cni/net.d/
install -m 755 {WAITING}/pod-routes /usr/local/bin/
cp {WAITING}/pod-routes.service /etc/systemd/system/
systemctl daemon-reload
systemctl enable -q --now pod-routes.service
"""

# The configuration comes on standard input. What is ignored: cgroup v1, a kernel that does not show how it was made.
GIVEN = f"{BEGIN}(umask 077; cat >{CONFIG})\n"
ARGUMENTS = f"--config {CONFIG} --ignore-preflight-errors=all </dev/null 2>&1"
INIT = f"{GIVEN}kubeadm init --upload-certs {ARGUMENTS}\n"
JOIN = f"{GIVEN}kubeadm join {ARGUMENTS}\n{NETWORK}"


def first_network(cluster: Cluster) -> str:
    """The pod network of the first node, where CoreDNS starts as soon as there is one: when kube-proxy knows the API.

    A CoreDNS that dials the API before that waits 30 s for an answer that never comes. Networks that come as pods, as
    most do, are never so early.
    """
    known = f"iptables -w -t nat -S KUBE-SERVICES 2>/dev/null | grep -q ' {cluster.network.service_ip}/32 '"
    return f"{BEGIN}until {known}; do sleep 0.2; done\n{NETWORK}"


# A line for each member of etcd: id, started, name, peers, clients, whether it is a learner.
MEMBERS = f"""{BEGIN}cd /etc/kubernetes/pki/etcd
crictl exec "$(crictl ps --name '^etcd$' -q | head -n 1)" etcdctl --endpoints https://127.0.0.1:2379 \
  --cacert $PWD/ca.crt --cert $PWD/healthcheck-client.crt --key $PWD/healthcheck-client.key member list
"""

# Besides what kubeadm does, what it says must be done by hand: the pod network's files and the packet rules. Members of
# an etcd that goes as a whole need not be taken out of it one by one, and could not be when all go at once.
RESET = f"""{BEGIN}kubeadm reset -f --cri-socket {SOCKET} --skip-phases=remove-etcd-member </dev/null 2>&1
rm -rf /var/lib/etcd/* /etc/cni/net.d/*
systemctl disable -q --now pod-routes.service
ip -4 route flush proto 200
ip link del cni0 2>/dev/null || :
for tables in iptables ip6tables; do
  for table in filter nat mangle; do $tables -w -t $table -F; $tables -w -t $table -X; done
done
"""
