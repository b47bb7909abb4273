"""Looking at a cluster that runs, and breaking it on purpose: status, logs, the support bundle and every drill, on one
small cluster."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from secrets_of import assert_no_secret, secrets_of
from stage import Ran, Stage, await_true, of_the_lab, run

from hardway.assets import default_versions

CONTROLLERS = ["controller-0", "controller-1", "controller-2"]


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    """A load balancer, three control-plane hosts with etcd, one worker."""
    inventory = of_the_lab("operating", node="10.233.1", pods="10.190", services="10.70.0")
    inventory["hosts"] = [host for host in inventory["hosts"] if host["name"] != "worker-1"]
    stage = make_stage({**inventory, "addons": {"coredns": {"replicas": 1}}})
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    stage.bootstrap()
    return stage


def units(ran: Ran) -> dict[tuple[str, str], str]:
    return {(unit["name"], unit["host"]): unit["state"] for unit in ran.json["units"]}


def status(stage: Stage) -> Ran:
    return stage.hardway("status", "INV", "--output", "json").ok()


# A token that never expires, as people keep for programs outside the cluster.
TOKEN = """apiVersion: v1
kind: Secret
type: kubernetes.io/service-account-token
metadata: {name: forever, namespace: kube-system, annotations: {kubernetes.io/service-account.name: default}}
"""


class TestStatus:
    def test_a_healthy_cluster_on_one_screen(self, stage: Stage):
        text = stage.hardway("status", "INV").ok().out
        assert max(map(len, text.splitlines())) <= 100 and len(text.splitlines()) < 40
        assert "\x1b" not in text
        assert f"API https://10.233.1.9:6443 {'ready'}\n" in text
        for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
            assert re.search(rf"^{name} +\d+\.\d+\.\d+ +3 of 3  \d+\.\d+\.\d+$", text, re.MULTILINE), text
        assert re.search(
            rf"^worker-0 +Ready +{re.escape(default_versions().kubernetes)} +1 of 110 ", text, re.MULTILINE
        )
        assert "coredns: 1 of 1 ready" in text

    def test_the_same_for_programs(self, stage: Stage):
        found = status(stage).json
        assert [host["reachable"] for host in found["hosts"]] == [True] * 5
        assert set(units(status(stage)).values()) == {"active"}
        wrong = [unit for unit in found["units"] if unit["wanted"] and unit["running"] != unit["wanted"]]
        assert wrong == []
        assert [member["leader"] for member in found["etcd"]].count(True) == 1
        assert all(member["db_bytes"] > 10000 and not member["problem"] for member in found["etcd"])
        assert (
            found["api"]["ready"]
            and found["nodes"][0]["ready"]
            and found["addons"] == [{"name": "coredns", "wanted": 1, "ready": 1}]
        )
        assert {row["name"] for row in found["certificates"]} >= {"ca", "apiserver", "kubelet", "etcd-peer"}
        assert [row["ends"] for row in found["certificates"]] == sorted(row["ends"] for row in found["certificates"])

    def test_a_process_that_runs_with_an_older_program_shows(self, stage: Stage):
        """The file is new, the process is what it was started from."""
        real = "/usr/local/bin/kube-scheduler"
        fake = f"mv {real} {real}.real && printf '#!/bin/sh\\necho Kubernetes v1.99.0\\n' >{real} && chmod 755 {real}"
        stage.ssh("controller-1", fake)
        try:
            [running] = [
                u["running"]
                for u in status(stage).json["units"]
                if (u["name"], u["host"]) == ("kube-scheduler", "controller-1")
            ]
            assert running == default_versions().kubernetes
        finally:
            stage.ssh("controller-1", f"mv {real}.real {real}")


class TestKubectl:
    def test_it_is_installed_talks_to_the_cluster_and_goes_again(self, stage: Stage):
        folder, home = stage.folder / "bin", {"HOME": str(stage.folder / "home"), "SHELL": "/bin/bash"}
        told = command(stage, home, "--install", f"{folder}/")
        program = folder / "kubectl"
        assert f"installed kubectl {default_versions().kubernetes}" in told and "is not in PATH: export PATH=" in told
        found = run(program, "--kubeconfig", stage.state / "admin.conf", "version", "-o", "json", cwd=stage.folder)
        versions = json.loads(found.ok().out)
        assert versions["clientVersion"]["gitVersion"] == versions["serverVersion"]["gitVersion"]
        completion = stage.folder / "home/.local/share/bash-completion/completions/kubectl"
        assert "__start_kubectl" in completion.read_text()
        assert "already" in command(stage, home, "--install", f"{folder}/")
        assert "removed" in command(stage, home, "--install", f"{folder}/", "--uninstall")
        assert not program.exists() and not completion.exists()


def command(stage: Stage, home: dict[str, str], *words: str) -> str:
    """`hardway kubectl` of a user with another home, and the same cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    variables = [f"{name}={value}" for name, value in {**home, "XDG_CACHE_HOME": cache}.items()]
    return run("env", *variables, *stage.argv("kubectl", "INV", *words), cwd=stage.folder).ok().out


class TestLogs:
    def test_all_hosts_in_the_order_of_time(self, stage: Stage):
        lines = stage.hardway("logs", "INV", "etcd", "-n", "30").ok().out.splitlines()
        stamps, hosts = [line[:23] for line in lines], [line[24:].split()[0] for line in lines]
        assert {host: hosts.count(host) for host in set(hosts)} == dict.fromkeys(CONTROLLERS, 30)
        assert stamps == sorted(stamps)
        changes = sum(one != two for one, two in zip(hosts, hosts[1:], strict=False))
        assert changes > 2, "hosts must be mixed, not one after the other"

    def test_only_one_host_and_only_what_is_new(self, stage: Stage):
        stage.ssh("worker-0", "systemd-cat -t marked echo nothing of ours")
        out = stage.hardway("logs", "INV", "kubelet", "--host", "worker-0", "--since", "1h").ok().out
        assert "Started kubelet.service" in out and "nothing of ours" not in out
        assert stage.hardway("logs", "INV", "kubelet", "--since", "2099-01-01").ok().out == ""

    def test_coredns_in_its_pod(self, stage: Stage):
        assert "CoreDNS-1." in stage.hardway("logs", "INV", "coredns").ok().out

    @pytest.mark.parametrize(("component", "unit"), [("etcd", "etcd"), ("pod-routes", "pod-routes")])
    def test_following_ends_with_ctrl_c_and_leaves_nothing_on_the_hosts(self, stage: Stage, component: str, unit: str):
        """pod-routes says nothing more by itself: its readers would not notice by a broken pipe."""
        process = subprocess.Popen(
            stage.argv("logs", "INV", component, "-f", "-n", "1"), cwd=stage.folder, stdout=subprocess.PIPE, text=True
        )
        heard: list[str] = []
        reader = threading.Thread(target=lambda: heard.extend(process.stdout), daemon=True)
        reader.start()
        try:
            await_true(
                lambda: {line[24:].split()[0] for line in heard} >= set(CONTROLLERS), 60, "a line from every host"
            )
            assert len(readers(stage, "controller-0", f"{unit}.service")) == 1
            if component == "pod-routes":
                stage.ssh("controller-2", "systemctl restart pod-routes")
                await_true(
                    lambda: any("controller-2" in line and "Stopp" in line for line in heard), 60, "what came later"
                )
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(60)
        reader.join(10)
        assert code == 130
        assert [(host, found) for host in stage.hosts if (found := readers(stage, host, f"{unit}.service"))] == []

    def test_a_component_that_is_none(self, stage: Stage):
        assert "did you mean kubelet?" in stage.hardway("logs", "INV", "kublet").ok(2).err


def readers(stage: Stage, host: str, unit: str) -> list[str]:
    """The processes on a host that read a unit's journal on and on."""
    lines = stage.ssh(host, "ps -eo args").splitlines()
    return [line for line in lines if line.startswith("journalctl") and unit in line]


class TestSupportBundle:
    def test_everything_is_inside_and_no_secret(self, stage: Stage):
        stage.kubectl("apply", "-f", "-", stdin=TOKEN).ok()
        read = ("get", "secret", "forever", "-n", "kube-system", "-o", "jsonpath={.data.token}")
        await_true(lambda: len(stage.kubectl(*read).ok().out) > 100, 30, "the token of a service account")
        token = stage.kubectl(*read).ok().out.strip()
        file = stage.folder / "bundle.tar.gz"
        ran = stage.hardway("support-bundle", "INV", "-o", str(file)).ok()
        assert ran.err == ""
        assert file.stat().st_mode & 0o777 == 0o600
        assert_no_secret(secrets_of(stage.state, token=token.encode()), file)
        names = members(file)
        assert {
            "README.txt",
            "inventory.yaml",
            "versions.json",
            "status.json",
            "plan.json",
            "certificates.json",
        } <= names
        for host in stage.hosts:
            assert {
                f"hosts/{host}/{name}" for name in ("facts.json", "units.txt", "routes.txt", "disks.txt", "files.txt")
            } <= names
        assert {f"hosts/{host}/journals/etcd.service.log" for host in CONTROLLERS} <= names
        assert {
            "hosts/worker-0/files/etc/systemd/system/kubelet.service",
            "kubernetes/pods.yaml",
            "kubernetes/events.yaml",
        } <= names
        assert [name for name in names if name.endswith((".key", "admin.conf", "encryption-config.yaml"))] == []
        assert b"cniVersion" in member(file, "hosts/worker-0/files/etc/cni/net.d/10-bridge.conflist")
        assert b"nothing is missing" in member(file, "missing.txt")

    def test_a_file_is_never_written_over(self, stage: Stage):
        assert (
            "already exists"
            in stage.hardway("support-bundle", "INV", "-o", str(stage.folder / "bundle.tar.gz")).ok(2).err
        )

    def test_a_key_that_somebody_left_in_a_file_is_noticed(self, stage: Stage):
        key = (stage.state / "pki/sa.key").read_text()
        copy = "cp -a /etc/haproxy/haproxy.cfg /root/kept; sed 's/^/# /' >>/etc/haproxy/haproxy.cfg"
        stage.ssh("lb", copy, stdin=key)
        file = stage.folder / "refused.tar.gz"
        try:
            ran = stage.hardway("support-bundle", "INV", "-o", str(file)).ok(8)
        finally:
            stage.ssh("lb", "mv /root/kept /etc/haproxy/haproxy.cfg")
        # The plan shows what is in a file that differs, so it is in there too.
        assert "pki/sa.key is in plan.json, hosts/lb/files/etc/haproxy/haproxy.cfg: no bundle was written" in ran.err
        assert not file.exists()
        assert_no_secret(secrets_of(stage.state), ran.out, ran.err)


def members(file: Path) -> set[str]:
    """Their names below the archive's one folder."""
    with tarfile.open(file) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def member(file: Path, name: str) -> bytes:
    with tarfile.open(file) as archive:
        return next(archive.extractfile(one).read() for one in archive if one.name.partition("/")[2] == name)


def on(stage: Stage) -> dict[str, str]:
    """The drills that are on, and where."""
    lines = stage.hardway("drill", "INV", "--list").ok().out.splitlines()
    return {line.split()[0]: line.partition("ON: ")[2].split()[0] for line in lines if "ON: " in line}


class TestDrills:
    """Each leaves the cluster as it found it; if one does not, the next says so."""

    chain = True

    def test_none_is_on(self, stage: Stage):
        assert on(stage) == {}

    def test_an_api_server(self, stage: Stage):
        ran = stage.hardway("drill", "INV", "apiserver").ok()
        assert "ok  the API still answers at https://10.233.1.9:6443" in ran.out
        assert f"hardway drill {stage.inventory} --restore" in ran.out
        assert on(stage) == {"apiserver": "controller-2"}
        assert units(status(stage))["kube-apiserver", "controller-2"] == "inactive"

    def test_no_second_drill_begins(self, stage: Stage):
        ran = stage.hardway("drill", "INV", "kubelet").ok(7)
        assert "a drill is on: apiserver on controller-2" in ran.err
        assert units(status(stage))["kubelet", "worker-0"] == "active"

    def test_restored(self, stage: Stage):
        assert "ended: apiserver on controller-2" in stage.hardway("drill", "INV", "--restore").ok().out
        assert on(stage) == {}
        assert units(status(stage))["kube-apiserver", "controller-2"] == "active"

    def test_an_etcd_member_with_the_leader_on_it(self, stage: Stage):
        [leader] = [member["host"] for member in status(stage).json["etcd"] if member["leader"]]
        ran = stage.hardway("drill", "INV", "etcd-member", "--host", leader).ok()
        assert "ok  the other 2 of 3 members are healthy" in ran.out and "ok  the cluster still writes" in ran.out
        found = {member["host"]: member for member in status(stage).json["etcd"]}
        assert found[leader]["problem"] == "does not answer"
        assert [host for host in CONTROLLERS if found[host]["leader"]] != [leader]

    def test_bootstrap_mends_it_and_the_drill_is_over(self, stage: Stage):
        changed = {change[1:] for change in stage.bootstrap().changes}
        assert {kind.split()[0] for _, kind in changed} == {"unit"} and len(changed) == 1
        assert on(stage) == {}
        # What is stopped later on is no drill, though the host still remembers one.
        stage.ssh("controller-0", "systemctl stop kube-scheduler")
        assert on(stage) == {}
        stage.ssh("controller-0", "systemctl start kube-scheduler")

    def test_an_unwell_cluster_is_refused(self, stage: Stage):
        stage.ssh("lb", "systemctl stop haproxy")
        try:
            assert "not healthy enough to start a drill" in stage.hardway("drill", "INV", "apiserver").ok(6).err
        finally:
            stage.ssh("lb", "systemctl start haproxy")
        assert units(status(stage))["kube-apiserver", "controller-2"] == "active"

    def test_a_member_that_the_quorum_needs_is_refused(self, stage: Stage):
        stage.ssh("controller-0", "systemctl stop etcd")
        try:
            assert (
                "this drill would leave 1 of 3 etcd members" in stage.hardway("drill", "INV", "etcd-member").ok(9).err
            )
        finally:
            stage.ssh("controller-0", "systemctl start etcd")
        assert units(status(stage))["etcd", "controller-2"] == "active"

    def test_the_load_balancer(self, stage: Stage):
        await_true(lambda: stage.kubectl("get", "--raw", "/readyz").code == 0, 60, "the API")
        ran = stage.hardway("drill", "INV", "lb").ok()
        assert (
            "ok  every API server is ready when asked on its own host" in ran.out
            and "every container still runs" in ran.out
        )
        assert stage.kubectl("get", "nodes").code != 0
        found = status(stage).json
        assert not found["api"]["ready"] and found["nodes"], "status asks the API servers themselves"
        stage.hardway("drill", "INV", "--restore").ok()
        assert stage.kubectl("get", "nodes").ok()

    def test_hardway_is_killed_in_the_middle_of_a_drill(self, stage: Stage):
        process = subprocess.Popen(stage.argv("drill", "INV", "kubelet"), cwd=stage.folder, stdout=subprocess.DEVNULL)
        try:
            await_true(
                lambda: units(status(stage))["kubelet", "worker-0"] == "inactive", 120, "the kubelet to be stopped"
            )
        finally:
            process.kill()
            process.wait()
        assert on(stage) == {"kubelet": "worker-0"}
        stage.hardway("drill", "INV", "--restore").ok()
        assert on(stage) == {} and units(status(stage))["kubelet", "worker-0"] == "active"

    def test_a_node_without_power(self, stage: Stage):
        ran = stage.hardway("drill", "INV", "node").ok()
        assert "ok  node worker-0 is NotReady" in ran.out
        ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        assert stage.kubectl("get", "node", "worker-0", "-o", ready).ok().out == "Unknown"
        assert on(stage) == {"node": "worker-0"}

    def test_the_others_are_shown_while_a_host_is_away(self, stage: Stage):
        found = status(stage).json
        assert [host["name"] for host in found["hosts"] if not host["reachable"]] == ["worker-0"]
        assert units(status(stage))["kubelet", "worker-0"] == "unknown"
        assert found["api"]["ready"] and not found["nodes"][0]["ready"]
        ran = stage.hardway("logs", "INV", "pod-routes", "-n", "1").ok()
        assert "no logs from worker-0: " in ran.err and len(ran.out.splitlines()) == 4
        file = stage.folder / "away.tar.gz"
        assert "missing: hosts/worker-0: " in stage.hardway("support-bundle", "INV", "-o", str(file)).ok().err
        assert "hosts/lb/facts.json" in members(file)
        assert_no_secret(secrets_of(stage.state), file)

    def test_power_is_back(self, stage: Stage):
        assert "ended: node on worker-0" in stage.hardway("drill", "INV", "--restore").ok().out
        assert on(stage) == {}
        assert stage.hardway("plan", "INV", "--exit-code").ok()

    def test_without_any_api_server(self, stage: Stage):
        for host in CONTROLLERS:
            stage.ssh(host, "systemctl stop kube-apiserver")
        found = status(stage).json
        assert found["unknown"] and found["nodes"] == [] and not found["api"]["ready"]
        assert "nodes: unknown, no API server answers" in stage.hardway("status", "INV").ok().out
        assert "CoreDNS-1." in stage.hardway("logs", "INV", "coredns", "-n", "0").ok().out
        stage.bootstrap()
