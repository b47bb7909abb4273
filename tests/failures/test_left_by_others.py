"""Lab machines on which others left something: found on bare ones, and on a cluster that lives."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
import yaml
from canary import Canary
from stage import Ran, Stage, await_true, of_the_lab

from .cases import case
from .shapes import CNI, DROP, DROP_IN, DROPPED, FORWARDING, MANIFEST, NO_FORWARDING, SHAPES

pytestmark = pytest.mark.lab

NODE = "10.236.3"
HANGING = "/etc/systemd/system/hangs.service"
HANGS = (
    "[Unit]\\nBefore=network-online.target\\n[Service]\\nType=oneshot\\nExecStart=/bin/sleep 900\\n"
    "TimeoutStartSec=900\\n[Install]\\nWantedBy=network-online.target\\n"
)


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    inventory = of_the_lab("others", node=NODE, pods="10.172", services="10.52.0")
    hosts = {host["name"]: host for host in inventory["hosts"]}
    hosts["controller-0"] |= {"name": "one", "roles": ["etcd", "control-plane"]}
    hosts["worker-0"] |= {"name": "two"}
    inventory["hosts"] = [hosts["controller-0"], hosts["worker-0"]]
    stage = make_stage({**inventory, "addons": {"coredns": {"replicas": 1}}})
    stage.lab("up")
    return stage


@pytest.fixture
def clean(stage: Stage) -> Iterator[None]:
    """Whatever a test did to a machine, its remedy left nothing."""
    yield
    assert "0 warnings" in stage.hardway("preflight", "INV").ok().out


def command(ran: Ran) -> str:
    """The first remedy, as a shell can run it."""
    return re.search(r"\|\s+next: (?:if you do not need it: )?([^;\n]*)", ran.err)[1]


# Whose next command a shell can run as it stands.
TYPED = ("drop-in", "cni", "static-pod", "bridge")
FOUND = [
    pytest.param("drop-in", marks=case("unit-changed-by-others")),
    pytest.param("cni", marks=case("pod-network-of-others")),
    pytest.param("static-pod", marks=case("static-pod-of-others")),
    pytest.param("bridge", marks=case("bridge-of-others")),
    pytest.param("resolver", marks=case("no-resolver")),
    pytest.param("noexec", marks=case("programs-cannot-run")),
    pytest.param("disk", marks=case("small-file-system-of-its-own")),
    pytest.param("forwarding", marks=case("forwarding-forbidden")),
    pytest.param("dropped", marks=case("port-behind-a-firewall")),
    pytest.param("rejected", marks=case("port-behind-a-firewall")),
]


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("name", FOUND)
def test_it_is_found_before_anything_is_changed(stage: Stage, told, name: str):
    """By each command that would come upon it."""
    shape = next(one for one in SHAPES if one.name == name)
    host = "two" if shape.worker else "one"
    stage.ssh(host, shape.harm)
    ran = stage.hardway("preflight", "INV")
    try:
        told(ran, host)
        assert ran.seconds < 10
        assert stage.hardway("bootstrap", "INV").code == 5
        assert stage.hardway("plan", "INV", "--exit-code").code == 7
    finally:
        stage.ssh(host, command(ran) if name in TYPED else shape.remedy)


@pytest.mark.usefixtures("clean")
@case("api-name-unknown")
def test_the_api_has_a_name_that_no_host_knows(stage: Stage, told):
    whole = stage.inventory.read_text()
    inventory = yaml.safe_load(whole)
    inventory["api"] = {"address": "api.example.org"}
    stage.inventory.write_text(yaml.safe_dump(inventory))
    try:
        ran = told(stage.hardway("preflight", "INV"), "two")
        assert ran.err.count("[ERROR ApiName]") == 2
        for host in stage.hosts:
            stage.ssh(host, f"echo '{NODE}.10 api.example.org # test' >>/etc/hosts")
        stage.hardway("preflight", "INV").ok()
        for host in stage.hosts:
            stage.ssh(host, "sed -i 's/^.* api.example.org # test$/192.0.2.1 api.example.org # test/' /etc/hosts")
        wrong = stage.hardway("preflight", "INV", "--limit", "two").ok(5)
        assert f"finds 192.0.2.1 for the API's name api.example.org, but the API is at {NODE}.10" in wrong.err
    finally:
        stage.inventory.write_text(whole)
        for host in stage.hosts:
            stage.ssh(host, "sed -i '/ # test$/d' /etc/hosts")


BROKEN = """
set -e; d=$(mktemp -d); mkdir $d/DEBIAN; exec 3>$d/DEBIAN/control
printf 'Package: broken-thing\\nVersion: 1\\nArchitecture: all\\nMaintainer: a <a@b>\\nDescription: x\\n' >&3
printf '#!/bin/sh\\nexit 1\\n' >$d/DEBIAN/postinst; chmod 755 $d/DEBIAN/postinst
dpkg-deb -b $d /root/broken.deb; dpkg -i /root/broken.deb || true
"""


@case("package-half-installed")
def test_a_package_that_is_half_installed(stage: Stage, told):
    stage.ssh("two", BROKEN)
    try:
        warned = stage.hardway("preflight", "INV").ok().out
        assert "[WARNING HalfInstalled] two: a package is only half installed: broken-thing" in warned
        ran = told(stage.hardway("bootstrap", "INV", "--only", "preflight"), "two")
    finally:
        stage.ssh("two", "apt-get -y -q remove broken-thing")
    assert "apt-get remove broken-thing" in ran.err
    stage.hardway("bootstrap", "INV", "--only", "preflight").ok()


def test_several_are_told_at_once_and_may_be_ignored_each_by_itself(stage: Stage):
    stage.ssh(
        "two",
        f"{DROPPED}; touch {MANIFEST} 2>/dev/null || {{ mkdir -p {MANIFEST.rpartition('/')[0]}; touch {MANIFEST}; }}",
    )
    try:
        ran = stage.hardway("preflight", "INV").ok(5)
        assert "preflight failed: 2 errors" in ran.err and "--ignore DropIn=two --ignore StaticPod=two" in ran.err
        words = ("--ignore", "DropIn=two", "--ignore", "StaticPod=two")
        assert "2 warnings" in stage.hardway("preflight", "INV", *words).ok().out
        assert "[ERROR DropIn]" in stage.hardway("preflight", "INV", "--ignore", "DropIn=one", *words[2:]).ok(5).err
        shown = stage.hardway("preflight", "INV", "--output", "json").ok(5).json["findings"]
        assert {(one["name"], one["severity"], one["host"]) for one in shown} == {
            ("DropIn", "ERROR", "two"),
            ("StaticPod", "ERROR", "two"),
        }
    finally:
        stage.ssh("two", f"rm -r {DROP_IN} {MANIFEST}")


@pytest.fixture(scope="module")
def canary(stage: Stage) -> Canary:
    stage.bootstrap()
    stage.verified()
    return Canary(stage).settle()


class TestLiving:
    """On a cluster with pods in it, all commands show it, and nothing is changed until it is gone."""

    chain = True

    def everywhere(self, stage: Stage, name: str, what: str) -> None:
        """Told by plan, bootstrap, verify and doctor; the last as the cause."""
        assert f"[ERROR {name}]" in stage.hardway("plan", "INV", "--exit-code").ok(7).out
        assert f"[ERROR {name}]" in stage.hardway("bootstrap", "INV").ok(5).err
        checked = ("verify", "INV", "--only", "hosts-fit", "--output", "json")
        [one] = stage.hardway(*checked).ok(7).json["checks"]
        assert one["status"] == "failed" and what in one["detail"], one
        causes = json.loads(stage.hardway("doctor", "INV", "--output", "json").ok(7).out)["causes"]
        assert what in json.dumps(causes[0]), causes
        ignored = stage.hardway(*checked, "--ignore", name).ok()
        assert [one["status"] for one in ignored.json["checks"]] == ["passed"]

    def well(self, stage: Stage, canary: Canary) -> None:
        """Nothing is left, and nothing has happened to what runs."""
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out
        canary.alive()

    def test_a_unit_that_others_changed(self, stage: Stage, canary: Canary):
        stage.ssh("two", f"{DROPPED.replace('/tmp/none', '/var/lib/kubelet/config.yaml')}; systemctl daemon-reload")
        self.everywhere(stage, "DropIn", DROP_IN)
        stage.ssh("two", f"mv {DROP_IN} {DROP_IN}.off && systemctl daemon-reload")
        self.well(stage, canary)

    def test_a_process_that_still_has_the_flags_of_others(self, stage: Stage, canary: Canary):
        """The file is gone, and nobody has restarted the unit."""
        flags = "sed -n 's/^ExecStart=//p; /^  --/p' /etc/systemd/system/kubelet.service | tr -d '\\\\\\n'"
        stage.ssh(
            "two",
            f"printf '[Service]\\nExecStart=\\nExecStart=%s --v=4\\n' \"$({flags})\" >{DROP_IN};"
            f" systemctl daemon-reload; systemctl restart kubelet; sleep 3; rm {DROP_IN}; systemctl daemon-reload",
        )
        plan = stage.hardway("plan", "INV", "--exit-code").ok(7).out
        assert "its process has other flags than its unit" in plan
        assert stage.bootstrap().changes == {("kubelet", "two", "unit kubelet.service")}
        stage.verified()
        canary.alive()

    @case("unit-does-not-keep-running")
    def test_a_kubelet_that_crashes_while_its_node_is_still_ready(self, stage: Stage, canary: Canary, told):
        stage.ssh("two", f"{DROPPED}; systemctl daemon-reload; systemctl restart kubelet")
        told(stage.hardway("bootstrap", "INV", "--ignore", "DropIn"), "two")
        stage.ssh("two", f"rm {DROP_IN}; systemctl daemon-reload; systemctl restart kubelet")
        await_true(lambda: "no changes" in stage.hardway("plan", "INV").out, 30, "nothing to be left to do")
        stage.hardway("bootstrap", "INV").ok()
        canary.alive()

    def test_a_unit_that_is_just_being_stopped_still_holds_its_port(self, stage: Stage, canary: Canary):
        """It takes its time, and nobody else is to blame."""
        stage.ssh("two", "pkill -STOP -x kubelet; systemctl stop --no-block kubelet")
        try:
            ran = stage.hardway("preflight", "INV", "--limit", "two").ok()
            assert "Port-" not in ran.out + ran.err
        finally:
            stage.ssh("two", "pkill -CONT -x kubelet; systemctl start kubelet")
        await_true(lambda: "no changes" in stage.hardway("plan", "INV").out, 30, "nothing to be left to do")
        canary.alive()

    def test_pods_of_another_network(self, stage: Stage, canary: Canary):
        stage.ssh("two", f"echo '{{}}' >{CNI}")
        self.everywhere(stage, "PodNetwork", CNI)
        stage.ssh("two", f"rm {CNI}")
        canary.alive()

    def test_a_static_pod(self, stage: Stage, canary: Canary):
        """The command that is told moves it away; the kubelet goes on with what it runs."""
        stage.ssh("two", f"mkdir -p {MANIFEST.rpartition('/')[0]}; touch {MANIFEST}")
        self.everywhere(stage, "StaticPod", "kube-apiserver.yaml in /etc/kubernetes/manifests")
        stage.ssh("two", command(stage.hardway("preflight", "INV").ok(5)))
        assert stage.ssh("two", f"ls {MANIFEST.rpartition('/')[0]}") == ""
        self.well(stage, canary)

    @pytest.mark.soak
    def test_another_address_on_the_bridge_of_the_pods(self, stage: Stage, canary: Canary):
        """It goes without the bridge, on which pods are."""
        stage.ssh("two", "ip address add 10.85.0.1/16 dev cni0")
        self.everywhere(stage, "Bridge", "10.85.0.1/16, but the bridge of the pods here needs")
        told = command(stage.hardway("preflight", "INV").ok(5))
        assert told == "ip address delete 10.85.0.1/16 dev cni0"
        stage.ssh("two", told)
        self.well(stage, canary)

    @pytest.mark.soak
    def test_no_resolver_any_more(self, stage: Stage, canary: Canary):
        stage.ssh("two", "mv /etc/resolv.conf /root/; ln -s /nowhere /etc/resolv.conf")
        try:
            self.everywhere(stage, "Resolver", "/etc/resolv.conf is a link to /nowhere, which does not exist")
        finally:
            stage.ssh("two", "mv /root/resolv.conf /etc/")
        self.well(stage, canary)

    @pytest.mark.soak
    def test_programs_that_could_not_be_started_again(self, stage: Stage, canary: Canary):
        """What runs goes on: it is the next start that would fail."""
        stage.ssh("two", "mount --bind /usr/local /usr/local && mount -o remount,bind,noexec /usr/local")
        try:
            self.everywhere(stage, "NoExec", "/usr/local is mounted noexec, so no program in /usr/local/bin can run")
        finally:
            stage.ssh("two", "umount /usr/local")
        self.well(stage, canary)

    @pytest.mark.soak
    def test_little_room_where_everything_is_already(self, stage: Stage, canary: Canary):
        """A warning: it is no reason to refuse, since nothing more has to be brought there."""
        stage.ssh("two", "mkdir -p /run/small && mount -t tmpfs -o size=60m,mode=755 tmpfs /run/small")
        stage.ssh("two", "cp -a /opt/cni/. /run/small/ && mount --bind /run/small /opt/cni")
        try:
            warned = stage.hardway("preflight", "INV").ok().out
            assert "[WARNING Disk] two: " in warned and "MB free under /opt/cni, 100 MB needed" in warned
            assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out
            stage.hardway("bootstrap", "INV").ok()
        finally:
            stage.ssh("two", "umount /opt/cni && umount /run/small && rmdir /run/small")
        self.well(stage, canary)

    @pytest.mark.soak
    def test_the_api_is_to_have_a_name_that_no_host_knows(self, stage: Stage, canary: Canary):
        """Nobody is led to it before all of them find it."""
        whole = stage.inventory.read_text()
        inventory = yaml.safe_load(whole)
        inventory["api"] = {"address": "api.example.org"}
        stage.inventory.write_text(yaml.safe_dump(inventory))
        try:
            self.everywhere(stage, "ApiName", "does not know the API's name api.example.org")
        finally:
            stage.inventory.write_text(whole)
        self.well(stage, canary)

    def test_a_port_that_others_no_longer_reach(self, stage: Stage, canary: Canary):
        stage.ssh("two", f"iptables -I {DROP}")
        try:
            [found] = stage.hardway("verify", "INV", "--only", "hosts-fit", "--output", "json").ok(7).json["checks"]
            assert "port 10250 cannot be reached from one" in found["detail"], found
            assert "[ERROR Ports] two: port 10250" in stage.hardway("preflight", "INV").ok(5).err, (
                "what verify says next"
            )
            causes = json.loads(stage.hardway("doctor", "INV", "--output", "json").ok(7).out)["causes"]
            assert [one["diagnosis"] for one in causes] == ["port-closed"], causes
            assert "cannot be reached from one" in causes[0]["what"]
        finally:
            stage.ssh("two", f"iptables -D {DROP}")
        stage.verified()
        canary.alive()

    def test_routes_that_are_taken_away_come_back(self, stage: Stage, canary: Canary):
        count = lambda: stage.ssh("one", "ip route show proto 200 | wc -l").strip()  # noqa: E731
        assert count() == "1"
        stage.ssh("one", "ip route flush proto 200")
        await_true(lambda: count() == "1", 15, "the route to be back")
        canary.alive()

    @pytest.mark.soak
    @case("boot-that-hangs")
    def test_a_boot_that_hangs_before_the_network_is_online(self, stage: Stage, canary: Canary, told):
        """Nobody has stopped a unit, and what all of them wait for is named; a run waits for it too."""
        stage.ssh("two", f"printf '{HANGS}' >{HANGING}; systemctl daemon-reload; systemctl enable -q hangs")
        stage.lab("reboot", "two")
        try:
            assert "[WARNING Booting] two: has not finished its boot" in stage.hardway("preflight", "INV").ok().out
            ran = told(stage.hardway("doctor", "INV"), "two")
            assert "1. [systemd-waits] two" in ran.out and "is stopped" not in ran.out
            units = {one["name"]: one for one in stage.hardway("status", "INV", "--output", "json").ok().json["units"]}
            assert (units["kubelet"]["state"], units["kubelet"]["detail"][:18]) == ("waiting", "for hangs.service,")
            checked = stage.hardway("verify", "INV", "--only", "units-active").ok(7).out
            assert "kubelet.service waits in systemd's queue for hangs.service" in checked
            stage.ssh("two", "systemd-run -q --no-block --on-active=20 systemctl stop hangs")
            stage.hardway("bootstrap", "INV").ok()
        finally:
            stage.ssh("two", f"systemctl disable -q hangs; systemctl stop hangs; rm {HANGING}; systemctl daemon-reload")
        stage.verified()
        canary.still_there()

    def test_sshd_forwards_nothing_any_more(self, stage: Stage, canary: Canary):
        """Nothing is invented about etcd and the API, which nobody can ask."""
        stage.ssh("one", NO_FORWARDING)
        try:
            self.everywhere(stage, "Forwarding", "forbids forwarding")
            said = stage.hardway("doctor", "INV").ok(7).out
            first = said.partition("\n\n")[0]
            assert "forbids forwarding" in first and "AllowTcpForwarding" in first
        finally:
            stage.ssh("one", FORWARDING)
        stage.verified()
        canary.alive()
