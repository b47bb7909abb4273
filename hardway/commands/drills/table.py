"""The drills: this table is what `hardway drill` can do."""

from __future__ import annotations

from ...cluster import Cluster, Host, Role
from . import effects as seen
from .drill import Drill, Effect, Look

PODS = Look(
    "{ssh_worker} ctr -n k8s.io tasks ls",
    "every container is RUNNING, with the same process IDs as before",
    "at any time",
    "containers are processes of their host: neither the API nor the kubelet keeps them alive",
)
NODES = Look(
    "kubectl get nodes -w",
    "{host} becomes NotReady",
    "after about {grace} s",
    "the kubelet renews a Lease every 10 s; kube-controller-manager waits {grace} s before it marks the node NotReady",
)
TAINTS = Look(
    "kubectl describe node {host} | grep -A3 -e Taints -e Conditions",
    "conditions are Unknown, and there is a taint node.kubernetes.io/unreachable",
    "together with NotReady",
    "NoSchedule keeps new pods away. NoExecute evicts the node's pods after 5 minutes; it is not set when no node is"
    " Ready",
)
BALANCER = Look(
    "hardway logs {inv} haproxy -n 5",
    "Server … is DOWN",
    "after about a second",
    "the load balancer notices that the server is down",
)
BESIDE = Look(
    "kubectl get --raw /readyz",
    "ok",
    "at once",
    "an API server on an etcd host talks only to the member there, so it fails with that member, and the load"
    " balancer stops using it",
)


def _has(role: Role):
    return lambda cluster: cluster.with_role(role)


def _workers_only(cluster: Cluster) -> tuple[Host, ...]:
    return tuple(host for host in cluster.workers if host.roles == {Role.WORKER})


def _apiserver_effects(cluster: Cluster) -> tuple[Effect, ...]:
    stays = Effect("the API still answers at {api}", seen.address_answers)
    gone = Effect("the API does not answer at {api}", seen.address_is_dead)
    return (
        Effect("kube-apiserver of {host} does not answer", seen.server_is_down),
        stays if len(cluster.control_plane) > 1 else gone,
        Effect("every container still runs", seen.containers_go_on),
    )


def _apiserver_looks(cluster: Cluster) -> tuple[Look, ...]:
    if len(cluster.control_plane) < 2:
        return (Look("kubectl get nodes", "no answer", "at once", "there is one API server, and it is down"), PODS)
    return (
        Look(
            "kubectl get --raw /readyz",
            "ok, every time",
            "at once",
            "the load balancer checks every server's /readyz and no longer uses this one",
        ),
        *([BALANCER] if cluster.load_balancers else []),
        Look(
            "kubectl get endpoints kubernetes",
            "the address of {host} is no longer in the list",
            "at once, or after 15 s if it was killed",
            "a server that stops removes its own address, and the others remove one that is not renewed: pods must not"
            " be sent to a dead server",
        ),
        PODS,
    )


def _etcd_effects(cluster: Cluster) -> tuple[Effect, ...]:
    return (
        Effect("etcd on {host} does not answer", seen.member_is_down),
        Effect("the other {others} of {members} members are healthy", seen.others_are_healthy),
        Effect("the cluster still writes", seen.writes_go_on, 60.0),
    )


def _etcd_looks(cluster: Cluster) -> tuple[Look, ...]:
    return (
        Look(
            "hardway status {inv}",
            "{others} of {members} members, one of them the leader",
            "after at most a few seconds",
            "{quorum} of {members} are a quorum. A leader that stops hands over; one that crashes is replaced within"
            " seconds",
        ),
        Look(
            "kubectl create configmap drill-$(date +%s) -n default",
            "created",
            "at once",
            "a write is complete when a quorum has it on disk; it does not need all members",
        ),
        Look(
            "hardway logs {inv} etcd --since 2m | grep -e peer -e leader",
            "the other members report that they cannot reach it",
            "at once",
            "they keep trying to reach it. To see an election, stop the leader: --host with the name that status shows",
        ),
        *(
            [BESIDE]
            if len(cluster.control_plane) > 1 and any(host.is_(Role.CONTROL_PLANE) for host in cluster.etcd_members)
            else []
        ),
    )


def _kubelet_effects(cluster: Cluster) -> tuple[Effect, ...]:
    return (
        Effect("node {host} is NotReady", seen.node_is_not_ready, 150.0),
        Effect("every container on {host} still runs", seen.its_containers_go_on),
    )


def _lb_effects(cluster: Cluster) -> tuple[Effect, ...]:
    return (
        Effect("the API does not answer at {api}", seen.address_is_dead),
        Effect("every API server is ready when asked on its own host", seen.servers_are_ready),
        Effect("every container still runs", seen.containers_go_on),
    )


def _lb_looks(cluster: Cluster) -> tuple[Look, ...]:
    return (
        Look(
            "kubectl get nodes",
            "connection refused, or no route",
            "at once",
            "your kubeconfig knows this one address only: {api}",
        ),
        Look(
            "{ssh_controller} kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes",
            "an answer; after about {grace} s every node is NotReady",
            "at once",
            "the API servers are healthy, but kubelets use the same address",
        ),
        PODS,
        Look(
            "hardway status {inv}",
            "API … not ready, haproxy 0 of …",
            "at once",
            "status uses SSH and does not need the API",
        ),
    )


def _node_effects(cluster: Cluster) -> tuple[Effect, ...]:
    return (
        Effect("{host} does not answer", seen.machine_is_off, 60.0),
        Effect("node {host} is NotReady", seen.node_is_not_ready, 150.0),
        Effect("the API still answers at {api}", seen.address_answers),
    )


DRILLS: tuple[Drill, ...] = (
    Drill(
        "apiserver",
        "An API server dies",
        "stops kube-apiserver on one control-plane host",
        "An API server has no state of its own: everything is in etcd. So several can run behind one address, and any"
        " of them may fail.",
        _has(Role.CONTROL_PLANE),
        "a control-plane host",
        _apiserver_effects,
        _apiserver_looks,
        "The cluster keeps working with one server less. Without any, nothing is scheduled, replaced or cleaned up, but"
        " pods keep running.",
        "systemctl start kube-apiserver",
        ("kube-apiserver.service",),
    ),
    Drill(
        "etcd-member",
        "An etcd member dies",
        "stops etcd on one host",
        "Every etcd member stores the whole state of the cluster. etcd accepts writes while more than half of its"
        " members agree.",
        _has(Role.ETCD),
        "an etcd host",
        _etcd_effects,
        _etcd_looks,
        "The member catches up when it is back. If one more of three members fails, etcd refuses every request.",
        "systemctl start etcd",
        ("etcd.service",),
        spoils=lambda host: host.is_(Role.ETCD),
    ),
    Drill(
        "kubelet",
        "A kubelet dies",
        "stops the kubelet on one worker",
        "The kubelet starts and checks the pods of its node and reports to the API. Without it nothing does, but"
        " running containers keep running.",
        _has(Role.WORKER),
        "a worker",
        _kubelet_effects,
        lambda cluster: (NODES, TAINTS, PODS),
        "About 5 minutes after NotReady the node's pods are deleted, and recreated on other workers if one is Ready. "
        "The old containers still run: only the kubelet could stop them.",
        "systemctl start kubelet",
        ("kubelet.service",),
    ),
    Drill(
        "lb",
        "The load balancer dies",
        "stops HAProxy on every load balancer",
        "All clients use one address: kubectl, kubelets, kube-proxies. The load balancer is in front of everything.",
        lambda cluster: cluster.load_balancers,
        "a load balancer that hardway runs: a host with the role lb",
        _lb_effects,
        _lb_looks,
        "After about {grace} s every node is NotReady. When all are, no pod is evicted: the control plane assumes that"
        " it is cut off itself.",
        "systemctl start haproxy",
        ("haproxy.service",),
        every=True,
    ),
    Drill(
        "node",
        "A worker loses its power",
        "powers one worker off",
        "The machine is off, with all its containers. The API notices only because the node no longer reports.",
        _workers_only,
        "a host that is a worker and nothing else",
        _node_effects,
        lambda cluster: (
            Look(
                "ping -c 3 {address}",
                "no answer",
                "at once",
                "the machine cannot announce that it is off: it just stops answering",
            ),
            NODES,
            TAINTS,
            Look(
                "kubectl get pods -A -o wide -w",
                "pods of {host} go to Terminating, and new ones start on other workers",
                "about 5 minutes later",
                "pods tolerate an unreachable node for 300 s, in case it comes back",
            ),
        ),
        "Pods stay Terminating until the node is back or its Node object is deleted: the control plane cannot know"
        " whether they still run.",
        "switch the machine on",
    ),
)
NAMES = tuple(drill.name for drill in DRILLS)


def drill(name: str) -> Drill:
    """The drill of that name; KeyError if there is none."""
    return {one.name: one for one in DRILLS}[name]
