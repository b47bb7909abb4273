"""Failures of a running cluster: `hardway doctor` names the cause, `hardway bootstrap` repairs nearly all of them."""

from ..case import Case
from .hosts import finding

BOOTSTRAP = "hardway bootstrap <inventory>"

CASES = (
    Case(
        name="expired-certificate",
        sees="[certificate] <host>: the certificate apiserver of <host>: expired on <date>",
        evidence=(
            "<host>: <address> serves another certificate than apiserver in the state directory: expired on <date>",
        ),
        why=(
            "`bootstrap` renews a certificate in the last tenth of its life, but was not run. Clients now reject the"
            " certificate."
        ),
        injected=(
            "a certificate of the cluster's own CA with dates in the past, in the state directory and on the host"
        ),
        exit_code=7,
        next=BOOTSTRAP,
        remedy=(
            "Run it: hardway issues the certificate again, even while the API is down. Its program reads it without a"
            " restart."
        ),
    ),
    Case(
        name="argument-refused",
        sees=(
            "<program> refuses --<flag>, which the inventory sets under extra_args.<program>.<flag>  (host <host>,"
            " phase <phase>)"
        ),
        evidence=("<unit> exited and was restarted <number> times in <number> s", "unknown flag: --<flag>"),
        why="The program does not know a flag in `extra_args` and exits, and systemd keeps restarting it.",
        injected="an unknown flag under `extra_args`; `bootstrap` stops as soon as the program has reported it twice",
        exit_code=6,
        next="correct or remove extra_args.<program>.<flag> in <inventory>, then: hardway bootstrap <inventory>",
        remedy="`kube-apiserver --help` on the host lists the flags of this version.",
    ),
    Case(
        name="reserved-more-than-there-is",
        sees="preflight failed: 1 error  (phase preflight)",
        evidence=("[ERROR Reserved] <host>: <number>m of cpu are kept from pods, but it has <number>m",),
        why="`reserved` keeps more from pods than the machine has, and a kubelet does not start with that.",
        injected="`cpu: 1000` under `hosts[].reserved` of a worker of a running cluster",
        exit_code=5,
        next="write less cpu under kubelet.reserved or hosts[].reserved, or use a larger machine",
        remedy="Write less. `kubectl describe node` shows what the machine has (Capacity).",
    ),
    Case(
        name="reserved-more-than-pods-leave",
        sees="preflight failed: 1 error  (phase preflight)",
        evidence=(
            "[ERROR Requested] <host>: its pods request <number>m of cpu, and <number>m would be left: its kubelet"
            " would reject those that do not fit",
        ),
        why="The kubelet restarts with a larger `reserved`, and lets only those pods in again that fit into the rest.",
        injected="a pod on a worker of a running cluster, and a `reserved` that leaves less than it requests",
        exit_code=5,
        next=(
            "write less cpu under kubelet.reserved or hosts[].reserved, or move its pods away first: hardway node drain"
            " <inventory> <host>; this command again; hardway node uncordon <inventory> <host>"
        ),
        remedy=(
            "Drain the worker first, if the others have room for its pods, or keep less. With `--ignore Requested=HOST`"
            " the pods that do not fit are rejected, and their controllers start others."
        ),
    ),
    Case(
        name="flag-that-stays",
        sees="preflight failed: 1 error  (phase preflight)",
        evidence=(
            "[ERROR FixedFlag] <host>: kube-apiserver runs with no --etcd-prefix, the inventory asks for"
            " --etcd-prefix=<value>: the API server would find none of the cluster's objects",
        ),
        why=(
            "An edit of `extra_args` or `override_args` changes a flag by which a program finds what it stored. With"
            " another value the cluster would seem to be empty."
        ),
        injected="`etcd-prefix` under `extra_args` on a running cluster; its objects are still there afterwards",
        exit_code=5,
        next=("undo the change of --etcd-prefix in extra_args.kube-apiserver: it stays as long as the cluster lives"),
        remedy="Undo the edit. [What you may change on a living cluster](changes.md) lists the flags that stay.",
    ),
    Case(
        name="api-port-moves",
        sees="preflight failed: <number> error…  (phase preflight)",
        evidence=(
            "[ERROR ApiPort] <host>: its API server listens on port 6443 and would have to move to 6444, as all of"
            " them: HAProxy would lose those that have not moved",
        ),
        why=(
            "HAProxy and the API servers cannot share a port. When HAProxy comes to a control-plane host, the API"
            " servers would have to move to another port, one after the other, and HAProxy knows only one."
        ),
        injected="the role `lb` moved to the control-plane host of a running cluster",
        exit_code=5,
        next="HAProxy on <host> needs port 6443: give the role lb to another host, or set api.port to 443",
        remedy="Leave the role where it is, or follow the next command.",
    ),
    Case(
        name="encryption-key-unknown",
        sees=(
            "[ERROR EncryptionKey] <host>: /etc/kubernetes/encryption-config.yaml has <key>, which is not in"
            " <directory>"
        ),
        why=(
            "The key of Secrets was rotated by hand. With the configuration that `bootstrap` writes, the API server"
            " could not read what was stored with that key."
        ),
        injected="another name for the key in the file of a control-plane host; nothing is overwritten",
        exit_code=5,
        next="return to the keys of hardway first: docs/operating.md, A key that hardway did not create",
        remedy="[Operating](operating.md#a-key-that-hardway-did-not-create) says how, without losing a Secret.",
    ),
    Case(
        name="encryption-key-away",
        sees=(
            "[ERROR EncryptionKey] <host>: the encryption key <file> is missing: without it the cluster's Secrets"
            " cannot be read"
        ),
        why="The key of Secrets is no longer in the state directory. A new one could not read what is stored.",
        injected="the key moved out of the state directory",
        exit_code=5,
        next="restore it from a backup, or from /etc/kubernetes/encryption-config.yaml on a control-plane host",
        remedy="Put the key back. The file on a control-plane host has it after `secret:`.",
    ),
    Case(
        name="encryption-key-retired",
        sees=(
            "[ERROR EncryptionRetired] <host>: writes Secrets with <key>, which is retired since <moment>: others"
            " cannot read them"
        ),
        why=(
            "The machine was put back to an image from before a rotation of the encryption key. The other API servers"
            " do not have that key any more."
        ),
        injected="the configuration from before a rotation put back on a host, and kube-apiserver restarted",
        exit_code=5,
        next="hardway encryption rotate <inventory>   lets all read with that key and writes them again",
        remedy="Follow the next command: every Secret is then under the newest key, and the old one is retired again.",
    ),
    Case(
        name="encryption-secret-refused",
        sees="the API refused to write <number> of the Secrets again",
        evidence=("/api/v1/namespaces/<namespace>/secrets/<name>: <code> <reason>",),
        why=(
            "`hardway encryption rotate` has every Secret stored again without a change. Something in the cluster, such"
            " as an admission policy or a webhook, refuses that. The old key stays in use."
        ),
        injected="an admission policy that refuses every update of one Secret",
        exit_code=5,
        next="correct or delete them, or the webhook that refuses; then: hardway encryption rotate <inventory>",
        remedy="Remove what refuses it, then rotate again: it continues.",
    ),
    Case(
        name="encryption-secret-unreadable",
        sees="<number> Secret… in etcd cannot be read: the state directory does not have their key  (host etcd)",
        evidence=("/registry/secrets/<namespace>/<name>: <key>",),
        why=(
            "etcd has a Secret under a key that is not in the state directory. API servers answer every list of Secrets"
            " that contains it with an error."
        ),
        injected="a value with the name of a key that nobody has, written to etcd",
        exit_code=9,
        next="restore the key from a backup of <directory>; docs/operating.md, A Secret that nobody can read",
        remedy=(
            "[Operating](operating.md#a-secret-that-nobody-can-read) says how to remove a Secret whose key is lost."
            " Nothing has been changed."
        ),
    ),
    Case(
        name="image-missing",
        sees="[image-missing] <node>: the image <image> is not on <node> and cannot be pulled (<reason>)",
        evidence=("kube-system/<pod>: <reason> <image>: <what the registry or the network said>",),
        why="The image was removed from the node, or was never copied there, and the node cannot reach a registry.",
        injected=(
            "CoreDNS's image and pods removed on a lab machine without internet, in an inventory that says `images:"
            " pull`"
        ),
        exit_code=7,
        next=(
            "give <node> access to the image's registry, or write `assets: {images: push}` in <inventory>, then:"
            " hardway bootstrap <inventory>"
        ),
        remedy="With `images: push` hardway copies the images to the nodes itself.",
    ),
    Case(
        name="dns-out-of-date",
        sees=(
            "[dns-current] <pod> resolves <name> to nothing (the name server returns error code 3) instead of <address>"
        ),
        why="The network between CoreDNS and the API broke for some seconds, and its watch did not survive it.",
        injected="a CoreDNS that is cut off from the API server, and a Service created after that",
        exit_code=7,
        next="kubectl -n kube-system rollout restart deployment coredns",
        remedy="Restart CoreDNS. Without a restart it reconnects within ten minutes.",
    ),
    Case(
        name="dns-address-taken",
        sees="the address <address>, which every kubelet gives to its pods, belongs to services <namespace>/<name>",
        why=(
            "A Service was created with the name server's address, the tenth of `network.service_cidr`, while it was"
            " free."
        ),
        injected="the Service kube-dns deleted, and another created with its address",
        exit_code=5,
        next="recreate it with another clusterIP: kubectl -n <namespace> get services <name> -o yaml",
        remedy="Delete that Service and create it without `clusterIP`, then run `hardway bootstrap <inventory>` again.",
    ),
    Case(
        name="node-not-in-the-inventory",
        sees=(
            "[nodes-known] <node> (<address>, pods <block>) is a node, but not in the inventory: hardway node remove"
            " <inventory> <node>"
        ),
        why="A worker was deleted from the inventory. Its kubelet and its pods run on, so hardway keeps its routes.",
        injected="a worker of a running cluster that is deleted from the inventory, and a bootstrap",
        exit_code=7,
        next="put the worker back into the inventory, or: hardway node remove <inventory> NAME",
        remedy="Run the command: it drains the node, resets the machine and removes the routes.",
    ),
    Case(
        name="load-balancer-down",
        sees="[unit-haproxy] <host>: haproxy.service is stopped and disabled",
        evidence=("[api-address] <worker>: <address> cannot be reached from <worker>: nothing answers there",),
        why="All clients connect through the load balancer: the API servers are healthy, but no client reaches them.",
        injected="HAProxy stopped and disabled",
        exit_code=7,
        next=BOOTSTRAP,
        remedy="Run it: hardway enables and starts the unit.",
    ),
    Case(
        name="boot-that-hangs",
        sees="[systemd-waits] <host>: systemd waits for <unit> (start running for <seconds> s) before it starts…",
        evidence=("in systemd's queue: <units>",),
        why=(
            "The machine was rebooted, and its boot waits for something, often for a network that is not complete."
            " hardway's units come after it. Nobody has stopped them."
        ),
        injected="a unit on a lab machine that delays network-online.target, and a reboot",
        exit_code=7,
        next="on <host>: systemctl list-jobs; systemctl status <unit>",
        remedy="Repair what the boot waits for. `bootstrap` waits up to four minutes for a unit, then says the same.",
    ),
    Case(
        name="unit-masked",
        sees="[unit-haproxy] <host>: haproxy.service is stopped and masked",
        why="The unit is masked, so systemd cannot start it.",
        injected="HAProxy masked and stopped",
        exit_code=7,
        next=BOOTSTRAP,
        remedy="Run it: hardway unmasks, enables and starts the unit.",
    ),
    Case(
        name="name-not-in-certificate",
        sees="[certificate] <host>: the certificate apiserver of <host>: SAN adds <name>",
        why=(
            "Clients use a name or address that is not in the API server's certificate, and report `x509: certificate"
            " is valid for …`."
        ),
        injected="kubectl connects to the API by another name and fails; then that name under `api.extra_sans`",
        exit_code=7,
        next=BOOTSTRAP,
        remedy="Write the name under `api.extra_sans` and run it: hardway issues this one certificate again.",
    ),
    Case(
        name="authority-key-away",
        sees=(
            "[ERROR CaKey] <host>: signs certificate requests with /etc/kubernetes/pki/ca.key, but the key is not in"
            " the state directory (<file>)"
        ),
        why=(
            "The CA's key is missing on your computer. Without it, no certificate can be issued, and bootstrap would"
            " take it from the hosts too."
        ),
        injected="the CA's key moved out of the state directory, and a new name under `api.extra_sans`",
        exit_code=5,
        next="copy it from <host> to <file>, mode 0600; …",
        remedy="Put the key back, for this run or for good.",
    ),
    finding(
        "ca-replaced-elsewhere",
        "CaReplaced",
        "<file> lists another one for etcd than <directory> ever had: it was replaced with another copy of that"
        " directory",
        "use the copy with which it was replaced; …",
        why=(
            "Another person, or you on another computer, ran `hardway certs rotate-ca` with another copy of the state"
            " directory. Yours is out of date: with its CA, components would refuse each other."
        ),
        injected="a CA replaced with a copy of the state directory, then a bootstrap with the original",
        remedy="Use that copy from now on. Delete the old one.",
    ),
    Case(
        name="renewal-beside-an-edit",
        sees="nothing was changed: <number> differences between hosts and inventory besides certificates",
        evidence=("<host>: file /var/lib/kubelet/config.yaml: content",),
        why=(
            "A renewal and a rotation change certificates and nothing else, but a host differs from the inventory in"
            " something else too."
        ),
        injected="`kubelet.max_pods` edited, then `certs renew` and `certs rotate-ca`",
        exit_code=7,
        next="first: hardway bootstrap <inventory>; hardway plan <inventory>   shows all of them",
        remedy="Run `bootstrap`, or take the edit back. Then run the same command again.",
    ),
    Case(
        name="swap-returns",
        sees="[swap-off] <worker>: swap off: fstab <device>",
        why="Swap was added again. It is on after the next boot, and then the kubelet does not start.",
        injected="a line for a swap file in /etc/fstab of a worker; the machine is rebooted after the remedy",
        exit_code=7,
        next="hardway bootstrap <inventory> --only prepare",
        remedy="Run it: hardway comments out the line, so swap stays off after a reboot.",
    ),
    Case(
        name="etcd-member-down",
        sees="[unit-etcd] <host>: etcd.service is stopped",
        evidence=("[etcd-member] <host>: the etcd member is unhealthy: <reason>",),
        why="One of three members is down. Everything still works, but the next failure stops the cluster.",
        injected="etcd stopped on one of three machines; the API keeps running",
        exit_code=7,
        next=BOOTSTRAP,
        remedy="Run it: hardway starts the unit.",
    ),
    Case(
        name="etcd-quorum-lost",
        sees="[etcd-quorum] etcd has no quorum: <number> of <number> members are healthy, <number> are needed",
        evidence=("[api-down] no API server is ready",),
        why="More than half of the members are down. Nothing can be written, and the API servers are not ready.",
        injected="etcd stopped on two of three machines",
        exit_code=7,
        next=BOOTSTRAP,
        remedy=(
            "Repair members until there is a quorum. Where their units are only stopped, `bootstrap` starts them."
            " kube-proxy and CoreDNS may need one more minute to see new Services."
        ),
    ),
    Case(
        name="etcd-full",
        sees="[etcd-alarm] etcd has raised the alarm NOSPACE: it refuses every write",
        evidence=("<host>: <number> MB of <number> MB",),
        why=(
            "etcd keeps old versions until they are compacted. At its quota it raises the alarm NOSPACE and refuses"
            " writes. The alarm stays when there is room again, until you clear it."
        ),
        injected="a quota of a few megabytes, filled through the API; the test runs the next command",
        exit_code=7,
        next=(
            "free space: hardway etcd defrag <inventory> --compact; then clear the alarm: hardway etcd disarm"
            " <inventory>; if the data…"
        ),
        remedy=(
            "`hardway etcd defrag INV --compact` forgets old versions and makes the files smaller, `hardway etcd disarm"
            " INV` clears the alarm when there is room. If you need the data, raise `quota-backend-bytes` first:"
            " `hardway bootstrap INV --until etcd`."
        ),
    ),
    Case(
        name="disk-fills-up",
        sees="[disk-full] <host>: the disk of <folder>: <number>% used, <number> MB free",
        why="Logs, images or data have filled the file system. etcd stops, pods are evicted, no image can be pulled.",
        injected="a small file system on /var/log of a lab machine, filled",
        exit_code=7,
        next="on <host>: df -h <folder>; du -xh --max-depth=2 <folder> | sort -h | tail",
        remedy="Remove what is not needed, or make the disk larger.",
    ),
)
