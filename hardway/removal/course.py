"""The steps in which a host leaves a cluster that lives, in their order: what each is for, and how it is done by hand.

`hardway node remove` carries them out, `hardway explain nodes` and the guide tell of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Leg:
    """`by_hand` are commands to type, with NAME for the host that leaves."""

    name: str
    why: str
    by_hand: str


CORDON = Leg(
    "cordon",
    "No new pod starts on a host that leaves, and no pod moves from one that leaves to the next.",
    "kubectl cordon NAME",
)
DRAIN = Leg(
    "drain",
    "Each pod is evicted as its budget allows, so those who use it notice nothing.",
    "kubectl drain NAME --ignore-daemonsets",
)
RELEASE = Leg(
    "release",
    "A machine that is gone ends no pod: with the taint `out-of-service` the cluster deletes them and frees their"
    " volumes at once.",
    "kubectl taint node NAME node.kubernetes.io/out-of-service=nodeshutdown:NoExecute",
)
BALANCE = Leg(
    "load-balancer",
    "The load balancers stop sending to an API server before it stops, so no call fails.",
    "remove NAME from /etc/haproxy/haproxy.cfg on each load balancer, then: systemctl reload haproxy",
)
SERVERS = Leg(
    "servers",
    "The scheduler and the controller manager hand over to another host; the API server takes its address out of the"
    " Service kubernetes.",
    "on NAME: systemctl disable --now kube-scheduler kube-controller-manager kube-apiserver",
)
MEMBER = Leg(
    "etcd-member",
    "etcd removes the member while the others keep their quorum. A member that is only stopped would count for the"
    " quorum for ever.",
    "if it leads: etcdctl move-leader ID; etcdctl member remove ID; on NAME: systemctl disable --now etcd",
)
RESET = Leg(
    "reset",
    "The kubelet stops first. Containers, their network, etcd's data and all that hardway installed are removed.",
    "hardway reset INV --limit NAME",
)
NODE = Leg(
    "node",
    "Its kubelet, which would write to its Node and create its Lease again, no longer runs. As long as the Node is"
    " there, the command can be run again.",
    "kubectl delete node NAME; kubectl -n kube-node-lease delete lease NAME",
)
ELSEWHERE = Leg(
    "elsewhere",
    "Names and routes on the other hosts, and their lists of etcd members.",
    "delete its lines from INV, then: hardway bootstrap INV",
)
COURSE = (CORDON, DRAIN, RELEASE, BALANCE, SERVERS, MEMBER, RESET, NODE, ELSEWHERE)
