"""Hosts that are not fit: most are found by preflight, which looks at all of them before it changes any."""

from ..case import Case

NOTHING_CHANGED = "finding(s) stand in the way  (phase preflight)"


def finding(name: str, number: str, text: str, next: str, **words: str) -> Case:
    """Something preflight finds, told by `number`: the word in its brackets."""
    evidence = (f"[ERROR {number}] <host>: {text}",)
    return Case(name=name, sees=f"<number> {NOTHING_CHANGED}", evidence=evidence, exit_code=5, next=next, **words)


CASES = (
    finding(
        "port-2379-taken",
        "Port-2379",
        "port 2379 is taken by <program> (process <number>), not by our etcd.service",
        "systemctl status <number>   tells what it belongs to; stop it there",
        why="Another etcd, or anything else, listens where etcd is to listen.",
        injected="a unit on a lab machine that listens there",
        remedy="Stop that program and keep it from starting again: `systemctl disable --now UNIT`.",
    ),
    finding(
        "port-6443-taken",
        "Port-6443",
        "port 6443 is taken by <program> (process <number>), not by our kube-apiserver.service",
        "systemctl status <number>   tells what it belongs to; stop it there",
        why="Another Kubernetes (k3s, kubeadm, minikube) runs on the machine.",
        injected="a unit on a lab machine that listens there",
        remedy="Stop it, or use another machine.",
    ),
    finding(
        "port-10250-taken",
        "Port-10250",
        "port 10250 is taken by <program> (process <number>), not by our kubelet.service",
        "systemctl status <number>   tells what it belongs to; stop it there",
        why="The kubelet of another cluster runs on the machine.",
        injected="a unit on a lab machine that listens there",
        remedy="Take the machine out of that cluster first.",
    ),
    finding(
        "disk-full",
        "Disk",
        "<number> MB free under /usr/local, 700 MB needed",
        "free some space: df -h /usr/local",
        why="The programs need about 600 MB there, images and etcd's data more under /var/lib.",
        injected="a small file system on /usr/local of a lab machine",
        remedy="Make room, or mount a larger disk there.",
    ),
    finding(
        "read-only-file-system",
        "ReadOnly",
        "/usr/local cannot be written",
        "mount -o remount,rw $(findmnt -no TARGET -T /usr/local)",
        why="The file system is mounted read-only: on purpose, or by the kernel after an error of the disk.",
        injected="a read-only mount on /usr/local of a lab machine; the next command is carried out",
        remedy="Mount it read-write. When the kernel did it, check the disk first.",
    ),
    finding(
        "machine-id-twice",
        "MachineId",
        "machine-id <id> is also that of <host>",
        "rm -f /etc/machine-id /var/lib/dbus/machine-id && systemd-machine-id-setup && reboot",
        why="The machines are clones of one image, which was not cleaned before.",
        injected="the same /etc/machine-id on two lab machines",
        remedy="Give one of them a new machine-id. Clean the image: `truncate -s 0 /etc/machine-id`.",
    ),
    finding(
        "hostname-twice",
        "Hostname",
        "hostname <name> is also that of <host>",
        "hostnamectl set-hostname <host>",
        why="Two machines have the same name, so their logs and nodes cannot be told apart.",
        injected="the same host name on two lab machines; the next command is carried out",
        remedy="Name each machine as the inventory does.",
    ),
    finding(
        "clock-skew",
        "ClockSkew",
        "its clock is <seconds> s from the other hosts'",
        "start a time service: timedatectl set-ntp true",
        why="Certificates are not yet valid, or no longer, for a machine whose clock is off.",
        injected="a `date` on a lab machine that is an hour ahead, since machines of a lab share one clock",
        remedy="Start a time service on all hosts: systemd-timesyncd or chrony.",
    ),
    finding(
        "address-of-another-network",
        "Address",
        "<address> is not on any interface (found <addresses>)",
        "correct `address` in the inventory",
        why="We are on that machine, but it does not have the address the other hosts would use: often a NAT address is in the way.",
        injected="an inventory with another address, and SSH led to the machine by ~/.ssh/config",
        remedy="Write the address of the network the machines share.",
    ),
    finding(
        "leftover-etcd-data",
        "Occupied",
        "/var/lib/etcd holds data that is not ours",
        "if nobody needs it, move it away: mv /var/lib/etcd /var/lib/etcd.old",
        why="An etcd of another cluster has run here. Its members and keys would be taken for ours.",
        injected="an etcd data folder on a lab machine; the next command is carried out",
        remedy="Move the folder away. It is never deleted for you.",
    ),
    finding(
        "host-of-another-cluster",
        "Foreign",
        "belongs to cluster <name>",
        "reset it with that cluster's inventory, or name this cluster <name>",
        why="hardway built another cluster on this machine.",
        injected="a lab machine that bears another cluster's mark",
        remedy="`hardway reset` with the other inventory, if that cluster is no longer wanted.",
    ),
    finding(
        "host-moved-to-another-role",
        "Role",
        "runs <units>, and the inventory does not give it the role <role> any more",
        "with the inventory as it was: hardway reset <inventory> --limit <host>; then this again",
        why="The inventory was edited between two runs. No phase takes away what a host does in a role that it has lost.",
        injected="an inventory in which two of three etcd hosts have become workers; it is refused before anything is changed",
        remedy="Reset that host with the old inventory first, and remove it from etcd's members or from the nodes. Then use the new one.",
    ),
    finding(
        "no-systemd",
        "Systemd",
        "PID 1 is <program>, not systemd",
        "use a distribution that runs systemd",
        why="Every component is a systemd unit; in most containers there is no systemd.",
        injected="an sshd in a PID namespace of its own on a lab machine",
        remedy="Use a virtual or real machine, or a container that boots systemd.",
    ),
    Case(
        name="no-source-of-packages",
        sees="the packages conntrack, <others> cannot be installed  (host <host>, phase preflight)",
        evidence=("E: <what apt-get says>",),
        why="A worker lacks tools such as conntrack, and its package manager cannot reach a repository.",
        injected="a lab machine without conntrack, whose list of package sources is empty",
        exit_code=5,
        next="on <host>: apt-get update && apt-get install -y <packages>",
        remedy="Mend the machine's package sources, or install the packages in another way.",
    ),
    Case(
        name="disk-full-while-pushing",
        sees="content could not be written to the host  (host <host>, phase <phase>)",
        evidence=("No space left on device", "free on /usr/local: <number> MB", "<number> MB were to be written"),
        why="The disk filled up after preflight, or on a host that hardway knows already.",
        injected="a small file system on /usr/local of a lab machine on which a bootstrap had begun",
        exit_code=5,
        next="free some space on <host>: df -h /usr/local; df -i /usr/local",
        remedy="Make room. What was written in vain has been removed again.",
    ),
)
