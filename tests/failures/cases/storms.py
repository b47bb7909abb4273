"""Machines and networks that fail while a cluster is built or mended, and etcd's safety through it."""

from ..case import Case
from .hosts import finding

GONE = "<address> does not answer within <seconds> s  (host <host>, phase <phase>)"
BEFORE = "before: <how its connection ended>"
LOOK = "ping -c 3 <address>; ssh -v …"

CASES = (
    Case(
        name="member-off-while-etcd-forms",
        sees=GONE,
        evidence=("waited <seconds> s for: a TCP connection", BEFORE),
        why="An etcd host lost its power while the members were started. It is named when its connection has been dead for 20 s.",
        injected="a lab machine that is powered off while the phase `etcd` is at work on it; then power-on and the same command",
        exit_code=4,
        next=LOOK,
        remedy="Start the machine. The members that formed a cluster keep it, and the one that was away joins it.",
    ),
    Case(
        name="network-cut-while-etcd-forms",
        sees=GONE,
        evidence=("waited <seconds> s for: a TCP connection", BEFORE),
        why="The network of an etcd host broke while the members were being started.",
        injected="a lab machine whose cable is pulled while the phase `etcd` is at work; then it is plugged in again",
        exit_code=4,
        next=LOOK,
        remedy="Mend the network. There is one etcd cluster afterwards, never two.",
    ),
    Case(
        name="network-cut-before-etcd-is-closed",
        sees=GONE,
        evidence=(BEFORE,),
        why="The network of an etcd host broke between the founding of etcd and the note that it is founded (phase `etcd-quorum`).",
        injected="the cable of a control-plane machine is pulled as soon as the phase `etcd` is over",
        exit_code=4,
        next=LOOK,
        remedy="Mend the network. A host that has etcd's data keeps it, so no second cluster is founded.",
    ),
    finding(
        "etcd-host-unknown-at-founding",
        "EtcdUnknown",
        "has no etcd data, and whether there is an etcd to join, only <hosts> could tell, which cannot be asked",
        "bring back <host> first: hardway plan <inventory>  tells why it does not answer",
        why="With `--limit` the other hosts may be away. But an etcd host that is away may hold the data of an etcd that exists.",
        injected="bare lab machines, one of them off, and `--limit` to the others",
        remedy="Start that machine, or take it out of the inventory if it will never come back.",
    ),
    Case(
        name="restart-would-lose-quorum",
        sees="restarting etcd on <host> would lose quorum: <number> of the other <number> members are healthy  (host <host>, phase etcd)",
        evidence=("<host>: <why it is not healthy>",),
        why="Something that etcd reads has changed on one member, so it must be restarted, and another member is down.",
        injected="three members, one powered off, and a changed unit file on another",
        exit_code=9,
        next="bring the sick members back first: systemctl status etcd on each",
        remedy="Bring the other member back. Nothing has been restarted.",
    ),
    Case(
        name="etcd-data-lost",
        sees="etcd member <host> belongs to the cluster, but /var/lib/etcd on its host is empty  (host <host>, phase etcd-members)",
        why="The disk of an etcd host was replaced, or its data deleted. The others still count it as a member.",
        injected="the data folder of one of three members is deleted; the next command is carried out",
        exit_code=9,
        next="if its data is lost for good: etcdctl member remove <id> on another member, then run this again",
        remedy="Remove the member; `bootstrap` adds it again, and it gets the data from the others.",
    ),
    Case(
        name="interrupted",
        sees="interrupted: nothing is half written",
        why="Somebody pressed Ctrl-C.",
        injected="SIGINT while programs are being pushed; the next run goes on from there",
        exit_code=130,
        next="run the same command again; it continues",
        remedy="Nothing has to be cleaned up.",
    ),
)
