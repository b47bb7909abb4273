"""What goes wrong in a cluster that lives, caused for real; after each remedy `bootstrap` completes and `verify`
passes."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from fakes import bolt_file
from fakes.past import expire
from stage import Ran, Stage, await_true, of_the_lab
from strike import begins
from watched import Watched

from hardway.foreign.quantity import amount
from hardway.inventory import load
from hardway.phases import control_plane
from hardway.state.statedir import StateDir

from .cases import case

pytestmark = pytest.mark.lab

MACHINES = {"lb": ["lb", "etcd"], "one": ["etcd", "control-plane", "worker"], "two": ["etcd", "worker"]}


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    """Three machines, as few as can have an etcd that survives a loss, with a cluster on them."""
    inventory = of_the_lab("doctor", node="10.232.2", pods="10.186", services="10.66.0")
    hosts = [
        {"name": name, "address": f"10.232.2.1{number}", "roles": roles}
        for number, (name, roles) in enumerate(MACHINES.items())
    ]
    inventory |= {"hosts": hosts, "addons": {"coredns": {"replicas": 1}}, "ssh": {"connect_timeout": 5}}
    stage = make_stage(inventory)
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    assert "[not-built] cluster doctor is not built on any host that answers" in doctor(stage).ok(7).out
    stage.bootstrap()
    return stage


@pytest.fixture(autouse=True)
def whole_again(stage: Stage) -> Iterator[None]:
    """The remedy of nearly all of these is `bootstrap`; nothing of what a test did is left, as far as verify's checks
    can look."""
    yield
    stage.bootstrap()
    last: list[Ran] = []

    def well() -> bool:
        last[:] = [doctor(stage)]
        return last[0].code == 0

    await_true(well, 180, "doctor to find nothing", evidence=lambda: str(last[0]))


def doctor(stage: Stage, *options: str) -> Ran:
    return stage.hardway("doctor", "INV", *options)


@contextlib.contextmanager
def edited(stage: Stage, **keys: Any) -> Iterator[None]:
    """Other keys in the inventory for a while."""
    before = stage.inventory.read_text()
    stage.inventory.write_text(yaml.safe_dump({**yaml.safe_load(before), **keys}, sort_keys=False))
    try:
        yield
    finally:
        stage.inventory.write_text(before)


def test_a_healthy_cluster_is_told_so(stage: Stage):
    ran = doctor(stage).ok()
    assert "3 of 3 hosts answer, no problem found" in ran.out
    assert doctor(stage, "--output", "json").ok().json["healthy"] is True


@case("expired-certificate")
def test_expired_certificate(stage: Stage, told):
    certificate = expire(load(stage.inventory), StateDir(stage.state), "apiserver")
    path = "/etc/kubernetes/pki/apiserver.crt"
    process = "systemctl show -P MainPID kube-apiserver"
    before = stage.ssh("one", process)
    stage.ssh("one", f"cat >{path}; systemctl restart --no-block kube-apiserver", certificate.decode())
    # The one that is stopping reads the new certificate too, and then is gone in the middle of a question.
    await_true(lambda: stage.ssh("one", process) not in ("0\n", before), 60, "the new API server")
    served = ("verify", "INV", "--only", "certificates-served")
    shown = re.compile(r"one: 10.232.2.11:6443 serves another certificate .*expired on \d{4}-")
    await_true(lambda: shown.search(stage.hardway(*served).out) is not None, 60, "the API server to show it")
    told(doctor(stage), "one")
    assert ("control-plane", "one", f"file {path}") in stage.bootstrap().changes


@pytest.mark.parametrize(
    "program", [pytest.param(name, marks=case("argument-refused")) for name in ("kube-apiserver", "kube-scheduler")]
)
def test_argument_refused(stage: Stage, told, program: str):
    with edited(stage, extra_args={program: {"no-such-flag": "1"}}):
        ran = told(stage.hardway("bootstrap", "INV"), "one")
        assert f"correct or remove extra_args.{program}.no-such-flag in {stage.inventory}" in ran.err
        assert int(re.search(r"waited (\d+) s for", ran.err)[1]) < control_plane.PHASE.deadline / 2
        assert f"[argument-refused] one: {program} refuses --no-such-flag" in doctor(stage).ok(7).out


@case("network-of-a-living-cluster")
def test_network_of_a_living_cluster(stage: Stage, told):
    network = yaml.safe_load(stage.inventory.read_text())["network"]
    with edited(stage, network={**network, "service_cidr": "10.69.0.0/24"}):
        ran = told(stage.hardway("bootstrap", "INV"), "one")
        assert "10.69.0.0/24" in ran.err and network["service_cidr"] in ran.err
        assert "[ERROR NetworkFixed] one: network.service_cidr" in stage.hardway("plan", "INV").ok().out
    assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out


def keeping(stage: Stage, **amounts: Any) -> contextlib.AbstractContextManager:
    """`one` keeps so much from pods in the inventory, for a while."""
    hosts = yaml.safe_load(stage.inventory.read_text())["hosts"]
    return edited(stage, hosts=[{**host, "reserved": amounts} if host["name"] == "one" else host for host in hosts])


@case("reserved-more-than-there-is")
def test_reserved_more_than_there_is(stage: Stage, told):
    with keeping(stage, cpu=1000):
        told(stage.hardway("bootstrap", "INV"), "one")


@case("reserved-more-than-pods-leave")
def test_reserved_more_than_pods_leave(stage: Stage, told):
    """The pod has no image, so it never starts; it has its place all the same."""
    read = ("get", "node", "one", "-o", "jsonpath={.status.allocatable.cpu}")
    free = amount(stage.kubectl(*read).ok().out)
    container = {"name": "x", "image": "none", "imagePullPolicy": "Never", "resources": {"requests": {"cpu": "600m"}}}
    spec = {"nodeName": "one", "terminationGracePeriodSeconds": 0, "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "large"}, "spec": spec}
    stage.kubectl("create", "-f", "-", stdin=yaml.safe_dump(pod)).ok()
    try:
        with keeping(stage, cpu=str(free - amount("500m"))):
            told(stage.hardway("bootstrap", "INV"), "one")
            stage.kubectl("delete", "pod", "large").ok()
            stage.bootstrap()
            await_true(lambda: stage.kubectl(*read).ok().out == "500m", 30, "the node to say what pods may have")
    finally:
        stage.kubectl("delete", "pod", "large", "--ignore-not-found").ok()


@case("flag-that-stays")
def test_flag_that_stays(stage: Stage, told):
    before = stage.kubectl("get", "all", "-A", "-o", "name").ok().out
    with edited(stage, extra_args={"kube-apiserver": {"etcd-prefix": "/elsewhere"}}):
        told(stage.hardway("bootstrap", "INV"), "one")
        assert "[ERROR FixedFlag] one: " in stage.hardway("plan", "INV").out
    assert stage.kubectl("get", "all", "-A", "-o", "name").ok().out == before


@case("api-port-moves")
def test_api_port_moves(stage: Stage, told):
    hosts = yaml.safe_load(stage.inventory.read_text())["hosts"]
    moved = {"lb": ["etcd"], "one": ["lb", *MACHINES["one"]]}
    with edited(stage, hosts=[{**host, "roles": moved.get(host["name"], host["roles"])} for host in hosts]):
        ran = told(stage.hardway("bootstrap", "INV"), "one")
        assert "Port-6443" not in ran.err, "nobody is to stop the API server"
    stage.kubectl("get", "--raw", "/readyz").ok()


@case("encryption-key-unknown")
def test_encryption_key_unknown(stage: Stage, told):
    config = "/etc/kubernetes/encryption-config.yaml"
    stage.ssh("one", f"cp -a {config} /root/kept && sed -i 's/name: key1/name: key2/' {config}")
    changed = stage.ssh("one", f"sha256sum {config}")
    try:
        ran = told(stage.hardway("bootstrap", "INV"), "one")
        assert "aescbc:key2=" in ran.err and stage.ssh("one", f"sha256sum {config}") == changed
    finally:
        stage.ssh("one", f"mv /root/kept {config}")


@case("encryption-key-away")
def test_encryption_key_away(stage: Stage, told):
    key = stage.state / "encryption/aescbc-key1.key"
    away = key.rename(stage.folder / "away.key")
    try:
        told(stage.hardway("bootstrap", "INV"), "one")
        assert not key.exists()
    finally:
        away.rename(key)


@case("image-missing")
def test_image_missing(stage: Stage, told):
    remove = "ctr -n k8s.io images ls -q | grep coredns | xargs ctr -n k8s.io images rm"
    stage.ssh("two", remove)
    with edited(stage, assets={"images": "pull"}):
        stage.kubectl("cordon", "one").ok()
        try:
            stage.kubectl("-n", "kube-system", "delete", "pod", "-l", "k8s-app=kube-dns", "--wait=false").ok()
            await_true(
                lambda: "ImagePull" in stage.kubectl("get", "pods", "-A").out, 120, "the kubelet to miss the image"
            )
            told(doctor(stage), "two")
        finally:
            stage.kubectl("uncordon", "one").ok()
    assert {host for _, host, resource in stage.bootstrap().changes if re.match("image .*coredns", resource)} == {"two"}


@pytest.fixture
def without_dns(stage: Stage) -> str:
    """The address of kube-dns, which is no more."""
    address = (
        stage.kubectl("-n", "kube-system", "get", "service", "kube-dns", "-o", "jsonpath={.spec.clusterIP}").ok().out
    )
    stage.kubectl("-n", "kube-system", "delete", "service", "kube-dns").ok()
    return address


@case("dns-address-taken")
def test_dns_address_taken(stage: Stage, without_dns: str, told):
    stage.kubectl("create", "service", "clusterip", "taker", "--tcp=80", f"--clusterip={without_dns}").ok()
    try:
        told(stage.hardway("bootstrap", "INV"), "kubernetes")
    finally:
        stage.kubectl("delete", "service", "taker").ok()


def test_an_address_reserved_for_a_service_that_was_never_made(stage: Stage, without_dns: str):
    """As an API server leaves it that dies while it creates the Service; by itself it is cleared away after a
    minute."""
    labels = {"ipaddress.kubernetes.io/ip-family": "IPv4", "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"}
    of = {"group": "", "resource": "services", "namespace": "kube-system", "name": "kube-dns"}
    reserved = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IPAddress",
        "metadata": {"name": without_dns, "labels": labels},
    }
    stage.kubectl("create", "-f", "-", stdin=yaml.safe_dump({**reserved, "spec": {"parentRef": of}})).ok()
    assert ("dns", "kubernetes", "Service kube-system/kube-dns") in stage.bootstrap().changes


@case("load-balancer-down")
def test_load_balancer_down(stage: Stage, told):
    stage.ssh("lb", "systemctl disable -q --now haproxy")
    told(doctor(stage), "lb")
    assert "api-address" in stage.hardway("verify", "INV", "--only", "api-address").ok(7).out
    assert ("load-balancer", "lb", "unit haproxy.service") in stage.bootstrap().changes


@case("unit-masked")
def test_unit_masked(stage: Stage, told):
    stage.ssh("lb", "systemctl mask -q --now haproxy")
    told(doctor(stage), "lb")
    assert "masked" in stage.hardway("plan", "INV", "--only", "load-balancer").ok().out


@case("name-not-in-certificate")
def test_name_not_in_certificate(stage: Stage, told):
    as_named = ("--tls-server-name", "api.school.example", "get", "--raw", "/readyz")
    assert "certificate is valid for" in stage.kubectl(*as_named).err
    before = stage.keys()
    with edited(stage, api={"extra_sans": ["api.school.example"]}):
        told(doctor(stage), "one")
        stage.bootstrap()
        stage.kubectl(*as_named).ok()
    after = stage.keys()
    assert {name for name in before if before[name] != after.get(name)} == {"pki/apiserver.crt"}


@case("authority-key-away")
def test_authority_key_away(stage: Stage, told):
    key, safe = stage.state / "pki/ca.key", stage.folder / "ca.key"
    key.rename(safe)
    try:
        with edited(stage, api={"extra_sans": ["other.school.example"]}):
            told(stage.hardway("bootstrap", "INV"))
            assert "other.school.example" in doctor(stage).ok(7).out
    finally:
        safe.rename(key)


@case("ca-replaced-elsewhere")
def test_ca_replaced_elsewhere(stage: Stage, told):
    copy = stage.folder / "colleague"
    shutil.copytree(stage.state, copy)
    stage.hardway("certs", "rotate-ca", "etcd", "INV", "--state-dir", str(copy), timeout=1200).ok()
    told(stage.hardway("bootstrap", "INV"), "one")
    shutil.rmtree(stage.state)
    copy.rename(stage.state)


@case("renewal-beside-an-edit")
def test_renewal_beside_an_edit(stage: Stage, told):
    before = stage.keys()
    kubelet = yaml.safe_load(stage.inventory.read_text()).get("kubelet", {})
    with edited(stage, kubelet={**kubelet, "max_pods": 90}):
        one = stage.hardway("certs", "renew", "INV", "scheduler")
        assert "/var/lib/kubelet/config.yaml" in told(one).err
        told(stage.hardway("certs", "rotate-ca", "etcd", "INV"))
    assert stage.keys() == before


@case("swap-returns")
def test_swap_returns(stage: Stage, told):
    stage.ssh("two", "echo '/swapfile none swap sw 0 0' >>/etc/fstab")
    told(doctor(stage), "two")
    assert "~ swap off: fstab /swapfile" in stage.hardway("plan", "INV").ok().out
    assert ("prepare", "two", "swap off") in stage.bootstrap().changes
    stage.lab("reboot", "two")
    assert stage.ssh("two", "swapon --show; grep -c '^#hardway-swap# /swapfile' /etc/fstab") == "1\n"


@case("dns-out-of-date")
def test_dns_out_of_date(stage: Stage, told):
    found = stage.kubectl(
        "-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-dns", "-o", "jsonpath={.items[0].spec.nodeName}"
    ).ok()
    stage.ssh(found.out, "nsenter -t $(pgrep -x coredns) -n iptables -A INPUT -p tcp --sport 443 -j DROP")
    stage.kubectl("create", "service", "clusterip", "late", "--tcp=80").ok()
    told(doctor(stage))
    for action in (("restart",), ("status", "--timeout=50s")):
        stage.kubectl("-n", "kube-system", "rollout", action[0], "deployment", "coredns", *action[1:]).ok()
    stage.kubectl("delete", "service", "late").ok()


@case("etcd-member-down")
def test_etcd_member_down(stage: Stage, told):
    stage.ssh("two", "systemctl stop etcd")
    told(doctor(stage), "two")
    stage.kubectl("get", "nodes").ok()
    status = stage.hardway("status", "INV", "--output", "json").ok().json
    [unit] = [unit for unit in status["units"] if (unit["name"], unit["host"]) == ("etcd", "two")]
    assert unit["state"] == "inactive" and [row["host"] for row in status["etcd"] if row["problem"]] == ["two"]


@case("etcd-quorum-lost")
def test_etcd_quorum_lost(stage: Stage, told):
    for host in ("two", "lb"):
        stage.ssh(host, "systemctl stop etcd")
    await_true(lambda: stage.kubectl("get", "--raw", "/readyz").code != 0, 60, "the API to notice")
    told(doctor(stage))
    stage.bootstrap()
    # Kube-proxy and CoreDNS hear of the Services that verify makes: their watches have not died with the leader
    stage.settled()


@case("etcd-full")
def test_etcd_full(stage: Stage, told):
    with edited(stage, extra_args={"etcd": {"quota-backend-bytes": "8000000"}}):
        stage.bootstrap()
        load_ = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"generateName": "fills-"},
            "data": {"x": "y" * 900_000},
        }
        manifest = yaml.safe_dump(load_)
        await_true(
            lambda: "database space exceeded" in stage.kubectl("create", "-f", "-", stdin=manifest).err,
            60,
            "etcd to be full",
        )
        told(doctor(stage), "one")
        refused = stage.hardway("etcd", "disarm", "INV").ok(9)
        assert "the alarm stays: " in refused.err and "hardway etcd defrag" in refused.err
        with edited(stage, extra_args={"etcd": {"quota-backend-bytes": "64000000"}}):
            stage.hardway("bootstrap", "INV", "--until", "etcd", timeout=600).ok()
            again = doctor(stage).ok(7).out
            there = f"next: there is room again, so clear the alarm: hardway etcd disarm {stage.inventory}"
            assert "[etcd-alarm]" in again and there in again
            stage.hardway("etcd", "disarm", "INV").ok()
            names = stage.kubectl("get", "configmaps", "-o", "name").ok().out.split()
            stage.kubectl("delete", *[name for name in names if "fills-" in name]).ok()
        gained = stage.hardway("etcd", "defrag", "INV", "--compact", timeout=600).ok().out
        assert float(re.search(r"([\d.]+) MB given back", gained)[1]) > 10
        stage.hardway("etcd", "status", "INV").ok()


@case("snapshot-of-another-cluster")
def test_snapshot_of_another_cluster(stage: Stage, told):
    other = bolt_file.write(stage.folder / "other.db", b"another cluster's objects")
    told(stage.hardway("etcd", "restore", "INV", str(other), "--yes"))
    told(stage.hardway("etcd", "restore", "INV", str(other), "--dry-run"))
    assert doctor(stage).ok().code == 0


@case("restore-not-finished")
def test_restore_is_killed(stage: Stage, told):
    stage.hardway("etcd", "backup", "INV", "-o", "saved.db").ok()
    with Watched(stage, "saved.db", "--yes", command="etcd restore") as run:
        assert run.until(lambda events: any(begins(event, "restore-data") for event in events), 120)
        run.kill()
    told(doctor(stage))
    # Which of the two depends on whether a member still has its data, or has the new one already.
    refused = stage.hardway("bootstrap", "INV")
    assert refused.code in (5, 9) and f"hardway etcd restore {stage.inventory} FILE" in refused.err
    stage.hardway("etcd", "restore", "INV", "saved.db", "--yes", timeout=600).ok()


@case("disk-fills-up")
def test_disk_fills_up(stage: Stage, told):
    stage.ssh(
        "two",
        "mount -t tmpfs -o size=16m tmpfs /var/log && { dd if=/dev/zero of=/var/log/filler bs=1M count=20 2>/dev/null;"
        " :; }",
    )
    try:
        told(doctor(stage), "two")
    finally:
        stage.ssh("two", "umount -l /var/log")


class TestDoctorAmongRuins:
    """It never stops at the first failure, and says what is the cause of what."""

    def test_without_the_state_directory(self, stage: Stage):
        (stage.state / "pki").rename(stage.folder / "away")
        try:
            ran = doctor(stage).ok(7)
            assert "[host-unfit] one: belongs to cluster doctor, whose keys are not in" in ran.out
            assert (
                "the keys of this cluster are not on this computer: " in ran.out and not (stage.state / "pki").exists()
            )
        finally:
            (stage.folder / "away").rename(stage.state / "pki")

    def test_a_host_is_away(self, stage: Stage):
        stage.lab("cut", "lb")
        try:
            seen = doctor(stage, "--output", "json").ok(7).json
        finally:
            stage.lab("heal", "lb")
        [cause] = [cause for cause in seen["causes"] if cause["diagnosis"] == "host-away"]
        assert cause["host"] == "lb" and seen["away"] == ["lb"]
        assert "etcd-member" in {one["diagnosis"] for one in cause["consequences"]}

    def test_no_host_at_all_answers(self, stage: Stage):
        with edited(stage, ssh={"port": 2}):
            ran = doctor(stage).ok(4)
        assert all(f"[host-away] {name}: nothing listens on " in ran.out for name in MACHINES)


HELD = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: held}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [UPDATE], resources: [secrets]}]
  validations: [{expression: "object.metadata.name != 'held'"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: held}
spec: {policyName: held, validationActions: [Deny]}
"""


@case("encryption-secret-refused")
def test_encryption_secret_refused(stage: Stage, told):
    stage.kubectl("create", "secret", "generic", "held", "--from-literal=word=hidden").ok()
    stage.kubectl("apply", "-f", "-", stdin=HELD).ok()

    def changed() -> bool:
        """Each time into something else: kubectl writes nothing that is there already."""
        return stage.kubectl("label", "secret", "held", "--overwrite", f"seen=at-{time.monotonic_ns()}").code == 0

    try:
        await_true(lambda: not changed(), 60, "the policy to be in force")
        told(stage.hardway("encryption", "rotate", "INV", timeout=900))
    finally:
        stage.kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", "held").ok()
    assert "[encryption-rotation]" in doctor(stage).out
    await_true(changed, 60, "the policy to be gone")
    stage.hardway("encryption", "rotate", "INV", timeout=900).ok()
    stage.kubectl("delete", "secret", "held").ok()


@case("encryption-secret-unreadable")
def test_encryption_secret_unreadable(stage: Stage, told):
    flags = "--cacert=/etc/etcd/pki/ca.crt --cert=/etc/etcd/pki/server.crt --key=/etc/etcd/pki/server.key"
    etcdctl, path = f"/usr/local/bin/etcdctl {flags}", "/registry/secrets/default/lost"
    keys = sorted(stage.state.glob("encryption/*.key"))
    stage.ssh("one", f"{etcdctl} put {path} k8s:enc:aescbc:v1:key99:gone")
    try:
        told(stage.hardway("encryption", "rotate", "INV", timeout=900))
        shown = stage.hardway("encryption", "status", "INV").ok(7).out
    finally:
        stage.ssh("one", f"{etcdctl} del {path}")
    assert "1 Secret under aescbc:key99, which is not in the state directory" in shown
    assert sorted(stage.state.glob("encryption/*.key")) == keys
    await_true(lambda: stage.kubectl("get", "secrets", "-A").code == 0, 60, "Secrets to be listed")


@case("encryption-key-retired")
def test_encryption_key_retired(stage: Stage, told):
    config = "/etc/kubernetes/encryption-config.yaml"
    stage.ssh("one", f"cp -a {config} /root/kept")
    stage.hardway("encryption", "rotate", "INV", timeout=900).ok()
    stage.ssh("one", f"mv /root/kept {config}; systemctl restart kube-apiserver")
    told(stage.hardway("bootstrap", "INV"), "one")
    stage.hardway("encryption", "rotate", "INV", timeout=900).ok()
    assert len(stage.hardway("encryption", "status", "INV", "--output", "json").ok().json["resources"]["secrets"]) < 2


def test_the_cluster_works_after_all_of_it(stage: Stage):
    """The smoke suite too: pods, Services, names, logs, exec."""
    stage.settled()


def test_a_host_that_is_lost_does_not_keep_the_others_from_being_reset(stage: Stage):
    """The next command of the error is carried out; once the host is back, the cluster is built anew
    (`whole_again`)."""
    stage.lab("power-off", "lb")
    try:
        refused = stage.hardway("reset", "INV", "--yes").ok(4)
        [limits] = re.findall(rf"to leave out lb: hardway reset {stage.inventory} (.*)", refused.err)
        stage.hardway("reset", "INV", "--yes", *limits.split()).ok()
    finally:
        stage.lab("power-on", "lb")
    stage.hardway("reset", "INV", "--yes").ok()
