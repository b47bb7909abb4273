"""Every kind of wrong key, type and value: its line, its place, and what is allowed."""

import pytest
from inventory_text import GONE, changed, found, text_of

from hardway import inventory
from hardway.inventory.keys import Inventory
from hardway.inventory.shape import keys_at, shape

BROKEN = [
    ({"netwrok": {}}, "netwrok: unknown key, did you mean network? Allowed: cluster, kubernetes, versions"),
    ({"pod_cidr": "x"}, "pod_cidr: unknown key, it belongs at network.pod_cidr"),
    ({"network.podcidr": "x"}, "network.podcidr: unknown key, did you mean pod_cidr? Allowed: pod_cidr, service_cidr"),
    ({"hosts.4.adress": "x"}, "hosts[4].adress: unknown key, did you mean address?"),
    ({"hosts.4.zzz": "x"}, "hosts[4].zzz: unknown key. Allowed here: name, address, roles, ssh"),
    ({"extra_args": {"kube-apiservr": {}}}, "extra_args.kube-apiservr: unknown key, did you mean kube-apiserver?"),
    (
        {"extra_args": {"kubelet": {"--v": 2}}},
        "extra_args.kubelet.--v: must be a flag's long name without the leading dashes",
    ),
    (
        {"extra_args": {"kubelet": {"event_qps": 2}}},
        "extra_args.kubelet.event_qps: must be a flag's long name without the leading dashes",
    ),
    (
        {"addons": {"coredns": {"stub_domains": {"A.b": ["1.1.1.1"]}}}},
        'addons.coredns.stub_domains."A.b": must be a DNS domain in lower',
    ),
    (
        {"addons": {"coredns": {"stub_domains": {"a": "10.0.0.1"}}}},
        "addons.coredns.stub_domains.a: must be a list of nameserver addresses",
    ),
    ({"extra_args": {"kubelet": {"v": [2]}}}, "extra_args.kubelet.v: must be text, not a list"),
    (
        {"extra_args": {"kubelet": {"v": None}}},
        'extra_args.kubelet.v: must be text, not empty (write "" for an empty text)',
    ),
    ({"extra_args": {"kubelet": {"v": "a\nb"}}}, "extra_args.kubelet.v: must be text on one line"),
    ({"extra_args": {"kubelet": [1]}}, "extra_args.kubelet: must be a mapping of names to values, not a list"),
    ({"cluster": GONE}, "cluster: is missing. The cluster's name"),
    ({"cluster": "My_Cluster"}, "cluster: must be a DNS label of at most 63 characters"),
    ({"cluster": {"name": "x"}}, "cluster: must be text, not a mapping"),
    ({"hosts": GONE}, "hosts: is missing. The machines."),
    ({"hosts": {"a": 1}}, "hosts: must be a list (lines starting with -, or [a, b]), not a mapping"),
    ({"hosts.4": "worker-0"}, "hosts[4]: must be a mapping with the keys name, address, roles"),
    ({"hosts.4.name": GONE}, "hosts[4].name: is missing. The machine's short host name"),
    ({"hosts.4.name": "worker.example.org"}, "hosts[4].name: must be a DNS label"),
    ({"hosts.4.name": "a" * 64}, "hosts[4].name: must be a DNS label of at most 63"),
    ({"hosts.4.name": "-a"}, "hosts[4].name: must be a DNS label"),
    ({"hosts.4.name": "Worker"}, "hosts[4].name: must be a DNS label"),
    ({"hosts.4.address": "10.240.0.300"}, "hosts[4].address: must be an IPv4 address such as 10.240.0.10"),
    ({"hosts.4.address": "fe80::1"}, "hosts[4].address: must be an IPv4 address"),
    ({"hosts.4.address": 10}, 'hosts[4].address: must be an IPv4 address such as 10.240.0.10, not "10"'),
    (
        {"kubelet.reserved": {"memory": "1 Gi"}},
        'kubelet.reserved.memory: must be an amount as Kubernetes writes it, such as 500m or 1Gi, not "1 Gi"',
    ),
    ({"hosts.4.reserved": {"cpu": -1}}, "hosts[4].reserved.cpu: must be an amount as Kubernetes writes it"),
    ({"hosts.4.reserved": {"ram": "1Gi"}}, "hosts[4].reserved.ram: unknown key. Allowed here: cpu, memory, ephemeral-"),
    ({"hosts.4.roles": []}, "hosts[4].roles: must have at least one item"),
    ({"hosts.4.roles": "worker"}, "hosts[4].roles: must be a list"),
    (
        {"hosts.4.roles": ["wroker"]},
        'hosts[4].roles[0]: must be one of lb, etcd, control-plane, worker, not "wroker" (did you mean worker?)',
    ),
    ({"hosts.4.labels": {"a b": "c"}}, 'hosts[4].labels."a b": must be a label key such as disktype'),
    ({"hosts.4.labels": {"a": "b c"}}, "hosts[4].labels.a: must be a label value: at most 63"),
    ({"hosts.4.labels": ["a=b"]}, "hosts[4].labels: must be a mapping of names to values, not a list"),
    (
        {"hosts.4.taints": ["a=b:NoRun"]},
        "hosts[4].taints[0]: must be key=value:Effect with the effect NoSchedule, PreferNoSchedule or NoExecute",
    ),
    ({"hosts.4.taints": [{"key": "a"}]}, "hosts[4].taints[0]: must be text, not a mapping"),
    ({"hosts.4.pod_cidr": "10.200.0.0"}, "hosts[4].pod_cidr: must be an IPv4 network such as 10.200.0.0/16"),
    ({"hosts.4.ssh": {"prot": 22}}, "hosts[4].ssh.prot: unknown key, did you mean port?"),
    ({"kubernetes": "v1.36.4"}, "kubernetes: must be a full version without v, such as 1.36.4"),
    ({"kubernetes": 1.36}, 'kubernetes: must be a full version without v, such as 1.36.4, not "1.36"'),
    ({"versions.etcd": "latest"}, "versions.etcd: must be a version without v, such as 3.6.14"),
    ({"versions.kubelet": "1.2.3"}, "versions.kubelet: unknown key"),
    (
        {"network.pod_cidr": "10.200.3.0/16"},
        (
            'network.pod_cidr: must be an IPv4 network, but "10.200.3.0/16" is an address inside one: did you mean'
            " 10.200.0.0/16?"
        ),
    ),
    ({"network.service_cidr": "fd00::/108"}, "network.service_cidr: must be an IPv4 network"),
    ({"network.node_prefix": "24x"}, "network.node_prefix: must be a whole number from 8 to 28"),
    ({"network.node_prefix": 30}, "network.node_prefix: must be a whole number from 8 to 28"),
    ({"network.domain": "Cluster.Local"}, "network.domain: must be a DNS domain in lower case"),
    ({"network.node_ports": 30000}, "network.node_ports: must be a range of ports such as 30000-32767"),
    ({"network": "10.0.0.0/8"}, "network: must be a mapping with the keys pod_cidr"),
    ({"api.port": 0}, "api.port: must be a whole number from 1 to 65535"),
    ({"api.port": True}, 'api.port: must be a whole number from 1 to 65535, not "true"'),
    ({"api.address": "api_server"}, "api.address: must be a DNS name or an IPv4 address"),
    ({"api.address": "10.0.0.300"}, "api.address: must be a DNS name or an IPv4 address"),
    ({"api.extra_sans": ["a b"]}, "api.extra_sans[0]: must be a DNS name (*.example.org is allowed) or an IP address"),
    ({"api.extra_sans": ["good.example", ":::"]}, "api.extra_sans[1]: must be an IP address"),
    ({"api.load_balancer": "nginx"}, "api.load_balancer: must be one of haproxy, external, none"),
    ({"api.vip": "x"}, "api.vip: must be an IPv4 address"),
    ({"ssh.host_keys": "ignore"}, "ssh.host_keys: must be one of strict, accept-new"),
    ({"ssh.sudo": "always"}, "ssh.sudo: must be one of auto, never, password"),
    ({"ssh.agent": "yes"}, 'ssh.agent: must be true or false, not "yes"'),
    ({"ssh.connect_timeout": 0}, "ssh.connect_timeout: must be a number of seconds from 0.1 to 600"),
    ({"ssh.compress": "zip"}, "ssh.compress: must be one of auto, always, never"),
    ({"ssh.user": "a b"}, "ssh.user: must be a login name"),
    ({"ssh.user": "-oProxyCommand=x"}, "ssh.user: must be a login name"),
    ({"ssh.user": "jdoe;id"}, "ssh.user: must be a login name"),
    ({"ssh.user": "ACME\\"}, "ssh.user: must be a login name"),
    ({"ssh.key": " "}, "ssh.key: must be the path of a file"),
    ({"ssh.bastion": "jump.example"}, "ssh.bastion: must be a mapping with the keys address, user, port, key"),
    ({"ssh.bastion": {"user": "x"}}, "ssh.bastion.address: is missing. Name or address of the jump host."),
    ({"ssh.password": "x"}, "ssh.password: never write a secret in an inventory"),
    (
        {"pki.algorithm": "ed25519"},
        "pki.algorithm: must be one of ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096",
    ),
    ({"pki.validity_days": "1y"}, "pki.validity_days: must be a whole number from 1 to 36500"),
    ({"encryption.provider": "kms"}, "encryption.provider: must be one of aescbc, secretbox, none"),
    ({"audit.max_size_mb": 0}, "audit.max_size_mb: must be a whole number from 1 to 10000"),
    ({"kubelet.fail_cgroup_v1": "no"}, "kubelet.fail_cgroup_v1: must be true or false"),
    ({"kube_proxy.mode": "ipvs"}, "kube_proxy.mode: must be one of iptables, nftables"),
    ({"drills": "yes"}, 'drills: must be true or false, not "yes"'),
    ({"drill": True}, "drill: unknown key, did you mean drills?"),
    ({"assets.source": "github"}, "assets.source: must be one of auto, upstream, modules, mirror"),
    ({"assets.images": "both"}, "assets.images: must be one of pull, push"),
    (
        {"addons": {"coredns": {"forward": "8.8.8.8"}}},
        "addons.coredns.forward: must be auto, none, or a list of nameserver addresses",
    ),
    ({"addons": {"coredns": {"forward": ["dns.example"]}}}, "addons.coredns.forward: must be an IP address"),
    ({"addons": {"dashboard": {}}}, "addons.dashboard: unknown key. Allowed here: coredns"),
    ({"lab": {"memory": "lots"}}, "lab.memory: must be an amount of memory such as 512M"),
    ({"lab": {"memory": "2G"}}, "lab.gateway: is missing. The lab bridge's address"),
]


@pytest.mark.parametrize(("changes", "says"), BROKEN, ids=[says[:70] for _, says in BROKEN])
def test_a_wrong_key_or_value(tmp_path, changes, says):
    problems = found(tmp_path, text_of(changed(changes)))
    assert any(problem.partition(": ")[2].startswith(says) for problem in problems), problems


def test_all_problems_at_once_each_with_its_line(tmp_path):
    problems = found(
        tmp_path,
        "cluster: Lab\n"
        "network:\n"
        "  pod_cidr: 10.32.0.0/16\n"
        "  node_prefix: nine\n"
        "hosts:\n"
        "  - name: a\n"
        "    address: 10.0.0.1\n"
        "    roles: [etcd, control-plane, worker]\n"
        "  - name: a\n"
        "    adress: 10.0.0.2\n"
        "    roles: [worker]\n"
        "  - name: a\n"
        "    address: 10.0.0.1\n"
        "    roles: [worker]\n",
    )
    assert [problem.split(": ")[0:2] for problem in problems] == [
        ["1", "cluster"],
        ["2", "network.service_cidr"],  # the default service network, which is not in the file, overlaps the pods'
        ["4", "network.node_prefix"],
        ["9", "hosts[1].address"],
        ["10", "hosts[1].adress"],
        ["12", "hosts[2].name"],
        ["13", "hosts[2].address"],
    ], problems


def test_what_is_wrong_is_left_out_and_not_reported_twice(tmp_path):
    """One bad role must not read as "no host has the role etcd" as well."""
    assert len(found(tmp_path, text_of(changed({"hosts.1.roles": ["ectd"]})))) == 1
    assert len(found(tmp_path, text_of(changed({"network.pod_cidr": "10.240.0.0/99"})))) == 1
    assert len(found(tmp_path, text_of(changed({"api": ["x"], "hosts.0": GONE})))) <= 2


def test_an_empty_section_counts_as_not_written(tmp_path):
    assert found(tmp_path, "api:\nssh:\n  user:\naudit:\n" + text_of(changed({}))) == []


def test_keys_know_their_section():
    assert keys_at(()) == [info.alias or name for name, info in Inventory.model_fields.items()]
    assert keys_at(("hosts", 3, "ssh", "bastion")) == ["address", "user", "port", "key"]
    assert keys_at(("extra_args", "kubelet")) == []


def test_the_schema_describes_every_key():
    schema = inventory.schema()
    assert schema["additionalProperties"] is False and schema["required"] == ["cluster", "hosts"]
    assert set(schema["properties"]) == set(keys_at(()))
    assert schema["$defs"]["Host"]["required"] == ["name", "address", "roles"]
    assert schema["$defs"]["Pki"]["properties"]["algorithm"]["enum"][0] == "ecdsa-p256"
    assert set(schema["$defs"]["Args"]["properties"]) == set(keys_at(("extra_args",)))
    described = [
        key
        for section in ("Host", "Ssh", "Network", "Api", "Pki")
        for key in schema["$defs"][section]["properties"].values()
    ]
    assert all(key.get("description") for key in described)


def test_the_schema_agrees_with_the_reader_on_defaults():
    defaults = shape({"cluster": "a", "hosts": []}).model
    stated = inventory.schema()["$defs"]["Network"]["properties"]["pod_cidr"]["default"]
    assert stated == str(defaults.network.pod_cidr)
