"""Edits of a lab's inventory as somebody might make them on any day of its life, drawn at random."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

Data = dict[str, Any]
Writing = Callable[[Random, Data], object]


@dataclass(frozen=True)
class Edit:
    """`code` is how `bootstrap` ends: 0 when it carries the edit out, else it says why it does not."""

    name: str
    write: Writing
    code: int = 0

    def __call__(self, chance: Random, inventory: Data) -> Data:
        edited = copy.deepcopy(inventory)
        self.write(chance, edited)
        return edited


def put(path: str, value: Callable[[Random], Any], code: int = 0) -> Edit:
    """Another value of a key."""
    *above, last = path.split(".")

    def write(chance: Random, data: Data) -> None:
        for key in above:
            data = data.setdefault(key, {})
        before = data.get(last)
        while data.get(last) == before:
            data[last] = value(chance)

    return Edit(path, write, code)


def of(*values: Any) -> Callable[[Random], Any]:
    return lambda chance: chance.choice(values)


def within(least: int, most: int, shape: str = "") -> Callable[[Random], Any]:
    """A number, or a text with one."""

    def drawn(chance: Random) -> Any:
        number = chance.randint(least, most)
        return shape.format(number) if shape else number

    return drawn


def host(data: Data, name: str) -> Data:
    return next(one for one in data["hosts"] if one["name"] == name)


def labels(chance: Random, data: Data) -> None:
    host(data, chance.choice(("worker-0", "worker-1")))["labels"] = {"rack": f"r{chance.randint(0, 99)}"}


def taints(chance: Random, data: Data) -> None:
    """None that keeps a pod off: the canary and CoreDNS need both workers."""
    worker = host(data, chance.choice(("worker-0", "worker-1")))
    worker["taints"] = [f"season=n{chance.randint(0, 99)}:PreferNoSchedule"]


def without_flags(chance: Random, data: Data) -> None:
    data.pop("extra_args", None), data.pop("override_args", None)


def other_order(chance: Random, data: Data) -> None:
    chance.shuffle(data["hosts"])


def without(*names: str) -> Writing:
    return lambda chance, data: data["hosts"].remove(host(data, chance.choice(names)))


def renamed(*names: str) -> Writing:
    def write(chance: Random, data: Data) -> None:
        host(data, chance.choice(names))["name"] = f"renamed-{chance.randint(7, 99)}"

    return write


def other_block(chance: Random, data: Data) -> None:
    head = data["network"]["pod_cidr"].rsplit(".", 2)[0]
    host(data, chance.choice(("worker-0", "worker-1")))["pod_cidr"] = f"{head}.{chance.randint(100, 200)}.0/24"


CARRIED_OUT = (
    put("kubelet.max_pods", within(60, 200)),
    put("network.node_ports", within(31000, 31500, "{}-32000")),
    put("audit.max_age_days", within(1, 60)),
    put("audit.max_backups", within(2, 20)),
    put("extra_args.kube-apiserver.max-requests-inflight", within(300, 600)),
    put("override_args.kube-controller-manager.terminated-pod-gc-threshold", within(100, 9000)),
    put("extra_args.kube-scheduler.kube-api-qps", within(40, 90)),
    put("override_args.kubelet.v", within(1, 4)),
    put("override_args.kube-proxy.v", within(1, 4)),
    put("extra_args.etcd.heartbeat-interval", within(90, 190)),
    put("extra_args.containerd.log-level", of("info", "warn", "debug")),
    put("addons.coredns.stub_domains", lambda chance: {"corp.example.org": [f"192.0.2.{chance.randint(2, 250)}"]}),
    put("addons.coredns.replicas", within(1, 3)),
    put("pki.validity_days", within(200, 364)),
    put("encryption.provider", of("secretbox", "aescbc", "none")),
    put("api.extra_sans", lambda chance: [f"api-{chance.randint(1, 99)}.example.org"]),
    put("api.port", of(6443, 7443, 8443)),
    put("kube_proxy.mode", of("iptables", "nftables")),
    Edit("labels", labels),
    Edit("taints", taints),
    Edit("no flags of one's own", without_flags),
    Edit("another order of the hosts", other_order),
)
REFUSED = (
    put("network.domain", within(1, 99, "cluster-{}.example"), code=5),
    put("network.service_cidr", within(90, 99, "10.{}.0.0/24"), code=5),
    put("extra_args.kube-apiserver.etcd-prefix", within(1, 99, "/{}"), code=5),
    put("extra_args.kubelet.root-dir", within(1, 99, "/var/lib/kubelet-{}"), code=5),
    Edit("a worker's block", other_block, code=5),
    Edit("a member of etcd less", without("controller-0", "controller-1", "controller-2"), code=3),
    Edit("a worker renamed", renamed("worker-0", "worker-1"), code=5),
)
# The program says no when it starts: it is taken on one host alone.
BROKEN = (
    put("extra_args.kube-apiserver.max-mutating-requests-inflight", of("many", "few"), code=6),
    put("extra_args.kube-scheduler.kube-api-burst", of("many", "few"), code=6),
    put("extra_args.etcd.snapshot-count", of("often", "seldom"), code=6),
    put("extra_args.kube-proxy.iptables-sync-period", of("never", "soon"), code=6),
)


def drawn(chance: Random) -> Edit:
    """Of ten edits about seven are carried out, two refused, and one is a mistake that a program notices."""
    return chance.choice(chance.choices((CARRIED_OUT, REFUSED, BROKEN), weights=(7, 2, 1))[0])
