"""Every rule between keys, each broken in at least one way: where it is reported and what it says is allowed."""

import pytest
from inventory_text import GONE, changed, found, text_of, written

from hardway import inventory
from hardway.inventory import rules
from hardway.inventory.loader import _draft
from hardway.inventory.shape import shape
from hardway.inventory.source import parse

BROKEN = [
    ({"hosts.5.name": "worker-0"}, "hosts[5].name", "is already hosts[4].name"),
    ({"hosts.5.address": "10.240.0.20"}, "hosts[5].address", "is already hosts[4].address"),
    ({"hosts.5.name": "localhost", "hosts.5.pod_cidr": "10.200.9.0/24"}, "hosts[5].name", "reserved name"),
    ({"hosts.5.name": "w" * 52 + "1"}, "hosts[5].name", "is too long (53 characters): the certificates"),
    ({"hosts.5.roles": ["worker", "worker"]}, "hosts[5].roles", "once is enough"),
    ({"hosts": []}, "hosts", "at least one host"),
    ({"hosts": [{"name": "a", "address": "10.240.0.1", "roles": ["lb"]}]}, "hosts", "no host has the role etcd"),
    (
        {"hosts.1.roles": ["etcd"], "hosts.2.roles": ["etcd"], "hosts.3.roles": ["etcd"]},
        "hosts",
        "the role control-plane",
    ),
    ({"hosts.5": GONE, "hosts.4.roles": ["lb"], "api.vip": "10.240.0.5"}, "hosts", "no host has the role worker"),
    ({"hosts.3.roles": ["control-plane"]}, "hosts[2].roles", "use an odd number, 1, 3 or 5"),
    ({"network.pod_cidr": "10.240.0.0/16"}, "network.pod_cidr", "overlaps network.node_cidr 10.240.0.0/24"),
    ({"network.service_cidr": "10.200.8.0/24"}, "network.service_cidr", "overlaps network.pod_cidr"),
    ({"network.service_cidr": "127.0.0.0/16"}, "network.service_cidr", "private addresses"),
    ({"network.pod_cidr": "224.0.0.0/16"}, "network.pod_cidr", "overlaps the reserved 224.0.0.0/3"),
    ({"network.service_cidr": "10.32.0.0/29"}, "network.service_cidr", "/12 to /28"),
    ({"network.service_cidr": "11.0.0.0/8"}, "network.service_cidr", "/12 to /28"),
    ({"network.node_prefix": 15}, "network.node_prefix", "allowed: 16 to 28"),
    ({"network.pod_cidr": "10.200.0.0/30"}, "network.pod_cidr", "the smallest is a /28"),
    ({"network.node_prefix": 26}, "network.node_prefix", "at most 61 pods"),
    ({"kubelet.max_pods": 254}, "network.node_prefix", "has 253 pod addresses"),
    ({"network.pod_cidr": "10.200.0.0/24"}, "network.pod_cidr", "has 1 blocks of /24 for 2 workers"),
    (
        {"network.node_cidr": GONE, "hosts.5.address": "10.200.0.9"},
        "hosts[5].address",
        "is in network.pod_cidr 10.200.0.0/16",
    ),
    ({"network.node_cidr": GONE, "hosts.5.address": "10.32.0.9"}, "hosts[5].address", "is in network.service_cidr"),
    ({"network.node_cidr": GONE, "hosts.5.address": "127.0.0.1"}, "hosts[5].address", "other hosts cannot reach it"),
    ({"hosts.5.address": "10.241.0.9"}, "hosts[5].address", "outside network.node_cidr 10.240.0.0/24"),
    ({"hosts.5.address": "10.240.0.255"}, "hosts[5].address", "choose one between them"),
    ({"api.vip": "10.250.0.1"}, "api.vip", "outside network.node_cidr"),
    ({"api.vip": "10.240.0.9"}, "api.vip", "is the address of host lb"),
    ({"lab.gateway": "10.240.0.20"}, "lab.gateway", "is the address of host worker-0"),
    ({"lab.gateway": "10.240.0.1", "network.node_cidr": GONE}, "lab", "needs network.node_cidr"),
    ({"network.node_ports": "40000-30000"}, "network.node_ports", "from 1 to 65535"),
    ({"network.node_ports": "1-70000"}, "network.node_ports", "from 1 to 65535"),
    ({"network.node_ports": "10000-20000"}, "network.node_ports", "includes 10250 (kubelet)"),
    ({"network.node_ports": "7000-9000", "api.port": 8443}, "network.node_ports", "includes 8443 (api.port)"),
    ({"hosts.0.pod_cidr": "10.200.7.0/24"}, "hosts[0].pod_cidr", "only a host with the role worker"),
    ({"hosts.5.pod_cidr": "10.201.0.0/24"}, "hosts[5].pod_cidr", "outside network.pod_cidr 10.200.0.0/16"),
    ({"hosts.5.pod_cidr": "10.200.2.0/23"}, "hosts[5].pod_cidr", "must be a /24"),
    (
        {"hosts.5.name": "worker-300"},
        "hosts[5].pod_cidr",
        "beyond the 256 blocks of 10.200.0.0/16; set a pod_cidr (free: 10.200.1.0/24)",
    ),
    ({"hosts.5.name": "w" + "9" * 60}, "hosts[5].pod_cidr", "set a pod_cidr"),
    (
        {"hosts.5.name": "other-0"},
        "hosts[5].pod_cidr",
        "derived from the number at the end of other-0, is also the block of worker-0 (hosts[4])",
    ),
    (
        {
            "hosts.5.name": "x",
            "hosts.4.name": "w20",
            "hosts.5.address": "10.240.0.20",
            "hosts.4.address": "10.240.0.30",
        },
        "hosts[5].pod_cidr",
        "derived from the last byte of its address, is also the block of w20",
    ),
    ({"hosts.5.pod_cidr": "10.200.0.0/24"}, "hosts[5].pod_cidr", "set a pod_cidr for worker-1 (free: 10.200.1.0/24)"),
    (
        {"network.node_prefix": 15, "hosts.4.pod_cidr": "10.200.3.0/24", "hosts.5.pod_cidr": "10.200.3.0/24"},
        "hosts[5].pod_cidr",
        "10.200.3.0/24 is also the block of worker-0 (hosts[4]): set a pod_cidr for worker-1",
    ),
    ({"hosts.0.labels": {"a": "b"}}, "hosts[0].labels", "only a host with the role worker has labels"),
    ({"hosts.1.taints": ["a:NoExecute"]}, "hosts[1].taints", "only a host with the role worker has taints"),
    (
        {"hosts.5.labels": {"kubernetes.io/hostname": "b"}},
        'hosts[5].labels."kubernetes.io/hostname"',
        "set by the kubelet",
    ),
    (
        {"hosts.5.labels": {"beta.kubernetes.io/os": "b"}},
        'hosts[5].labels."beta.kubernetes.io/os"',
        "set by the kubelet",
    ),
    ({"hosts.5.labels": {".".join(["a" * 63] * 4) + "/x": "b"}}, 'hosts[5].labels."aaaa', "longer than 253"),
    ({"hosts.5.taints": ["node.kubernetes.io/not-ready:NoExecute"]}, "hosts[5].taints[0]", "by the node controller"),
    ({"hosts.5.taints": ["a=b:NoExecute", "a=c:NoExecute"]}, "hosts[5].taints[1]", "each effect once"),
    ({"hosts.0": GONE}, "api.load_balancer", "3 control-plane hosts need a load balancer: give a host the role lb"),
    (
        {"api.load_balancer": "none", "hosts.0": GONE},
        "api.load_balancer",
        "api.load_balancer: external and api.address",
    ),
    ({"api.load_balancer": "haproxy", "hosts.0": GONE}, "api.load_balancer", "haproxy needs a host with the role lb"),
    ({"api.load_balancer": "external", "api.address": "a.example"}, "hosts[0].roles", "remove one of the two"),
    (
        {"api.load_balancer": "external", "hosts.0": GONE},
        "api.address",
        "set it to the external load balancer's name or address",
    ),
    (
        {"hosts.4.roles": ["lb", "worker"]},
        "api.vip",
        "2 lb hosts share one address through keepalived; set a free one in 10.240.0.0/24",
    ),
    (
        {"api.load_balancer": "external", "api.address": "x.example", "api.vip": "10.240.0.5", "hosts.0": GONE},
        "api.vip",
        "remove it or add them",
    ),
    (
        {
            "api.port": 443,
            "hosts": [{"name": "a1", "address": "10.240.0.4", "roles": ["etcd", "control-plane", "worker"]}],
        },
        "api.port",
        "must be 6443, not 443",
    ),
    (
        {
            "api.server_port": 6444,
            "hosts": [{"name": "a1", "address": "10.240.0.4", "roles": ["etcd", "control-plane", "worker"]}],
        },
        "api.port",
        "must be 6444, not 6443",
    ),
    ({"api.server_port": 2380}, "api.server_port", "2380 is used by etcd"),
    (
        {"api.server_port": 6443, "hosts.1.roles": ["lb", "etcd", "control-plane"], "api.vip": "10.240.0.5"},
        "api.server_port",
        "6443 is api.port, which HAProxy has on a control-plane host",
    ),
    (
        {"network.node_ports": "7000-9000", "api.server_port": 7443},
        "network.node_ports",
        "includes 7443 (kube-apiserver)",
    ),
    (
        {"override_args": {"kube-apiserver": {"secure-port": 7443}}},
        "override_args.kube-apiserver.secure-port",
        "set api.server_port",
    ),
    ({"api.port": 10250}, "api.port", "10250 is used by kubelet"),
    ({"api.port": 2381}, "api.port", "2381 is used by etcd"),
    ({"pki.validity_days": 4000}, "pki.validity_days", "more than pki.ca_validity_days (3650), not 4000"),
    ({"ssh.key": "nothere"}, "ssh.key", "are relative to the inventory, ~ is your home"),
    ({"ssh.key": "~nobody-of-that-name/key"}, "ssh.key", "there is no file"),
    ({"ssh.key": "k" * 1000}, "ssh.key", "there is no file"),
    ({"ssh.config": "nothere"}, "ssh.config", "there is no file"),
    ({"hosts.2.ssh": {"key": "/nothere"}}, "hosts[2].ssh.key", "there is no file /nothere"),
    ({"ssh.bastion": {"address": "b.example", "key": "nothere"}}, "ssh.bastion.key", "there is no file"),
    ({"ssh.user": "admin", "ssh.sudo": "never"}, "ssh.sudo", "use auto or password, or log in as root"),
    ({"hosts.1.ssh": {"user": "admin", "sudo": "never"}}, "hosts[1].ssh.sudo", "with never, admin cannot become root"),
    ({"audit.policy": "most"}, "audit.policy", "must be minimal, full, none or an existing file"),
    ({"assets.mirror": "https://example.org"}, "assets.mirror", "only used with assets.source: mirror"),
    ({"assets.source": "mirror"}, "assets.mirror", "needs a base URL (https://...) or a folder"),
    (
        {"assets": {"source": "mirror", "mirror": "ftp://x"}},
        "assets.mirror",
        "must be an http(s) URL or an existing folder",
    ),
    ({"kubernetes": "1.29.1"}, "kubernetes", "1.29.1 is not supported, allowed: "),
    ({"versions.etcd": "3.4.1"}, "versions.etcd", "3.4.1 does not work with Kubernetes 1.36, allowed: 3.6 to 3.7"),
    ({"versions.containerd": "1.7.1"}, "versions.containerd", "1.7.1 is too old, the oldest supported is 2.2"),
    ({"kubernetes": "1.20.2"}, "kubernetes", "Remove the key to build 1.37.2"),
    ({"assets.checksums": "nothere"}, "assets.checksums", "must be an existing file: "),
    (
        {"extra_args": {"kubelet": {"v": 2}}, "override_args": {"kubelet": {"v": 3}}},
        "extra_args.kubelet.v",
        "keep one of the two",
    ),
    (
        {"extra_args": {"kube-apiserver": {"profiling": True}}},
        "extra_args.kube-apiserver.profiling",
        "already set by the unit: write it under override_args.kube-apiserver",
    ),
    (
        {"override_args": {"etcd": {"data-dir": "/data"}}},
        "override_args.etcd.data-dir",
        "cannot be set: to use another disk",
    ),
    (
        {"override_args": {"kube-apiserver": {"service-cluster-ip-range": "10.96.0.0/16"}}},
        "override_args.kube-apiserver.service-cluster-ip-range",
        "set network.service_cidr",
    ),
    (
        {"extra_args": {"kube-apiserver": {"anonymous-auth": False}}},
        "extra_args.kube-apiserver.anonymous-auth",
        "cannot be set: kube-apiserver refuses it with --authentication-config",
    ),
    (
        {"extra_args": {"kubelet": {"hostname-override": "x"}}},
        "extra_args.kubelet.hostname-override",
        "cannot be set: a Node is named after its host",
    ),
    (
        {"kubernetes": "1.37.2", "extra_args": {"kubelet": {"boot-id-file": "/x"}}},
        "extra_args.kubelet.boot-id-file",
        "kubelet of Kubernetes 1.37 has no such flag",
    ),
    ({"hosts.0.reserved": {"cpu": "500m"}}, "hosts[0].reserved", "is not a Node: only a host with the role worker"),
    ({"kubelet.reserved": {"memory": "512m"}}, "kubelet.reserved.memory", "512m is less than 1Mi: add a unit"),
    ({"hosts.5.reserved": {"ephemeral-storage": 512}}, "hosts[5].reserved.ephemeral-storage", "512 is less than 1Mi"),
    (
        {"hosts.5.reserved": {"cpu": 1}, "extra_args": {"kubelet": {"system-reserved": "cpu=1"}}},
        "extra_args.kubelet.system-reserved",
        "overrides hosts[5].reserved: keep one of the two",
    ),
    (
        {"kubelet.reserved": {"cpu": 1}, "override_args": {"kubelet": {"system-reserved": "cpu=1"}}},
        "override_args.kubelet.system-reserved",
        "overrides kubelet.reserved: keep one of the two",
    ),
    ({"addons.coredns": {"forward": ["127.0.0.53"]}}, "addons.coredns.forward", "use an address pods can reach"),
    (
        {"addons.coredns": {"stub_domains": {"a.b": ["10.32.0.10"]}}},
        'addons.coredns.stub_domains."a.b"',
        "cluster DNS itself",
    ),
    (
        {"addons.coredns": {"stub_domains": {"x.cluster.local": ["10.9.9.9"]}}},
        "addons.coredns.stub_domains",
        "is in network.domain",
    ),
    (
        {"override_args": {"kubelet": {"nonesuch": 1}}},
        "override_args.kubelet.nonesuch",
        "write it under extra_args.kubelet instead",
    ),
]


@pytest.mark.parametrize(("changes", "key", "says"), BROKEN, ids=[f"{key} {says}"[:70] for _, key, says in BROKEN])
def test_a_broken_rule_is_reported_at_its_key(tmp_path, changes, key, says):
    problems = found(tmp_path, text_of(changed(changes)))
    assert any(problem.split(": ")[1].startswith(key) and says in problem for problem in problems), problems


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: f"{rule.__module__.rpartition('.')[2]}.{rule.__name__}")
def test_every_rule_is_broken_above(tmp_path, rule):
    drafts = (draft_of(tmp_path, changes) for changes, _, _ in BROKEN)
    assert any(list(rule(draft)) for draft in drafts)


def draft_of(folder, changes):
    shaped = shape(parse(text_of(changed(changes)).encode()).data)
    return _draft(shaped.model, shaped.positions, shaped.broken, folder / "inventory.yaml")


def test_the_right_inventory_breaks_none(tmp_path):
    assert found(tmp_path, text_of(changed({}))) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"hosts.4.roles": ["lb", "worker"], "api.vip": "10.240.0.5"},
        {"hosts.0": GONE, "hosts.1.roles": ["lb", "etcd", "control-plane"]},
        {"hosts.0": GONE, "api": {"load_balancer": "external", "address": "api.example.org", "port": 443}},
        {"hosts": [{"name": "one", "address": "10.240.0.4", "roles": ["etcd", "control-plane", "worker"]}]},
        {"hosts.5.name": "x", "network.node_cidr": GONE},
        {"hosts.5.name": "w" * 51 + "1", "hosts.0.name": "b" * 63},
        {"addons.coredns": {"forward": ["10.9.9.8"], "stub_domains": {"corp.example": ["10.9.9.9", "fd00::53"]}}},
        {"kubernetes": "1.34.4", "extra_args": {"etcd": {"snapshot-count": 1000}}},
        {"extra_args": {"kubelet": {"system-reserved": "cpu=1"}}},
        {"kubelet.reserved": {"cpu": 0.5, "memory": 0, "pid": 1000}, "hosts.5.reserved": {"memory": "1Gi"}},
        {"override_args": {"kube-apiserver": {"profiling": True}}, "kube_proxy.mode": "nftables"},
        {
            "ssh": {"config": None, "known_hosts": None, "bastion": {"address": "10.9.9.9"}},
            "hosts.2.ssh": {"bastion": None},
        },
        {"ssh": {"config": "none", "known_hosts": "None"}, "hosts.2.ssh": {"config": "NONE"}},
    ],
)
def test_unusual_but_right(tmp_path, changes):
    assert found(tmp_path, text_of(changed(changes))) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"network.service_cidr": "172.17.0.0/24"},
            "network.service_cidr: 172.17.0.0/24 overlaps 172.17.0.0/16, Docker's",
        ),
        (
            {f"hosts.{n}": {"name": f"e{n}", "address": f"10.240.0.{n + 40}", "roles": ["etcd"]} for n in range(6, 12)},
            "3 or 5 are usual",
        ),
    ],
)
def test_a_warning_is_no_problem(tmp_path, changes, says):
    review = inventory.review(written(tmp_path, text_of(changed(changes))))
    assert review.problems == () and review.cluster
    assert any(says in warning for warning in review.warnings), review.warnings


def test_each_collision_is_offered_a_block_of_its_own(tmp_path):
    problems = found(
        tmp_path, text_of(changed({"hosts.4.name": "a-1", "hosts.5.name": "b-1", "hosts.2.roles": ["etcd", "worker"]}))
    )
    blocks = [problem.partition("free: ")[2].rstrip(")") for problem in problems if "free: " in problem]
    assert blocks == ["10.200.0.0/24", "10.200.2.0/24"]
