"""At least one edit of an inventory for every row of the table of changes, and what happened to the machines before."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fakes.memory_pods import pod
from fakes.world import World

Data = dict[str, Any]
Writing = Callable[[Data], object]


@dataclass(frozen=True)
class Edit:
    """`change` edits the inventory of a cluster that lives. It was founded by the shipped inventory `base` as `founded`
    edits it; `machines` is what somebody has done to the machines since."""

    change: Writing
    base: str = "lab"
    founded: Writing = lambda data: None
    machines: Callable[[World], object] = lambda world: None

    def inventories(self, shipped: Data) -> tuple[Data, Data]:
        """The inventory before and after the edit."""
        before = copy.deepcopy(shipped)
        self.founded(before)
        after = copy.deepcopy(before)
        self.change(after)
        return before, after


def host(data: Data, name: str) -> Data:
    return next(one for one in data["hosts"] if one["name"] == name)


def put(path: str, value: Any) -> Writing:
    """Write a key, by its path as the table has it; `hosts[NAME].key` is one host's."""

    def written(data: Data) -> None:
        first, _, rest = path.partition("].")
        node = host(data, first.removeprefix("hosts[")) if rest else data
        *above, last = (rest or first).split(".")
        for key in above:
            node = node.setdefault(key, {})
        node[last] = value

    return written


def drop(path: str) -> Writing:
    """Remove a key of a host or of a section."""

    def dropped(data: Data) -> None:
        first, _, rest = path.partition("].")
        node = host(data, first.removeprefix("hosts[")) if rest else data[path.partition(".")[0]]
        node.pop(rest or path.partition(".")[2])

    return dropped


def all_of(*writings: Writing) -> Writing:
    return lambda data: [one(data) for one in writings]


def added(name: str, address: str, *roles: str) -> Writing:
    return lambda data: data["hosts"].append({"name": name, "address": address, "roles": list(roles)})


def removed(*names: str) -> Writing:
    return lambda data: [data["hosts"].remove(host(data, name)) for name in names]


def renamed(base: str, old: str, new: str) -> Edit:
    """On the machine too: `hostnamectl set-hostname`."""
    return Edit(
        lambda data: host(data, old).update(name=new),
        base,
        machines=lambda world: world.hosts.update({new: world.hosts.pop(old)}),
    )


def rebuilt(world: World) -> None:
    """Other builds of the same versions."""
    world.assets.version = "2"


FILE = "a file"  # test_edits puts it beside the inventory
SSH: Mapping[str, Any] = {
    "user": "admin",
    "port": 2222,
    "key": FILE,
    "agent": False,
    "config": FILE,
    "known_hosts": FILE,
    "host_keys": "accept-new",
    "sudo": "password",
    "connect_timeout": 5,
    "compress": "always",
}
BASTION: Mapping[str, Any] = {"address": "other.example.org", "user": "jump", "port": 2222, "key": FILE}
# A flag that each unit does not set by itself, and one that it does.
EXTRA: Mapping[str, Data] = {
    "kube-apiserver": {"max-requests-inflight": 800},
    "kube-controller-manager": {"node-monitor-grace-period": "50s"},
    "kube-scheduler": {"kube-api-qps": 100},
    "kubelet": {"max-open-files": 2000000},
    "kube-proxy": {"iptables-sync-period": "20s"},
    "etcd": {"quota-backend-bytes": 4294967296},
    "containerd": {"log-level": "debug"},
}
OVERRIDE: Mapping[str, Data] = {
    "kube-apiserver": {"event-ttl": "2h"},
    "kube-controller-manager": {"kube-api-qps": 300},
    "kube-scheduler": {"v": 4},
    "kubelet": {"v": 4},
    "kube-proxy": {"v": 4},
    "etcd": {"listen-metrics-urls": "http://127.0.0.1:2381,http://[::1]:2381"},
    "containerd": {"config": "/etc/containerd/own.toml"},
}


Edits = dict[tuple[str, str], list[Edit]]


def reaching(section: str) -> Edits:
    """Keys of ssh: the common ones, or a host's own."""
    where = section.replace("[]", "[worker-0]")
    jump = put(f"{where}.bastion.address", "bastion.example.org")
    found = {(f"{section}.{key}", ""): [Edit(put(f"{where}.{key}", value))] for key, value in SSH.items()}
    found[f"{section}.bastion.address", ""] = [Edit(jump)]
    for key, value in BASTION.items():
        edit = Edit(put(f"{where}.bastion.{key}", value), founded=jump)
        found.setdefault((f"{section}.bastion.{key}", ""), []).append(edit)
    return found


def flags(section: str, values: Mapping[str, Data]) -> Edits:
    """A flag that comes, and the same flag that goes."""
    return {
        (f"{section}.{name}", ""): [
            Edit(put(f"{section}.{name}", given)),
            Edit(lambda data: data.pop(section), founded=put(f"{section}.{name}", given)),
        ]
        for name, given in values.items()
    }


def requesting(resource: str, much: str) -> Callable[[World], object]:
    """A pod on worker-0 that requests so much of a resource."""

    def placed(world: World) -> None:
        spec = pod(world.objects, "worker-0", "large")["spec"]
        spec["containers"] = [{"resources": {"requests": {resource: much}}}]

    return placed


# Of a worker in memory (2 processors, 8Gi, 20Gi): what a pod requests, all that it leaves, and more than that.
ROOM = {"cpu": ("500m", 1.5, "1501m"), "memory": ("4Gi", "4096Mi", "5Gi"), "ephemeral-storage": ("5Gi", "15Gi", "16Gi")}


def reserving(section: str) -> Edits:
    """What is kept from pods comes, gets less, goes, or is all or more than what they leave."""
    key = section.replace("[]", "[worker-0]")
    found: Edits = {(f"{section}.pid", ""): [Edit(put(f"{key}.pid", 1000)), Edit(put(f"{key}.pid", "1k"))]}
    for resource, (half, rest, beyond) in ROOM.items():
        keep, place = f"{key}.{resource}", requesting(resource, half)
        found[f"{section}.{resource}", "less, or as much as the pods there leave"] = [
            Edit(put(keep, half)),
            Edit(put(keep, half), founded=put(keep, beyond), machines=requesting(resource, beyond)),
            Edit(put(keep, 0), founded=put(keep, beyond)),
            Edit(put(keep, rest), machines=place),
        ]
        found[f"{section}.{resource}", "more than the pods there leave"] = [
            Edit(put(keep, beyond), machines=place),
            Edit(put(keep, beyond), founded=put(keep, half), machines=place),
        ]
    return found


def roles(name: str, *names: str) -> Writing:
    return put(f"hosts[{name}].roles", list(names))


# HAProxy on the control-plane hosts: the API servers stand aside, on 6444.
SHARED = all_of(
    removed("lb"),
    put("api.vip", "10.240.0.5"),
    *(roles(f"controller-{i}", "lb", "etcd", "control-plane") for i in range(3)),
)
WORKING = all_of(
    roles("controller-0", "etcd", "control-plane", "worker"), put("hosts[controller-0].pod_cidr", "10.200.9.0/24")
)
PORT_WOULD_CHANGE = "lb given to a control-plane host, or taken from it, and the API servers' port would change"
LETTERS = added("alpha", "10.240.0.31", "worker")

EDITS: Edits = {
    ("cluster", ""): [Edit(put("cluster", "other"))],
    ("kubernetes", "another patch"): [Edit(put("kubernetes", "1.37.3")), Edit(put("kubernetes", "1.37.1"))],
    ("kubernetes", "the next minor"): [Edit(put("kubernetes", "1.37.2"), founded=put("kubernetes", "1.36.3"))],
    ("kubernetes", "two minors or more"): [Edit(put("kubernetes", "1.37.2"), founded=put("kubernetes", "1.34.4"))],
    ("kubernetes", "a lower minor"): [Edit(put("kubernetes", "1.36.3"))],
    ("versions.etcd", "a newer one"): [Edit(put("versions.etcd", "3.7.4"))],
    ("versions.etcd", "a lower minor"): [
        Edit(
            put("versions.etcd", "3.6.16"),
            founded=all_of(put("kubernetes", "1.36.3"), put("versions.etcd", "3.7.3")),
        )
    ],
    ("versions.containerd", "a newer one"): [Edit(put("versions.containerd", "2.4.3"))],
    ("versions.containerd", "a lower minor"): [Edit(put("versions.containerd", "2.3.7"))],
    ("versions.runc", ""): [Edit(put("versions.runc", "1.5.4"))],
    ("versions.cni_plugins", ""): [Edit(put("versions.cni_plugins", "1.10.1"))],
    ("versions.crictl", ""): [Edit(put("versions.crictl", "1.36.0"))],
    ("versions.coredns", ""): [Edit(put("versions.coredns", "1.15.1"))],
    ("versions.pause", ""): [Edit(put("versions.pause", "3.10.3"))],
    ("network.pod_cidr", ""): [
        Edit(put("network.pod_cidr", "10.208.0.0/16")),
        Edit(put("network.pod_cidr", "10.200.0.0/15")),
    ],
    ("network.node_prefix", ""): [Edit(put("network.node_prefix", 25))],
    ("network.service_cidr", ""): [Edit(put("network.service_cidr", "10.40.0.0/24"))],
    ("network.domain", ""): [Edit(put("network.domain", "example.local"))],
    ("network.node_cidr", ""): [Edit(put("network.node_cidr", "10.240.0.0/23"))],
    ("network.node_ports", ""): [Edit(put("network.node_ports", "31000-32000"))],
    ("api.address", ""): [Edit(put("api.address", "api.example.org"))],
    ("api.port", "where HAProxy runs beside no API server"): [
        Edit(put("api.port", 443)),
        Edit(put("api.port", 443), "ha"),
    ],
    ("api.port", "to or from 6443, where HAProxy shares a control-plane host"): [
        Edit(put("api.port", 443), founded=SHARED),
        Edit(put("api.port", 6443), founded=all_of(SHARED, put("api.port", 443))),
    ],
    ("api.server_port", "the port they have, written down"): [
        Edit(put("api.server_port", 6443)),
        Edit(put("api.server_port", 6444), founded=SHARED),
    ],
    ("api.server_port", "another one"): [Edit(put("api.server_port", 7443))],
    ("api.extra_sans", ""): [Edit(put("api.extra_sans", ["api.example.org"]))],
    ("api.load_balancer", "to external, at the address that clients use"): [
        Edit(all_of(put("api.load_balancer", "external"), put("api.address", "10.240.0.9"), removed("lb")))
    ],
    ("api.load_balancer", "with another address for clients"): [
        Edit(all_of(put("api.load_balancer", "external"), put("api.address", "api.example.org")), "vagrant-small")
    ],
    ("api.vip", "another one"): [Edit(put("api.vip", "10.20.0.4"), "ha")],
    ("api.vip", "none any more, and every host stays"): [
        Edit(all_of(drop("api.vip"), put("api.address", "10.20.0.6"), roles("lb-1", "control-plane")), "ha"),
        Edit(all_of(drop("api.vip"), put("api.address", "10.20.0.7"), roles("lb-0", "control-plane")), "ha"),
    ],
    ("api.vip", "none any more, and an lb host leaves the inventory"): [
        Edit(all_of(drop("api.vip"), removed("lb-1")), "ha")
    ],
    ("pki.algorithm", ""): [Edit(put("pki.algorithm", "rsa-2048"))],
    ("pki.validity_days", ""): [Edit(put("pki.validity_days", 30))],
    ("pki.ca_validity_days", ""): [Edit(put("pki.ca_validity_days", 7000))],
    ("encryption.provider", ""): [
        Edit(put("encryption.provider", new), founded=put("encryption.provider", old))
        for old, new in (("aescbc", "secretbox"), ("aescbc", "none"), ("none", "aescbc"))
    ],
    ("audit.policy", ""): [Edit(put("audit.policy", policy)) for policy in ("full", "none", FILE)],
    ("audit.max_age_days", ""): [Edit(put("audit.max_age_days", 7))],
    ("audit.max_backups", ""): [Edit(put("audit.max_backups", 3))],
    ("audit.max_size_mb", ""): [Edit(put("audit.max_size_mb", 50))],
    ("kubelet.fail_cgroup_v1", ""): [Edit(put("kubelet.fail_cgroup_v1", True))],
    ("kubelet.max_pods", ""): [Edit(put("kubelet.max_pods", 50)), Edit(put("kubelet.max_pods", 200))],
    **reserving("kubelet.reserved"),
    ("kube_proxy.mode", ""): [Edit(put("kube_proxy.mode", "nftables"))],
    **flags("extra_args", EXTRA),
    **flags("override_args", OVERRIDE),
    ("assets.source", "to where the same files come from"): [Edit(put("assets.source", "upstream"))],
    ("assets.source", "to or from modules"): [Edit(put("assets.source", "modules"), machines=rebuilt)],
    ("assets.mirror", ""): [
        Edit(
            put("assets.mirror", "https://mirror.example.org"),
            founded=put("assets", {"source": "mirror", "mirror": "https://old.example.org"}),
        )
    ],
    ("assets.checksums", ""): [Edit(put("assets.checksums", FILE))],
    ("assets.images", "to pull"): [Edit(put("assets.images", "pull"))],
    ("assets.images", "to push"): [Edit(put("assets.images", "push"), founded=put("assets.images", "pull"))],
    ("addons.coredns.enabled", "to true"): [
        Edit(put("addons.coredns.enabled", True), founded=put("addons.coredns.enabled", False))
    ],
    ("addons.coredns.enabled", "to false"): [Edit(put("addons.coredns.enabled", False))],
    ("addons.coredns.replicas", ""): [Edit(put("addons.coredns.replicas", 3))],
    ("addons.coredns.forward", ""): [Edit(put("addons.coredns.forward", f)) for f in (["192.0.2.1"], "none")],
    ("addons.coredns.stub_domains", ""): [
        Edit(put("addons.coredns.stub_domains", {"corp.example.org": ["192.0.2.1"]}))
    ],
    ("lab.gateway", ""): [Edit(put("lab.gateway", "10.240.0.2"))],
    ("lab.memory", ""): [Edit(put("lab.memory", "4G"))],
    ("lab.directory", ""): [Edit(put("lab.directory", "elsewhere"))],
    ("drills", ""): [Edit(put("drills", True))],
    ("hosts", "the order"): [Edit(lambda data: data["hosts"].reverse(), base) for base in ("lab", "ha")],
    ("hosts", "a worker added"): [Edit(added("worker-2", "10.240.0.22", "worker"))],
    ("hosts", "a control-plane host added"): [
        Edit(added("controller-3", "10.240.0.13", "control-plane")),
        Edit(added("controller-3", "10.20.0.24", "control-plane"), "ha"),
    ],
    ("hosts", "an lb host added"): [Edit(added("lb-2", "10.20.0.8", "lb"), "ha")],
    ("hosts", "etcd hosts added"): [
        Edit(all_of(added("etcd-3", "10.20.0.14", "etcd"), added("etcd-4", "10.20.0.15", "etcd")), "ha")
    ],
    ("hosts", "a worker removed"): [Edit(removed("worker-1"))],
    ("hosts", "a control-plane host removed"): [
        Edit(removed("controller-2"), "ha"),
        Edit(all_of(removed("controller-2"), added("controller-3", "10.20.0.24", "control-plane")), "ha"),
    ],
    ("hosts", "an etcd host removed"): [Edit(removed("etcd-1", "etcd-2"), "ha")],
    ("hosts", "an lb host removed"): [Edit(removed("lb-1"), "ha")],
    ("hosts[].name", "of a worker"): [renamed("lab", "worker-0", "worker-5")],
    ("hosts[].name", "of an etcd host"): [renamed("ha", "etcd-0", "etcd-5")],
    ("hosts[].name", "of another control-plane host"): [renamed("ha", "controller-0", "controller-5")],
    ("hosts[].name", "of an lb host"): [renamed("ha", "lb-1", "lb-5")],
    ("hosts[].address", "of a worker"): [Edit(put("hosts[worker-0].address", "10.240.0.30"))],
    ("hosts[].address", "of a worker whose block of pod addresses follows from it"): [
        Edit(put("hosts[alpha].address", "10.240.0.32"), founded=LETTERS)
    ],
    ("hosts[].address", "of one etcd host"): [Edit(put("hosts[etcd-0].address", "10.20.0.15"), "ha")],
    ("hosts[].address", "of several etcd hosts"): [
        Edit(all_of(put("hosts[etcd-0].address", "10.20.0.15"), put("hosts[etcd-1].address", "10.20.0.16")), "ha")
    ],
    ("hosts[].address", "of a control-plane host"): [Edit(put("hosts[controller-0].address", "10.20.0.25"), "ha")],
    ("hosts[].address", "of an lb host behind api.vip"): [Edit(put("hosts[lb-0].address", "10.20.0.8"), "ha")],
    ("hosts[].address", "of the only lb host"): [Edit(put("hosts[lb].address", "10.240.0.8"))],
    ("hosts[].roles", "worker given"): [Edit(WORKING)],
    ("hosts[].roles", "control-plane given"): [Edit(roles("worker-0", "worker", "control-plane"))],
    ("hosts[].roles", "lb taken"): [Edit(roles("lb-1", "control-plane"), "ha")],
    ("hosts[].roles", PORT_WOULD_CHANGE): [
        Edit(roles("lb", "lb", "control-plane")),
        Edit(all_of(roles("lb", "lb"), removed("worker-1")), founded=roles("lb", "lb", "control-plane")),
    ],
    ("hosts[].roles", "etcd given"): [Edit(all_of(roles("lb", "lb", "etcd"), roles("worker-0", "worker", "etcd")))],
    ("hosts[].roles", "etcd, control-plane or worker taken"): [
        Edit(
            all_of(roles("controller-0", "etcd", "control-plane"), drop("hosts[controller-0].pod_cidr")),
            founded=WORKING,
        ),
        Edit(roles("controller-2", "etcd")),
        Edit(all_of(roles("controller-1", "control-plane"), roles("controller-2", "control-plane"))),
    ],
    ("hosts[].labels", ""): [Edit(put("hosts[worker-0].labels", {"disktype": "hdd"}))],
    ("hosts[].taints", ""): [Edit(put("hosts[worker-0].taints", ["dedicated=batch:NoExecute"]))],
    ("hosts[].pod_cidr", "another block"): [Edit(put("hosts[worker-0].pod_cidr", "10.200.7.0/24"))],
    ("hosts[].pod_cidr", "the block it has, written down"): [Edit(put("hosts[worker-0].pod_cidr", "10.200.0.0/24"))],
    **reserving("hosts[].reserved"),
    **reaching("ssh"),
    **reaching("hosts[].ssh"),
}
