"""The living cluster as it follows from the units that run on the memory hosts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hardway.cluster import Cluster, Host
from hardway.errors import ConnectionFailed, HardwayError, NotReadyError
from hardway.foreign.quantity import amount
from hardway.ports import SSH
from hardway.resources.unit_state import properties
from hardway.targets.away import Away
from hardway.targets.live import Live
from hardway.targets.secrets.stored import Stored

from .leasing import Machine
from .memory_etcd import Membership, MemoryEtcd
from .memory_host import MemoryHost
from .memory_kube import MemoryKube, Objects
from .memory_pods import POLICY, counted, ended
from .memory_probes import SIGNED, reserved
from .memory_roads import CLIENTS, HAPROXY, Roads, loaded
from .memory_trust import ROOT, Trust, now

NODES = "/api/v1/nodes"
COREDNS = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
PODS = "/api/v1/namespaces/kube-system/pods"
EVERY_POD = "/api/v1/pods"
SIGNER = "/etc/kubernetes/pki/ca-signing.crt"
MACHINE = {"cpu": "2", "memory": "8Gi", "ephemeral-storage": "20Gi"}


class FakeLive(Live):
    """Live, with every look at the network replaced by a look at the memory hosts."""

    def __init__(self, cluster: Cluster, hosts: Mapping[str, MemoryHost], objects: Objects, membership: Membership):
        super().__init__(cluster, None, {host.name: Machine(host).way() for host in cluster.hosts})
        self.hosts, self.objects, self.membership, self.remotes = hosts, objects, membership, hosts
        self.roads = Roads(hosts, self._apiserver)
        self.sick: dict[str, str] = {}
        self.not_ready_nodes: set[str] = set()
        self.not_ready_apiservers: set[str] = set()
        self.away: set[str] = set()
        self.closed: set[str] = set()  # hosts whose sshd forwards nothing
        self.failing_dns = False  # CoreDNS's pods run, and are not ready
        self.trust = Trust(hosts, objects)
        objects.kubelets = self._told

    def give_up(self, name: str, error: HardwayError) -> None:
        """The host stays what it is in the world."""
        self.transports[name] = Away(self.transports[name], ConnectionFailed(error.message, name))

    def runs(self, host: Host, unit: str) -> bool:
        return self.hosts[host.name].systemd.unit(f"{unit}.service").active == "active"

    def journal(self, host: str, unit: str, lines: int = 20) -> str:
        return self.hosts[host].q_journal(unit, str(lines))

    def serves(self, host: Host, unit: str, port: int) -> bool:
        return self.runs(host, unit)

    def forwards(self, host: Host) -> bool:
        return host.name not in self.closed

    def unit(self, host: str, unit: str) -> dict[str, str]:
        return {} if host in self.away else properties(self.hosts[host].q_unit(unit))

    def etcd_health(self, host: Host) -> str:
        if host.name in self.sick:
            return self.sick[host.name]
        if not self.runs(host, "etcd"):
            return "connection refused"
        return "" if self.membership.has_quorum() else "no leader"

    def etcd(self, host: Host) -> MemoryEtcd:
        return MemoryEtcd(self.membership, host, (host,), self.etcd_health)

    def client(self, via: Host) -> MemoryEtcd:
        """A client that asks all members of the inventory."""
        return MemoryEtcd(self.membership, via, self.cluster.etcd_members, self.etcd_health)

    def _api(self, host: Host, identity: str, port: int, address: str, name: str = "kubernetes") -> MemoryKube:
        here = port == self.cluster.apiserver_port(host) and address == "127.0.0.1"
        url, verified = f"https://{address}:{port}", name == address
        road = (lambda: self._apiserver(host)) if here else lambda: self.roads.closed(url, verified)
        own = lambda path: self.trust.answer(path, host)  # noqa: E731
        return MemoryKube(self.objects, road, lambda: self.hosts[host.name].providers, own)

    def listens(self, host: Host, port: int, address: str = "127.0.0.1") -> bool:
        there = [one for one in self.hosts.values() if str(one.host.address) == address]
        if port == SSH:
            return bool(there)
        return any(f"bind :{port}\n" in loaded(one, "haproxy", HAPROXY) for one in there)

    def _door(self) -> Host:
        return self.cluster.control_plane[0]

    def _apiserver(self, host: Host) -> str:
        if not self.runs(host, "kube-apiserver") or host.name in self.away:
            return "connection refused"
        if host.name in self.not_ready_apiservers:
            return "readyz 500 [-]poststarthook failed"
        if self.objects.unreadable(self.hosts[host.name].providers):
            return "readyz 500 [-]informer-sync failed"
        healthy = any(not self.etcd_health(member) for member in self.cluster.etcd_members)
        return "" if healthy else "readyz 500 [-]etcd failed"

    def encryption(self, host: Host) -> str | None:
        answers = self.runs(host, "kube-apiserver") and host.name not in self.away
        return self.hosts[host.name].loaded if answers else None

    def stored(self) -> Stored:
        """Each Secret with the key it was written with; etcd needs a quorum for that."""
        if all(self.etcd_health(member) for member in self.cluster.etcd_members):
            raise NotReadyError("etcd does not answer")
        keys = {
            f"/registry/secrets/{path.split('/')[-3]}/{path.split('/')[-1]}": provider.partition("=")[0]
            for path, provider in self.objects.stored.items()
        }
        return Stored(self.membership.revision, keys)

    def _servers(self) -> list[str]:
        """The addresses of all API servers that run, be they in the inventory or not."""
        units = {name: host.systemd.unit("kube-apiserver.service") for name, host in self.hosts.items()}
        return [str(self.hosts[name].host.address) for name, unit in units.items() if unit.active == "active"]

    def _reaches_api(self, host: Host) -> bool:
        """Whether the kubelet on a host runs and reaches the API by its kubeconfig."""
        machine = self.hosts[host.name]
        urls = re.findall(r"^ *server: (\S+)$", loaded(machine, "kubelet", CLIENTS["kubelet"]), re.MULTILINE)
        return bool(urls) and not any(map(self.roads.closed, urls))

    def _told(self, wanted: str) -> None:
        self.trust.tell(wanted)
        self._kubelets(wanted)

    def _kubelets(self, wanted: str) -> None:
        """Register the nodes whose kubelet runs and reaches the API, sign each a certificate, report their condition:
        of the node that is read, else of all. No other object than Nodes, and the pods on them, depends on it."""
        if wanted and not wanted.startswith((NODES, COREDNS, "/api/v1/namespaces/", "/api/v1/pods", POLICY)):
            return
        name = wanted.removeprefix(f"{NODES}/")
        workers = self._workers()
        for host in [host for host in workers if host.name == name] or workers:
            path, works = f"{NODES}/{host.name}", self._reaches_api(host)
            machine = self.hosts[host.name]
            starts = machine.systemd.unit("kubelet.service").starts
            # A kubelet registers once, when it has started.
            if path not in self.objects.by_path and works and starts != machine.registered:
                machine.registered = starts
                meta = {"name": host.name, "labels": {"kubernetes.io/hostname": host.name}}
                self.objects.save(path, {"kind": "Node", "metadata": meta, "spec": {}})
            if works and SIGNED not in machine.disk.files and (signed := self._signed()):
                machine.disk.write(SIGNED, signed)
            if path in self.objects.by_path:
                ready = works and self.runs(host, "containerd") and host.name not in self.not_ready_nodes
                status = (
                    {"status": "True", "message": ""}
                    if ready
                    else {"status": "False", "message": "container runtime is down"}
                )
                self.objects.by_path[path]["status"] = {
                    "addresses": [{"type": "InternalIP", "address": self._node_ip(host)}],
                    "conditions": [{"type": "Ready", **status}],
                    "nodeInfo": self._info(host, works),
                    "allocatable": self._allocatable(host),
                }
        if wanted.startswith((COREDNS, "/api/v1/namespaces/", "/api/v1/pods", POLICY)):
            ended(self.objects, self._runs_kubelet)
            self._schedule()
            counted(self.objects)

    def _info(self, host: Host, works: bool) -> dict[str, str]:
        """What a kubelet said of its version last."""
        before = self.objects.by_path[f"{NODES}/{host.name}"].get("status", {}).get("nodeInfo", {})
        version = self.hosts[host.name].q_version("kubelet.service")
        said = {"kubeletVersion": f"v{version}", "containerRuntimeVersion": "containerd://2.3.7"}
        return said if works and version else before

    def _allocatable(self, host: Host) -> dict[str, str]:
        """What the kubelet that runs has said last of what its machine has, less what it keeps from pods."""
        kept = reserved(loaded(self.hosts[host.name], "kubelet", "/var/lib/kubelet/config.yaml"))
        left = {resource: amount(there) - amount(kept.get(resource, 0)) for resource, there in MACHINE.items()}
        return {"pods": "110", **{resource: str(found) for resource, found in left.items()}}

    def _workers(self) -> list[Host]:
        """Those of the inventory, and the machines that left it with a kubelet."""
        ours = {host.name for host in self.cluster.workers}
        others = (machine for name, machine in self.hosts.items() if name not in ours)
        left = [one.host for one in others if one.systemd.unit("kubelet.service").starts]
        return [*self.cluster.workers, *left]

    def _schedule(self) -> None:
        """Put the replicas of CoreDNS on Ready nodes; those of a node that is lost stay there for minutes."""
        deployment = self.objects.by_path.get(COREDNS)
        if not deployment:
            return
        ready, replicas = sorted(self._ready_nodes()), deployment["spec"]["replicas"]
        open_ = [name for name in ready if not self.objects.by_path[f"{NODES}/{name}"]["spec"].get("unschedulable")]
        for path, _ in self._pods()[replicas:] + [pod for pod in self._pods() if not self._exists(pod[1])]:
            self.objects.by_path.pop(path, None)
        template = deployment["spec"]["template"].get("metadata", {}).get("annotations", {})
        for number in range(replicas if open_ else 0):
            path = f"{PODS}/coredns-{number}"
            if self.objects.by_path.get(path, {}).get("metadata", {}).get("annotations", template) != template:
                self.objects.by_path.pop(path)  # another template: it is replaced
            if path not in self.objects.by_path:
                self.objects.save(path, coredns(number, open_[number % len(open_)], template))
        running = 0
        for _, pod in self._pods():
            runs = pod["spec"]["nodeName"] in ready and not self.failing_dns
            pod["status"] |= {"phase": "Running", "conditions": [{"type": "Ready", "status": str(runs)}]}
            running += runs
        deployment["status"] = {"readyReplicas": running, "updatedReplicas": len(self._pods())}

    def _pods(self) -> list[tuple[str, dict]]:
        return [
            (path, body) for path, body in list(self.objects.by_path.items()) if path.startswith(f"{PODS}/coredns-")
        ]

    def _runs_kubelet(self, node: str) -> bool:
        return node in self.hosts and self.hosts[node].systemd.unit("kubelet.service").active == "active"

    def _exists(self, pod: dict) -> bool:
        return f"{NODES}/{pod['spec']['nodeName']}" in self.objects.by_path

    def _ready_nodes(self) -> list[str]:
        nodes = [body for body in list(self.objects.by_path.values()) if body["kind"] == "Node" and "status" in body]
        return [node["metadata"]["name"] for node in nodes if node["status"]["conditions"][0]["status"] == "True"]

    def _signed(self) -> bytes:
        """What a controller manager signs: in place of a certificate by its CA stands that of the CA, which has signed
        that too."""
        units = [one.systemd.unit("kube-controller-manager.service") for one in self.hosts.values()]
        return next((unit.loaded[SIGNER] for unit in units if unit.active == "active" and SIGNER in unit.loaded), b"")

    def _node_ip(self, host: Host) -> str:
        """The address that a kubelet reports: that of the unit it was installed with."""
        unit = self.hosts[host.name].disk.read("/etc/systemd/system/kubelet.service").decode()
        return next(iter(re.findall(r"--node-ip=(\S+)", unit)), "")


def coredns(number: int, node: str, annotations: dict[str, str]) -> dict:
    """A pod of CoreDNS, which was just started, as its Deployment makes it; one that takes the place of an evicted one
    has another uid."""
    volume = {
        "projected": {"sources": [{"serviceAccountToken": {"expirationSeconds": 3607}}, {"configMap": {"name": ROOT}}]}
    }
    meta = {
        "name": f"coredns-{number}",
        "namespace": "kube-system",
        "uid": f"uid-coredns-{number}-on-{node}",
        "labels": {"k8s-app": "kube-dns", "pod-template-hash": "5d9"},
        "annotations": annotations,
        "ownerReferences": [{"kind": "ReplicaSet", "name": "coredns-5d9", "controller": True}],
    }
    started = {
        "startTime": now(),
        "containerStatuses": [{"restartCount": 0, "state": {"running": {"startedAt": now()}}}],
    }
    spec = {"nodeName": node, "volumes": [volume]}
    return {"kind": "Pod", "metadata": meta, "spec": spec, "status": started}
