"""What each check thinks of an answer: the good one passes, every way of being wrong is found and named."""

import datetime
import struct
from dataclasses import replace
from ipaddress import IPv4Address
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from hardway.checks import control_plane, dns_query, hosts, name_service, nodes, security
from hardway.checks import etcd_cluster as etcd
from hardway.checks.outcome import passed
from hardway.errors import HardwayError, NotReadyError
from hardway.etcd.interface import Health, Member, Status
from hardway.facts import Facts
from hardway.living import Lives, Node
from hardway.living.departed import departed, pod_routes
from hardway.pki.secret import Secret
from hardway.resources import Unit
from hardway.vocabulary import Probe

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


def unit_answer(active="active", enabled="enabled", restarts="0"):
    state = f"ActiveState={active}\nSubState=running\nUnitFileState={enabled}\nNRestarts={restarts}"
    return f"LoadState=loaded\n{state}\nResult=exit-code\nStamp="


def test_unit_that_runs_and_is_enabled_is_no_finding():
    unit = Unit("etcd.service")
    assert hosts.unit_findings([unit], {unit.probes()[0]: unit_answer()}) == []


@pytest.mark.parametrize(
    "answer, words",
    [
        (unit_answer(active="failed", restarts="7"), "etcd.service is failed (exit-code, restarted 7 times)"),
        (unit_answer(enabled="disabled"), "will not start at the next boot"),
        ("", "etcd.service is inactive"),
        (
            "ActiveState=inactive\nJob=7\nWaits=x-wait-online.service start running 84",
            "etcd.service waits in systemd's queue for x-wait-online.service (start running for 84 s)",
        ),
        (
            "ActiveState=activating\nSubState=auto-restart\nResult=exit-code\nNRestarts=3",
            "etcd.service exited, and systemd starts it again (exit-code, restarted 3 times)",
        ),
    ],
)
def test_unit_findings(answer, words):
    unit = Unit("etcd.service")
    (finding,) = hosts.unit_findings([unit], {unit.probes()[0]: answer})
    assert words in finding


def test_restarts_are_counted_by_unit():
    assert hosts.restarts({Probe("unit", ("etcd.service",)): unit_answer(restarts="3")}) == {"etcd.service": "3"}


def test_routes_right(cluster):
    worker = cluster.host("worker-0")
    assert (
        hosts.route_findings(worker, cluster.pod_routes(worker), ["default 10.240.0.1", "10.200.1.0/24 10.240.0.21"])
        == []
    )


@pytest.mark.parametrize(
    "lines, words",
    [
        ([], "the route to 10.200.1.0/24 is missing; it must go via 10.240.0.21"),
        (["10.200.1.0/24 10.240.0.99"], "goes via 10.240.0.99; it must go via 10.240.0.21"),
        (
            ["10.200.1.0/24 10.240.0.21", "10.200.0.0/24 10.240.0.1"],
            "its own pod CIDR 10.200.0.0/24 is routed via 10.240.0.1",
        ),
    ],
)
def test_route_findings(cluster, lines, words):
    worker = cluster.host("worker-0")
    (finding,) = hosts.route_findings(worker, cluster.pod_routes(worker), lines)
    assert words in finding


def living(*names: str) -> Lives:
    """Nodes of workers that are in the inventory, and others at 10.240.0.30 and above."""
    known = {"worker-0": "10.240.0.20", "worker-1": "10.240.0.21"}
    found = {name: Node(name, known.get(name, f"10.240.0.3{number}"), "") for number, name in enumerate(names)}
    return Lives(nodes=found)


def test_nodes_of_the_inventory_are_no_finding(cluster):
    assert nodes.departed_findings(cluster, {}, living("worker-0")) == []


def test_a_node_that_left_the_inventory_is_named_with_the_commands(cluster):
    facts = {"lb": Facts(routes={"10.200.9.0/24": "10.240.0.32"})}
    old, other = nodes.departed_findings(cluster, facts, living("worker-0", "worker-1", "old", "other"))
    about = "old (10.240.0.32, pods 10.200.9.0/24) is a node, but not in the inventory"
    assert old == f"{about}: hardway node remove INV old"
    assert other.startswith("other (10.240.0.33) is a node")


def test_a_host_that_is_no_worker_any_more_is_told_as_well(cluster):
    found = Lives(nodes={"lb": Node("lb", "10.240.0.9", "10.200.9.0/24")})
    assert [line.split()[0] for line in nodes.departed_findings(cluster, {}, found)] == ["lb"]


def test_routes_to_a_node_that_left_the_inventory_are_wanted_too(cluster):
    worker, lives = cluster.host("worker-0"), Lives(nodes={"old": Node("old", "10.240.0.29", "10.200.9.0/24")})
    routes = pod_routes(cluster, worker, Facts(), departed(cluster, {}, lives))
    (finding,) = hosts.route_findings(worker, routes, ["10.200.1.0/24 10.240.0.21"])
    assert "the route to 10.200.9.0/24 is missing; it must go via 10.240.0.29" in finding


def certificate(days_old: int, days_left: int) -> x509.Certificate:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    start, end = NOW - datetime.timedelta(days_old), NOW + datetime.timedelta(days_left)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, end)
    return builder.sign(key, hashes.SHA256())


@pytest.mark.parametrize(
    "old, left, found", [(300, 65, False), (340, 29, True), (9, 3, False), (28, 2, True), (400, -1, True)]
)
def test_expiry_is_30_days_or_a_tenth_of_a_short_life(old, left, found):
    finding = hosts.expiry_finding("admin", certificate(old, left), NOW)
    assert bool(finding) is found
    assert not found or ("expired on" if left < 0 else "expires on") in finding


def members(cluster):
    return [
        Member(i + 1, host.name, (f"https://{host.address}:2380",), ()) for i, host in enumerate(cluster.etcd_members)
    ]


def test_members_of_the_inventory_are_no_finding(cluster):
    assert etcd.member_findings(cluster, members(cluster)) == []


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda all: all[1:], "controller-0 is not a member"),
        (
            lambda all: [*all, Member(9, "stranger", ("https://10.9.9.9:2380",), ())],
            "stranger is a member but not in the inventory",
        ),
        (lambda all: [replace(all[0], learner=True), *all[1:]], "controller-0 is still a learner"),
        (
            lambda all: [replace(all[0], peer_urls=("https://10.9.9.9:2380",)), *all[1:]],
            "controller-0 has the peer URL https://10.9.9.9:2380",
        ),
        (
            lambda all: [*all, Member(9, "", ("https://10.9.9.9:2380",), ())],
            "an unstarted member (https://10.9.9.9:2380)",
        ),
    ],
)
def test_member_findings(cluster, change, words):
    (finding,) = etcd.member_findings(cluster, change(members(cluster)))
    assert words in finding


def status(name, member, leader):
    return Status(name, member, leader, revision=10, raft_term=2, db_size=1000, version="3.6.16")


HEALTHY = [Health("a", True), Health("b", True)]


def test_agreement():
    assert etcd.agreement_findings(HEALTHY, [status("a", 1, 2), status("b", 2, 2)]) == []


@pytest.mark.parametrize(
    "health, statuses, words",
    [
        ([Health("a", True), Health("b", False, "timed out")], [status("a", 1, 1)], "b is unhealthy: timed out"),
        (HEALTHY, [status("a", 1, 1)], "b reports no status"),
        (HEALTHY, [status("a", 1, 1), status("b", 2, 2)], "do not agree on a leader"),
        (HEALTHY, [status("a", 1, 0), status("b", 2, 0)], "do not agree on a leader"),
        (HEALTHY, [status("a", 1, 9), status("b", 2, 9)], "is not a member in the inventory"),
    ],
)
def test_agreement_findings(health, statuses, words):
    (finding,) = etcd.agreement_findings(health, statuses)
    assert words in finding


def test_refusal_is_any_answer_but_http():
    assert etcd.refusal_finding("nobody", (0, "bad certificate")) == ""
    assert etcd.refusal_finding("nobody", (200, "{}")) == "accepts nobody: 200 {}"


@pytest.mark.parametrize(
    "lease, words",
    [
        ({"spec": {"holderIdentity": "controller-1_b9c3"}}, ""),
        (None, "no process holds"),
        ({"spec": {"holderIdentity": None}}, "no process holds"),
        ({"spec": {"holderIdentity": "elsewhere_b9c3"}}, "held by elsewhere"),
    ],
)
def test_holder(cluster, lease, words):
    finding = control_plane.holder_finding({host.name for host in cluster.control_plane}, lease)
    assert words in finding and bool(words) == bool(finding)


def test_unavailable_api_services_are_named_with_the_reason():
    good = {"metadata": {"name": "v1."}, "status": {"conditions": [{"type": "Available", "status": "True"}]}}
    bad = {
        "metadata": {"name": "v1.x"},
        "status": {"conditions": [{"type": "Available", "status": "False", "message": "no endpoints"}]},
    }
    assert control_plane.unavailable([good, bad, {"metadata": {"name": "v1.y"}}]) == [
        "v1.x: no endpoints",
        "v1.y: no condition",
    ]


def behind(*addresses):
    return {"subsets": [{"addresses": [{"ip": address} for address in addresses], "ports": [{"port": 6443}]}]}


ALL = ("10.240.0.10", "10.240.0.11", "10.240.0.12")


def test_kubernetes_service_right(cluster):
    assert control_plane.service_findings(cluster, {"spec": {"clusterIP": "10.32.0.1"}}, behind(*ALL)) == []


@pytest.mark.parametrize(
    "service, endpoints, words",
    [
        (
            {"spec": {"clusterIP": "10.96.0.1"}},
            behind(*ALL),
            "the kubernetes Service is 10.96.0.1 instead of 10.32.0.1",
        ),
        (None, behind(*ALL), "the kubernetes Service is absent"),
        ({"spec": {"clusterIP": "10.32.0.1"}}, behind(*ALL[1:]), "has no endpoint 10.240.0.10:6443"),
        (
            {"spec": {"clusterIP": "10.32.0.1"}},
            behind(*ALL, "10.9.9.9"),
            "has endpoint 10.9.9.9:6443, which is not a control-plane host",
        ),
    ],
)
def test_kubernetes_service_findings(cluster, service, endpoints, words):
    (finding,) = control_plane.service_findings(cluster, service, endpoints)
    assert words in finding


def watching(*answers):
    """A scene whose API gives these endpoints, one after the other, and the last for ever."""
    left = list(answers)

    def get(path):
        if "/services/" in path:
            return {"spec": {"clusterIP": "10.32.0.1"}}
        return left.pop(0) if len(left) > 1 else left[0]

    def wait(check, seconds, interval):
        for _ in range(5):
            if not (missing := check()):
                return
        raise NotReadyError("", waited_for=missing, waited_seconds=seconds)

    return get, wait


def test_an_api_server_that_lost_the_race_for_its_endpoint_is_given_time(cluster):
    get, wait = watching(behind(*ALL[1:]), behind(*ALL))
    scene = SimpleNamespace(cluster=cluster, api=SimpleNamespace(get=get), wait=wait)
    assert control_plane.kubernetes_service(scene) == passed("10.32.0.1 reaches 3 API servers")


def test_an_api_server_that_stays_away_is_named(cluster):
    get, wait = watching(behind(*ALL[1:]))
    outcome = control_plane.kubernetes_service(
        SimpleNamespace(cluster=cluster, api=SimpleNamespace(get=get), wait=wait)
    )
    assert outcome.detail == "the kubernetes Service has no endpoint 10.240.0.10:6443 (waited 25 s)"


def node(ready="True", address="10.240.0.20", version="v1.34.4", runtime="containerd://2.3.7", pressure="False"):
    conditions = [
        {"type": "Ready", "status": ready, "message": "PLEG is not healthy"},
        {"type": "DiskPressure", "status": pressure, "message": "full"},
    ]
    info = {"kubeletVersion": version, "containerRuntimeVersion": runtime}
    return {
        "status": {
            "conditions": conditions,
            "addresses": [{"type": "InternalIP", "address": address}],
            "nodeInfo": info,
        }
    }


@pytest.mark.parametrize("version", ["v1.34.4", ""])
def test_node_right(cluster, version):
    assert nodes.node_findings(cluster, cluster.host("worker-0"), node(version=version)) == []


@pytest.mark.parametrize(
    "bad, words",
    [
        (None, "not registered"),
        (node(ready="Unknown"), "not Ready: PLEG is not healthy"),
        (node(pressure="True"), "DiskPressure: full"),
        (node(address="10.0.2.15"), "its address is 10.0.2.15 instead of 10.240.0.20"),
        (node(version="v1.34.3"), "kubeletVersion is v1.34.3 instead of v1.34.4"),
        (node(runtime="docker://20.10"), "its runtime is docker://20.10 instead of containerd"),
    ],
)
def test_node_findings(cluster, bad, words):
    (finding,) = nodes.node_findings(cluster, cluster.host("worker-0"), bad)
    assert words in finding


def test_dns_deployment(cluster):
    service = {"spec": {"clusterIP": "10.32.0.10"}}
    assert name_service.dns_findings(cluster, {"status": {"readyReplicas": 2}}, service) == []
    assert name_service.dns_findings(cluster, {"status": {}}, service) == ["0 of 2 replicas are ready"]
    (finding,) = name_service.dns_findings(cluster, {"status": {"readyReplicas": 2}}, None)
    assert "kube-dns is absent instead of 10.32.0.10" in finding


def dns_answer(*addresses: str, code: int = 0) -> bytes:
    """As CoreDNS writes it: the question again, then records whose name points back at it."""
    asked = dns_query.question("kubernetes.default.svc.cluster.local", 7)[2:]
    head = struct.pack(">6H", 7, 0x8580 | code, 1, len(addresses), 0, 0)
    records = (b"\xc0\x0c" + struct.pack(">2HIH", 1, 1, 30, 4) + IPv4Address(address).packed for address in addresses)
    return head + asked[12:] + b"".join(records)


def service(name, address, made):
    meta = {"name": name, "namespace": "default", "creationTimestamp": f"2030-01-01T00:00:{made:02}Z"}
    return {"metadata": meta, "spec": {"clusterIP": address} if address else {}}


def test_the_newest_services_are_asked_for():
    listed = [
        service("d", "10.32.0.4", 4),
        service("a", "10.32.0.1", 1),
        service("headless", "None", 9),
        service("outside", "", 9),
    ]
    listed += [service("b", "10.32.0.2", 2), service("c", "10.32.0.3", 3)]
    wanted = name_service.newest(listed, "cluster.local")
    assert {name.partition(".")[0]: str(address) for name, address in wanted.items()} == {
        "b": "10.32.0.2",
        "c": "10.32.0.3",
        "d": "10.32.0.4",
    }
    assert "d.default.svc.cluster.local" in wanted


def test_a_replica_that_lost_its_watch_is_named():
    old, new = IPv4Address("10.32.0.1"), IPv4Address("10.32.0.2")
    known = {"10.200.0.2": {"old": old, "new": new}, "10.200.1.2": {"old": old}}

    def ask(address, name):
        if name not in known[address]:
            raise HardwayError("the name server returns error code 3")
        return [known[address][name]]

    replicas, wanted = {"coredns-1": "10.200.0.2", "coredns-2": "10.200.1.2"}, known["10.200.0.2"]
    assert list(name_service.stale(replicas, wanted, ask)) == [
        "coredns-2 resolves new to nothing (the name server returns error code 3) instead of 10.32.0.2"
    ]
    assert list(name_service.stale({"coredns-1": "10.200.0.2"}, wanted, ask)) == []


def test_dns_answers_are_read():
    assert dns_query.addresses(dns_answer("10.32.0.1", "10.32.0.2")) == [
        IPv4Address("10.32.0.1"),
        IPv4Address("10.32.0.2"),
    ]
    assert dns_query.addresses(dns_answer()) == []


@pytest.mark.parametrize("message", [dns_answer(code=3), b"", dns_answer("10.32.0.1")[:-3], b"\0" * 5])
def test_dns_refusals_and_nonsense_are_errors(message):
    with pytest.raises(HardwayError):
        dns_query.addresses(message)


SECRET = Secret(b"0123456789abcdef" * 4)


def test_encrypted_bytes():
    assert security.storage_findings("aescbc:key1", b"k8s:enc:aescbc:v1:key1:\x00\xff\x12", SECRET) == []


def test_bytes_without_encryption_where_the_inventory_says_none():
    plain = b"k8s\x00\n\x0c\n\x02v1\x12\x06Secret" + SECRET.reveal()
    assert security.storage_findings("identity", plain, SECRET) == []
    (finding,) = security.storage_findings("identity", b"k8s:enc:aescbc:v1:key1:\x00", SECRET)
    assert "encryption.provider is none" in finding


@pytest.mark.parametrize(
    "raw, words",
    [
        (None, "not in etcd under this key"),
        (b"k8s:enc:secretbox:v1:key1:\x00", "starts with"),
        (b"k8s\x00\n\x0c\n\x02v1\x12\x06Secret", "starts with"),
        (b"k8s:enc:aescbc:v1:key1:" + SECRET.reveal(), "is readable in etcd"),
    ],
)
def test_storage_findings(raw, words):
    (finding,) = security.storage_findings("aescbc:key1", raw, SECRET)
    assert words in finding


CREATED = '{"verb":"create","objectRef":{"resource":"secrets","namespace":"ns"}}'


def test_audit_right():
    assert security.audit_findings(["not json", CREATED], "ns", SECRET) == []


@pytest.mark.parametrize(
    "lines, words",
    [
        ([], "does not record the Secret's creation"),
        ([CREATED.replace("create", "get")], "does not record the Secret's creation"),
        ([CREATED.replace('"ns"', '"other"')], "does not record the Secret's creation"),
        ([CREATED, f'{{"requestObject":"{SECRET.reveal().decode()}"}}'], "value is in the audit log"),
        ([CREATED, f'{{"requestObject":"{security.traces(SECRET)[1].decode()}"}}'], "value is in the audit log"),
    ],
)
def test_audit_findings(lines, words):
    (finding,) = security.audit_findings(lines, "ns", SECRET)
    assert words in finding
