"""What others left on a host: preflight finds it before it bites, and on a running cluster all commands show it."""

from ..case import Case
from .hosts import finding

CASES = (
    finding(
        "unit-changed-by-others",
        "DropIn",
        "<path> changes <unit>: it sets <settings>",
        "if you do not need it: mv <path> <path>.off && systemctl daemon-reload",
        why=(
            "A file in a unit's `.d` folder, left by kubeadm or an earlier installation, changes the program, its"
            " flags, its environment or its user. The unit would run with foreign settings and look healthy."
        ),
        injected="kubeadm's 10-kubeadm.conf on a lab machine, bare and built; the test runs the next command",
        remedy="Move the file away. For flags of your own use `extra_args` in the inventory.",
    ),
    finding(
        "pod-network-of-others",
        "PodNetwork",
        "<path> comes before 10-bridge.conflist, so pods get the network it describes",
        "mv <path> <path>.off",
        why="containerd takes the first file of /etc/cni/net.d. Pods would get addresses that no route leads to.",
        injected="another CNI configuration on a lab machine; the test runs the next command",
        remedy="Move the file away.",
    ),
    finding(
        "static-pod-of-others",
        "StaticPod",
        "the kubelet would run what <files> in /etc/kubernetes/manifests describe…",
        "if you do not need it: mkdir -p /etc/kubernetes/manifests.off && mv <paths> /etc/kubernetes/manifests.off",
        why="The kubelet runs every pod that it finds there, in the host's own network: often an old control plane.",
        injected="a manifest of kubeadm's on a lab machine; the test runs the next command",
        remedy="Move the manifests away.",
    ),
    finding(
        "bridge-of-others",
        "Bridge",
        "interface cni0 has <address>, but the bridge of the pods here needs <address>",
        "ip link delete cni0",
        why="Another pod network left its bridge. No pod starts: cni0 already has another IP address.",
        injected="a bridge cni0 with another address on a lab machine; the test runs the next command",
        remedy="Delete the bridge; hardway's pods create their own.",
    ),
    finding(
        "no-resolver",
        "Resolver",
        "/etc/resolv.conf is a link to <path>, which does not exist",
        "write /etc/resolv.conf with a line: nameserver ADDRESS   (or start the service that writes it)",
        why="The kubelet copies the file into every pod. Without it, no pod starts.",
        injected="a dangling link on a lab machine",
        remedy="Start systemd-resolved, or write the file.",
    ),
    finding(
        "programs-cannot-run",
        "NoExec",
        "<path> is mounted noexec, so no program in <folder> can run",
        "mount -o remount,exec <path>; and take noexec out of its line in /etc/fstab",
        why="Some hardening guides mount /usr/local or /var noexec. Programs are pushed and then cannot start.",
        injected="a file system on /usr/local of a lab machine; the test runs the next command",
        remedy="Mount it without noexec.",
    ),
    finding(
        "small-file-system-of-its-own",
        "Disk",
        "<number> MB free under /var/lib/containerd, <number> MB needed",
        "free some space, or give it a larger file system: df -h /var/lib/containerd",
        why="/var/lib/containerd is a file system of its own, and too small for the images that every node needs.",
        injected="a small file system there on a lab machine",
        remedy="Enlarge it, or unmount it.",
    ),
    finding(
        "forwarding-forbidden",
        "Forwarding",
        "its sshd forbids forwarding, through which hardway asks etcd and the API",
        "set AllowTcpForwarding local in /etc/ssh/sshd_config there, then: systemctl reload ssh…",
        why="A hardened sshd has `AllowTcpForwarding no`. hardway reaches etcd and the API through SSH.",
        injected="that setting on a lab machine, bare and built",
        remedy="Allow it for hardway's user, in a `Match` block if you like.",
    ),
    finding(
        "port-behind-a-firewall",
        "Ports",
        "port 10250 cannot be reached from <hosts> (<how>): a firewall?",
        "on <host>: iptables -S INPUT; nft list ruleset   show what forbids it; to allow it…: <command>",
        why=(
            "A firewall on the host, or between the hosts, lets SSH through and drops the rest. The host itself answers"
            " on all its ports, so hardway asks from where each connection is needed."
        ),
        injected="a rule that drops the kubelet's port on a lab machine, bare and built",
        remedy="Let the hosts reach each other: all ports among them, or those that the message names.",
    ),
    finding(
        "api-name-unknown",
        "ApiName",
        "does not know the API's name <name>",
        "add it to your DNS, or on <host>, a line in /etc/hosts: <address> <name>",
        why="`api.address` is a name, and the host cannot resolve it. Its kubelet would find no API.",
        injected="such a name in a lab's inventory; the test runs the next command",
        remedy="Add the name to your DNS, or to /etc/hosts of every host.",
    ),
    Case(
        name="package-half-installed",
        sees="the packages <names> cannot be installed: <package> is only half installed  (host <host>, phase …)",
        why=(
            "dpkg could not bring another package to its end, and refuses to install others before. Preflight shows a"
            " warning."
        ),
        injected="a package on a lab machine whose script fails; the test runs the next command",
        exit_code=5,
        next="on <host>: dpkg --configure -a; if that fails: apt-get remove <package>…",
        remedy="Repair that package, or remove it.",
    ),
    Case(
        name="unit-does-not-keep-running",
        sees="<unit> does not keep running: systemd restarted it <number> times  (host <host>)",
        evidence=("waited <seconds> s for: <unit> to run for 10 s",),
        why=(
            "A program of hardway's ends again and again. Its Node stays Ready for 40 s after that, so at the end of a"
            " run hardway asks the process itself."
        ),
        injected="a file that makes the kubelet of a lab cluster crash, and `--ignore DropIn`",
        exit_code=6,
        next="on <host>: systemctl cat <unit>; journalctl -b -u <unit> -n 50",
        remedy="Read its journal, and undo what changed it.",
    ),
)
