"""Machines and networks that fail while a cluster is built or repaired, and etcd's safety through it."""

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
        why=(
            "An etcd host lost power while the members were being started. hardway reports it when its connection has"
            " been dead for 20 s."
        ),
        injected=(
            "a lab machine that is powered off while the phase `etcd` is at work on it; then power-on and the same"
            " command"
        ),
        exit_code=4,
        next=LOOK,
        remedy="Start the machine. The members that formed a cluster keep it, and the missing one joins it.",
    ),
    Case(
        name="network-cut-while-etcd-forms",
        sees=GONE,
        evidence=("waited <seconds> s for: a TCP connection", BEFORE),
        why="The network of an etcd host failed while the members were being started.",
        injected="a lab machine whose cable is pulled while the phase `etcd` is at work; then it is plugged in again",
        exit_code=4,
        next=LOOK,
        remedy="Repair the network. Afterwards there is one etcd cluster, never two.",
    ),
    Case(
        name="network-cut-before-etcd-is-closed",
        sees=GONE,
        evidence=(BEFORE,),
        why=(
            "The network of an etcd host failed after the etcd cluster was created, but before hardway recorded that"
            " (phase `etcd-quorum`)."
        ),
        injected="the cable of a control-plane machine is pulled as soon as the phase `etcd` is over",
        exit_code=4,
        next=LOOK,
        remedy="Repair the network. A host that has etcd's data keeps it, so hardway creates no second cluster.",
    ),
    finding(
        "etcd-host-unknown-at-founding",
        "EtcdUnknown",
        "has no etcd data, and an etcd cluster may exist on hosts that gave no answer: <hosts>",
        "make <host> reachable, and do not exclude it: hardway status <inventory>   shows why it does not answer",
        why=(
            "With `--limit` the other hosts may be unreachable. But an unreachable etcd host may hold the data of an"
            " existing etcd cluster."
        ),
        injected="bare lab machines, one of them off, and `--limit` to the others",
        remedy="Start that machine, or remove it from the inventory if it will never come back.",
    ),
    Case(
        name="worker-left-out",
        sees="<address> does not answer within <seconds> s  (host <host>)",
        evidence=("left out: everything else was done without this host",),
        why="A worker is off. It does not hold up a repair or a new certificate: the run does everything else.",
        injected="a worker of a running cluster that is powered off, and a label for another one in the inventory",
        exit_code=4,
        next="ping -c 3 <address>; ssh -v …; then: hardway bootstrap <inventory>",
        remedy=(
            "Start it and run the same command again. Until then, `--exclude HOST` saves the wait for it, and the run"
            " exits with 0."
        ),
    ),
    Case(
        name="restart-would-lose-quorum",
        sees=(
            "restarting etcd on <host> would lose quorum: <number> of the other <number> members are healthy  (host"
            " <host>, phase etcd)"
        ),
        evidence=("<host>: <why it is unhealthy>",),
        why="A file that etcd reads has changed on one member, so it must be restarted, but another member is down.",
        injected="three members, one powered off, and a changed unit file on another",
        exit_code=9,
        next="repair the unhealthy members first: systemctl status etcd on each",
        remedy="Repair the other member. Nothing has been restarted.",
    ),
    Case(
        name="etcd-data-lost",
        sees=(
            "etcd member <host> belongs to the cluster, but /var/lib/etcd on its host is empty  (host <host>, phase"
            " etcd-members)"
        ),
        why="The disk of an etcd host was replaced, or its data deleted. The others still count it as a member.",
        injected="the data folder of one of three members is deleted; the test runs the next command",
        exit_code=9,
        next="if its data is lost for good: on another member: etcdctl <flags> member remove <id>; then run this again",
        remedy="Remove the member; `bootstrap` adds it again, and it copies the data from the others.",
    ),
    Case(
        name="cluster-lost",
        sees="this cluster was created on <day>; its etcd data is gone from every member that answers",
        evidence=(
            "no etcd data: <hosts>",
            "recorded in <file>",
            "the API has given pods or a certificate to the kubelet of <hosts>",
        ),
        why=(
            "Every etcd host that answers was reinstalled or replaced, or its data was deleted. A new etcd would be"
            " empty: every object of the cluster would be lost, and the kubelets would stop all pods."
        ),
        injected="the data folders of all three members are moved away; then they are moved back",
        exit_code=9,
        next=(
            "bring a member back with its data; or restore a backup: hardway etcd restore <inventory> FILE, or of"
            " the whole cluster: hardway restore <inventory> FILE; or, if everything in the cluster is lost for good,"
            " create it again, empty: hardway bootstrap <inventory>"
            " --found-anew <name>"
        ),
        remedy=(
            "Look for the data first: an old disk, a member that is off, a snapshot. See [Operating a running"
            " cluster](operating.md#when-etcds-data-is-lost)."
        ),
    ),
    Case(
        name="cluster-lost-not-recorded",
        sees="this cluster was created before; its etcd data is gone from every member that answers",
        evidence=(
            "no etcd data: <hosts>",
            "the API has given pods or a certificate to the kubelet of <hosts>",
        ),
        why=(
            "The same, with a state directory that does not record which cluster was created: an old copy. What the"
            " cluster has left on the workers shows that there was one."
        ),
        injected="the same without the record in the state directory",
        exit_code=9,
        next="create it again, empty: hardway bootstrap <inventory> --found-anew <name>",
        remedy="As above. If you want to give the cluster up, you can also run `hardway reset INV` first.",
    ),
    Case(
        name="cluster-not-lost",
        sees="the cluster is not lost: <host> has etcd data",
        why="`--found-anew` was used while a member still has the data of the cluster.",
        injected="`--found-anew` on a healthy cluster",
        exit_code=9,
        next="run it without --found-anew: it continues with that data",
        remedy="Run `bootstrap` without the option. To delete a cluster on purpose: `hardway reset INV`.",
    ),
    Case(
        name="another-cluster",
        sees="this is another cluster than the one that was created on <day>: the UID of kube-system is another",
        evidence=("recorded in <file>: <uid>", "the hosts say: <uid>"),
        why=(
            "The hosts run a cluster that was not created with this state directory, or that was created again from"
            " another copy of it."
        ),
        injected="a record in the state directory with another UID; then the right one",
        exit_code=9,
        next=(
            "use the inventory and the state directory that belong together; to keep the cluster that runs there, move"
            " it: mv <file> <file>; then run this command again"
        ),
        remedy="Use the state directory of the cluster that runs there, or the inventory of the one you mean.",
    ),
    Case(
        name="interrupted",
        sees="interrupted: no file is half written",
        why="Ctrl-C was pressed.",
        injected="SIGINT while programs are being copied; the next run continues from there",
        exit_code=130,
        next="run the same command again; it continues",
        remedy="Nothing has to be cleaned up.",
    ),
)
