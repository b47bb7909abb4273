"""Hosts that do not meet the requirements: most are found by preflight, which checks all of them before it changes
any."""

from ..case import Case

FAILED = "preflight failed: <number> error…  (phase preflight)"


def finding(name: str, number: str, text: str, next: str, **words: str) -> Case:
    """Something preflight finds, told by `number`: the word in its brackets."""
    evidence = (f"[ERROR {number}] <host>: {text}",)
    return Case(name=name, sees=FAILED, evidence=evidence, exit_code=5, next=next, **words)


CASES = (
    finding(
        "port-2379-taken",
        "Port-2379",
        "port 2379 is in use by <program> (process <number>), but etcd.service needs it",
        "systemctl status <number>   shows what it belongs to; then stop it",
        why="Another etcd, or another program, listens on the port that etcd needs.",
        injected="a unit on a lab machine that listens there",
        remedy="Stop that program and keep it from starting again: `systemctl disable --now UNIT`.",
    ),
    finding(
        "port-6443-taken",
        "Port-6443",
        "port 6443 is in use by <program> (process <number>), but kube-apiserver.service needs it",
        "systemctl status <number>   shows what it belongs to; then stop it",
        why="Another Kubernetes (k3s, kubeadm, minikube) runs on the machine.",
        injected="a unit on a lab machine that listens there",
        remedy="Stop it, or use another machine.",
    ),
    finding(
        "port-10250-taken",
        "Port-10250",
        "port 10250 is in use by <program> (process <number>), but kubelet.service needs it",
        "systemctl status <number>   shows what it belongs to; then stop it",
        why="The kubelet of another cluster runs on the machine.",
        injected="a unit on a lab machine that listens there",
        remedy="Remove the machine from that cluster first.",
    ),
    finding(
        "disk-full",
        "Disk",
        "<number> MB free under /usr/local, 700 MB needed",
        "free some space: df -h /usr/local",
        why="The programs need about 600 MB there; images and etcd's data need more under /var/lib.",
        injected="a small file system on /usr/local of a lab machine",
        remedy="Free some space, or mount a larger disk there.",
    ),
    finding(
        "read-only-file-system",
        "ReadOnly",
        "/usr/local cannot be written",
        "mount -o remount,rw $(findmnt -no TARGET -T /usr/local)",
        why="The file system is mounted read-only: on purpose, or by the kernel after a disk error.",
        injected="a read-only mount on /usr/local of a lab machine; the test runs the next command",
        remedy="Mount it read-write. If the kernel made it read-only, check the disk first.",
    ),
    finding(
        "machine-id-twice",
        "MachineId",
        "machine-id <id> is also used by <host>",
        "rm -f /etc/machine-id /var/lib/dbus/machine-id && systemd-machine-id-setup && reboot",
        why="The machines are clones of one image that has a machine-id of its own.",
        injected="the same /etc/machine-id on two lab machines",
        remedy="Give one of them a new machine-id. Clean the image: `truncate -s 0 /etc/machine-id`.",
    ),
    finding(
        "hostname-twice",
        "Hostname",
        "hostname <name> is also used by <host>",
        "hostnamectl set-hostname <host>",
        why="Two machines have the same name, so you cannot tell their logs and nodes apart.",
        injected="the same host name on two lab machines; the test runs the next command",
        remedy="Name each machine as the inventory does.",
    ),
    finding(
        "hostname-not-the-inventorys",
        "NodeName",
        "its hostname is <name>, but its kubelet has to register as <host>",
        "hostnamectl set-hostname <host>",
        why=(
            "A kubelet registers its node under the machine's hostname, and its certificate is valid only for the name"
            " in the inventory."
        ),
        injected="a fully qualified host name on a lab machine; the test runs the next command",
        remedy=(
            "Set the machine's hostname to the name in the inventory, or use its hostname as the name in the inventory."
        ),
    ),
    finding(
        "clock-skew",
        "ClockSkew",
        "its clock differs from the other hosts' by <seconds> s",
        "start a time service: timedatectl set-ntp true",
        why="On a machine with a wrong clock, certificates are not yet valid or already expired.",
        injected="a `date` on a lab machine that is an hour ahead, since machines of a lab share one clock",
        remedy="Start a time service on all hosts: systemd-timesyncd or chrony.",
    ),
    finding(
        "address-of-another-network",
        "Address",
        "<address> is not on any interface (found <addresses>)",
        "correct `address` in the inventory",
        why=(
            "SSH reaches the machine, but it does not have the address that the other hosts use: often the inventory"
            " has a NAT address."
        ),
        injected="an inventory with another address, and ~/.ssh/config leads SSH to the machine",
        remedy="Write the address in the network that the machines share.",
    ),
    finding(
        "leftover-etcd-data",
        "Occupied",
        "/var/lib/etcd holds data that hardway did not create",
        "if you do not need it, move it: mv /var/lib/etcd /var/lib/etcd.old",
        why="An etcd of another cluster has run here. The new etcd would read its members and keys.",
        injected="an etcd data folder on a lab machine; the test runs the next command",
        remedy="Move the folder. hardway never deletes it.",
    ),
    finding(
        "host-of-another-cluster",
        "Foreign",
        "belongs to cluster <name>",
        "reset the host with that cluster's inventory, or rename this cluster to <name>",
        why="hardway built another cluster on this machine.",
        injected="a lab machine that is marked as another cluster's",
        remedy="Run `hardway reset` with the other inventory, if you no longer need that cluster.",
    ),
    finding(
        "versions-too-far-apart",
        "VersionJump",
        "has Kubernetes <version>; upgrade to <version> one minor version at a time",
        "hardway upgrade <inventory> goes through every version between, and drains each worker",
        why="Each minor version reads only what the one before it wrote. Skipping one can lose objects.",
        injected="a lab machine of a cluster whose kubelet says that it is Kubernetes 1.18",
        remedy="Upgrade through every minor in between, which `hardway upgrade` does by itself.",
    ),
    finding(
        "etcd-patch-too-old",
        "VersionJump",
        "has etcd <version>; etcd <version> needs <version> or newer on every member before it",
        "hardway upgrade <inventory> goes through every version between, and drains each worker",
        why="Each minor version of etcd needs a certain patch of the one before. With an older one, data can be lost.",
        injected="a lab machine of a cluster whose etcd says that it is the first patch of the minor before",
        remedy="Upgrade to that patch first, and then to the next minor: `hardway upgrade` does both.",
    ),
    finding(
        "version-lowered",
        "Downgrade",
        "has containerd <version>, newer than <version>: a return to an older minor version is not possible",
        "set versions.containerd: <version> in the inventory; a downgrade can lose objects",
        why=(
            "A newer minor version of Kubernetes, etcd or containerd stores what an older one may be unable to read. A"
            " lower patch of the same minor is only a warning."
        ),
        injected="a lab machine of a cluster whose containerd says that it is version 9.0",
        remedy="Keep the version that runs, or restore a backup from the time before the upgrade.",
    ),
    finding(
        "network-of-a-living-cluster",
        "NetworkFixed",
        "network.service_cidr is <network> in the inventory, but this cluster was created with <network>: <why>",
        "write network.service_cidr: <network> in <inventory> again; another value takes a new cluster beside this one",
        why=(
            "The networks of pods and Services, the DNS domain and the issuer of tokens are in objects, certificates"
            " and running pods. They cannot change while the cluster lives."
        ),
        injected="an inventory with another network for Services, for a cluster that was created; nothing is changed",
        remedy="Write the old value again. For other networks build a second cluster and move your workloads.",
    ),
    finding(
        "host-moved-to-another-role",
        "Role",
        "has <units>, but the inventory no longer gives it the role <role>",
        "with the previous inventory: hardway reset <inventory> --limit <host>; then run this command again",
        why=(
            "The inventory was edited between two runs. hardway removes a load balancer from a host that is none any"
            " more, but no etcd member, API server or worker: data and pods depend on them."
        ),
        injected=(
            "an inventory in which two of three etcd hosts have become workers; hardway refuses it before anything is"
            " changed"
        ),
        remedy=(
            "Reset that host with the old inventory first, and remove it from etcd's members or from the nodes. Then"
            " use the new one."
        ),
    ),
    finding(
        "etcd-member-not-in-inventory",
        "EtcdMembers",
        "etcd has the member <name>, but the inventory does not name it",
        "hardway node remove <inventory> <name>   (with --gone if its machine is gone for good)",
        why=(
            "An etcd host was removed from the inventory. etcd itself still counts the member: with fewer healthy"
            " members than that count needs, the next restart loses quorum."
        ),
        injected="an inventory that names one of three etcd members; hardway refuses it before anything is changed",
        remedy="Run it: the member leaves etcd, then its host is reset.",
    ),
    finding(
        "etcd-members-moved-at-once",
        "EtcdAddress",
        "the inventory moves <number> of <number> etcd members at once; this one is at <url>",
        (
            "move one etcd member at a time: write <address> back as its address in <inventory> (if the machine has"
            " lost it: ip address add <address>), bootstrap, then move the next"
        ),
        why="The others must agree to the new address of a member, and for that most of them must stay where they are.",
        injected=(
            "an inventory with new addresses for all three etcd members; hardway refuses it before anything is changed"
        ),
        remedy="Move one host, run `bootstrap`, then move the next.",
    ),
    finding(
        "node-renamed",
        "Renamed",
        "this machine is the node <node> of the cluster, and a node cannot be renamed",
        (
            "name it <node> in the inventory, and: hostnamectl set-hostname <node>; or remove the node, then run this"
            " command again: hardway node drain <inventory> <node>; hardway reset <inventory> --limit <host>; hardway"
            " node remove <inventory> <node> --gone"
        ),
        why=(
            "A worker got another name, on the machine and in the inventory. Its kubelet would keep the old"
            " certificate, and the old Node would stay beside the new one."
        ),
        injected="another name for a worker of a running cluster, in the inventory and with hostnamectl",
        remedy="Give it its name back, or remove the node and add the machine as a new worker.",
    ),
    finding(
        "pod-block-changed",
        "PodBlock",
        "its pods have addresses of <block> (<who says so>), but the inventory gives it <block>",
        (
            "write `pod_cidr: <block>` for <host> in the inventory; or have it leave and join again: hardway node"
            " remove <inventory> <host>; then hardway node add <inventory> <host>"
        ),
        why=(
            "The worker's `pod_cidr` was edited; or none is written there, and its address changed, from which hardway"
            " derives the block of a name without a number."
        ),
        injected="another `pod_cidr` for a worker of a running cluster",
        remedy="Write down the block that the worker has. Pods keep their addresses, so a block changes with the node.",
    ),
    finding(
        "pod-block-of-a-former-node",
        "BlockTaken",
        "<block> is still the block of <node>, a node that is not in the inventory",
        "set another pod_cidr for <host>, or remove the node: hardway node remove <inventory> <node>",
        why="A worker was deleted from the inventory, but its Node exists, and its pods still have these addresses.",
        injected="a new worker with the block of one that was deleted from the inventory",
        remedy="Give the new worker another block, or remove the former node first.",
    ),
    finding(
        "next-hop-behind-a-router",
        "NextHop",
        "cannot route to the pods of <host> (<address>): the way there is through a router, <address>",
        "correct `address` in the inventory, or connect all hosts to one network without a router in it",
        why="Pods are routed, without a tunnel: each worker must be the next hop for all other hosts.",
        injected="a worker whose address is in a network that the other machine does not have",
        remedy=(
            "Use the addresses of a network that all machines share. Where each has a /32 address, it must reach the"
            " others directly: `ip route get` names no `via`."
        ),
    ),
    finding(
        "no-systemd",
        "Systemd",
        "PID 1 is <program>, not systemd",
        "use a distribution that runs systemd",
        why="Every component is a systemd unit, and most containers do not run systemd.",
        injected="an sshd in a PID namespace of its own on a lab machine",
        remedy="Use a virtual or physical machine, or a container that boots systemd.",
    ),
    Case(
        name="no-source-of-packages",
        sees="the packages conntrack, <others> cannot be installed  (host <host>, phase preflight)",
        evidence=("E: <what apt-get says>",),
        why="A worker lacks tools such as conntrack, and its package manager cannot reach a repository.",
        injected="a lab machine without conntrack, whose list of package sources is empty",
        exit_code=5,
        next="on <host>: apt-get update && apt-get install -y <packages>",
        remedy="Repair the machine's package sources, or install the packages in another way.",
    ),
    Case(
        name="disk-full-while-pushing",
        sees="files could not be written to the host  (host <host>, phase <phase>)",
        evidence=("No space left on device", "free on /usr/local: <number> MB", "<number> MB were to be written"),
        why="The disk filled up after preflight, or on a host that is already part of the cluster.",
        injected="a small file system on /usr/local of a lab machine on which a bootstrap had started",
        exit_code=5,
        next="free some space on <host>: df -h /usr/local; df -i /usr/local",
        remedy="Free some space. hardway has removed what it could not write completely.",
    ),
)
