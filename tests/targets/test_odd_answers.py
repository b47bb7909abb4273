"""Whatever a host, the API server or etcd answers: it is said of them, and is never a bug of ours."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from fakes.oddities import as_bytes, lines, mutated
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hardway.commands.node.listing import Lives as Seen
from hardway.commands.node.listing import _pods, listed
from hardway.commands.status.api import node as shown_node
from hardway.commands.status.api import pods_of, ready_of
from hardway.commands.status.collect import AGE, ETCD, LEASE, machine, member, other_run, unit
from hardway.errors import HardwayError
from hardway.etcd.command import Etcdctl
from hardway.facts import Facts, parse
from hardway.foreign.understanding import NotUnderstood, mappings, understood, unexpected
from hardway.inventory import load
from hardway.living.lives import forward, node
from hardway.living.requested import Amounts, of_pod, together
from hardway.phase import Inputs
from hardway.pki.credentials import Credentials
from hardway.preflight import findings
from hardway.run.components import components
from hardway.state.statedir import Overlay, StateDir
from hardway.targets.kube import KubeApi
from hardway.transport import Result
from hardway.vocabulary import Probe

LAB = load(Path(__file__).parents[2] / "inventory" / "lab.yaml")
HOST = LAB.host("controller-0")
SEEK = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))

SURVEY = f"""arch=x86_64
kernel=6.1.0-13-amd64
hostname=controller-0
uid=0
init=systemd
clock=1700000000.123456789
machine_id=1f0c
memory_kb=8388608
cpus=2
disk_free_kb=20971520
var_free_kb=20971520
os=debian
os_version=12
addresses={HOST.address}=eth0 192.0.2.7=eth1
links={HOST.address}/32 192.0.2.0/24
beyond=10.240.0.20=none 10.240.0.21=192.0.2.1
cgroup=2
resolv_conf=/etc/resolv.conf
nameservers=192.0.2.53
package_manager=apt-get
filesystem_overlay=yes
swaps=0
listening=16 1F90
holders=6443=kube-apiserver=812
units=etcd.service kube-apiserver.service
cluster=lab 0123456789abcdef
kubernetes=1.36.4
etcd=3.6.14
pod_block=10.200.1.0/24
routes=10.200.2.0/24=10.240.0.21
providers=aescbc:key1=1f0c identity
service_cidr=10.32.0.0/24
issuer=https://10.240.0.9:6443
pod_cidr=10.200.0.0/16
reserved=cpu=500m memory=1Gi
signs=yes
trusts=/etc/kubernetes/pki/ca.crt=0123456789abcdef /etc/kubernetes/pki/sa.pub=fedcba9876543210
flags=etcd.wal-dir=/var/lib/wal kube-apiserver.secure-port=6443
servers=https://10.240.0.9:6443
bound=6443
shared=10.240.0.9
peers=10.240.0.11
components=etcd kube-apiserver
drop_ins=kubelet=/etc/x.conf=ExecStart
folders=/var/lib/etcd=/=20971520=rw,noexec
bridge=10.85.0.1/16
cni=10-other.conf
api_name=lab 10.240.0.9
boot=starting 3 x.service start running 84
kubelet_cert=MIIB
"""
NODE = {
    "metadata": {"name": "worker-0", "creationTimestamp": "2026-01-31T12:00:00Z", "annotations": {}},
    "spec": {"podCIDR": "10.200.0.0/24", "unschedulable": True, "taints": [{"key": "a", "effect": "NoSchedule"}]},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "10.240.0.20"}],
        "conditions": [{"type": "Ready", "status": "False", "message": "kubelet stopped", "reason": "X"}],
        "nodeInfo": {"kubeletVersion": "v1.36.4", "containerRuntimeVersion": "containerd://2.3.7"},
        "allocatable": {"pods": "110", "cpu": "1500m", "memory": "1Gi"},
    },
}
REQUEST = {"resources": {"requests": {"cpu": "100m"}}}
PODS = {
    "items": [
        {"metadata": {"name": "a"}, "spec": {"nodeName": "worker-0", "containers": [REQUEST], "overhead": {"cpu": 1}}},
        {"metadata": {"name": "b"}, "spec": {"initContainers": [{**REQUEST, "restartPolicy": "Always"}]}},
    ]
}
STATUS = [
    {
        "Endpoint": HOST.client_url,
        "Status": {
            "header": {"cluster_id": 1, "member_id": 7, "revision": 9, "raft_term": 2},
            "version": "3.6.14",
            "dbSize": 700000,
            "leader": 7,
            "raftIndex": 5,
            "errors": ["memberID:7 alarm:NOSPACE"],
        },
    }
]
MEMBERS = {"members": [{"ID": 7, "name": "controller-0", "peerURLs": ["https://x:2380"], "clientURLs": []}]}
HEALTH = [{"endpoint": HOST.client_url, "health": False, "error": "x"}]
HASHES = [{"Endpoint": HOST.client_url, "HashKV": {"hash": 3, "compact_revision": 1}}]


def facts_of(answer: str) -> Facts:
    with understood("controller-0", answer, "controller-0"):
        return parse(answer, 1700000000.0, 1700000001.0)


def test_the_right_answers_are_understood():
    facts = facts_of(SURVEY)
    assert facts.memory_mb == 8192 and facts.listening == {22, 8080} and facts.clock_offset == 0.0
    assert node(NODE).address == "10.240.0.20" and shown_node(NODE, {"worker-0": 3}).pods_allowed == 110
    assert Answering(json.dumps(STATUS).encode()).status()[0].is_leader


@SEEK
@given(lines(SURVEY))
@example("")
@example("clock=nan\n")
@example("cpus=" + "9" * 5000)
@example("listening=FFFFFFFF\n")
def test_a_survey_is_understood_or_refused_and_preflight_judges_what_was(answer: str):
    try:
        facts = facts_of(answer)
    except NotUnderstood as error:
        assert error.host == "controller-0" and "does not understand" in error.message
        return
    known = {host.name: Facts(hostname=host.name) for host in LAB.hosts} | {"controller-0": facts}
    store = Overlay(StateDir(Path("/nowhere/at/all")))
    assert all(finding.what for finding in findings(Inputs(LAB, known, Credentials(LAB, store), None)))


class Answering(Etcdctl):
    """etcdctl on a host that answers this."""

    class Transport:
        host = HOST

        def __init__(self, out: bytes):
            self.out = out

        def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
            return Result(0, self.out, b"")

    def __init__(self, out: bytes):
        super().__init__(self.Transport(out), (HOST,))  # type: ignore[arg-type]


@SEEK
@given(st.data())
@pytest.mark.parametrize(
    ("question", "right"),
    [
        (lambda etcd: etcd.status(), STATUS),
        (lambda etcd: etcd.members(), MEMBERS),
        (lambda etcd: etcd.health(), HEALTH),
        (lambda etcd: etcd.hashes(9), HASHES),
        (lambda etcd: etcd.alarms(), {"alarms": [{"memberID": 7, "alarm": 1}]}),
        (lambda etcd: etcd.get("/registry/x"), {"kvs": [{"key": "eA==", "value": "eA=="}]}),
        (lambda etcd: etcd.add_member("x", ("https://x:2380",)), {"member": MEMBERS["members"][0]}),
    ],
    ids=["status", "members", "health", "hashes", "alarms", "get", "add"],
)
def test_etcd(question, right, data: st.DataObject):
    try:
        question(Answering(data.draw(as_bytes(right))))
    except HardwayError as error:
        assert "controller-0" in " ".join(error.lines())


def requested(pods: dict) -> Amounts:
    return together(map(of_pod, mappings(pods.get("items"))))


class Api(KubeApi):
    """An API server that answers this."""

    def __init__(self, body: bytes):
        self.body = body

    def request(self, method: str, path: str, body: bytes | None = None, content_type: str = "") -> tuple[int, bytes]:
        return 200, self.body


@SEEK
@given(as_bytes({"kind": "NodeList", "items": [NODE]}))
@example(b"[]")
@example(b"null")
@example(b'{"items": null}')
@example(b"\xff\xfe{")
@example(b"[" * 100_000)
def test_nodes_of_an_api(body: bytes):
    try:
        items = (Api(body).get("/api/v1/nodes") or {}).get("items", [])
    except NotUnderstood as error:
        assert error.message.startswith("the API server gave an answer")
        return
    now = datetime.datetime.now(datetime.UTC)
    for found in items:
        for question in (lambda one: shown_node(one, {}), node):
            try:
                with understood("the API server", found):
                    question(found)
            except NotUnderstood:
                continue
        try:
            with understood("the API server", found):
                listed(LAB, Seen({found["metadata"]["name"]: found}, {}, ()), now)
        except NotUnderstood:
            continue


@SEEK
@given(
    mutated(PODS), mutated({"status": {"readyReplicas": 2}}), mutated({"data": {"Corefile": "a {\n forward . x\n}"}})
)
def test_other_objects_of_an_api(pods, deployment, names):
    for question, right in (
        (pods_of, pods),
        (_pods, pods),
        (requested, pods),
        (ready_of, deployment),
        (forward, names),
    ):
        try:
            with understood("the API server", right):
                question(right)
        except NotUnderstood:
            continue


@SEEK
@given(as_bytes(STATUS), st.sampled_from(["", "x", "9" * 400, "nan inf", "-1 -1", "90000 0.25 0.5", "\x1b"]), st.text())
def test_a_row_of_status_comes_about(etcd: bytes, age: str, said: str):
    answers = {AGE: age, ETCD: etcd.decode("utf-8", "replace"), LEASE: said}
    names = [name for name, hosts in components(LAB).items() if HOST in hosts]
    for name in names:
        answers |= {Probe(verb, (f"{name}.service",)): said for verb in ("unit", "version")}
    assert machine(HOST, answers).reachable and member(HOST, answers).host == "controller-0"
    assert isinstance(other_run([answers]), str)
    assert all(unit(LAB, name, HOST, answers).host == "controller-0" for name in names)


@pytest.mark.parametrize(
    "answer", ["1 t working 1 9e99 a@b 7 lock x", "nan t working 1 nan a@b 7 l x", "1 t w 1 -9e9 a@b 7 l x"]
)
def test_a_lease_of_no_time_is_none_or_can_be_told(answer: str):
    assert isinstance(other_run([{LEASE: answer}]), str)


def test_what_is_not_understood_says_whose_it_was_and_shows_its_beginning():
    with pytest.raises(NotUnderstood) as caught, understood("the API server", b"\x1b[2J" + b"x" * 900, "kubernetes"):
        {}["header"]
    assert "'header' is missing" in caught.value.message and caught.value.evidence.startswith("\\u001b[2Jxx")
    assert len(caught.value.evidence) < 400 and caught.value.exit_code == 5


def test_a_judgement_that_an_odd_answer_prevents_says_where():
    try:
        {}["header"]
    except KeyError as error:
        assert "'header' is missing, test_odd_answers.py:" in unexpected(error)
