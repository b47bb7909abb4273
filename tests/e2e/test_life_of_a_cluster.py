"""One highly available cluster from bare machines to bare machines, by the command line alone: each test is a step of
one story."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes.terminal import Terminal
from machine_print import Look, differences, look
from stage import Stage, await_true, of_the_lab

from hardway.commands.bootstrap.stepping import QUESTION

BEGINNING = "cut -d ' ' -f 22 /proc/1/stat"  # when the machine's first process began, in ticks of this computer's clock
WORKERS = ["worker-0", "worker-1"]
# What a reset cannot or must not put back, each with its reason.
STAYS_AFTER_RESET = (
    "/var/log/*",  # logs, and their rotation, are the host's memory
    "/var/lib/dpkg/*",  # dpkg writes its databases anew; the list of packages is compared on its own
    "/var/lib/apt/*",  # the same for apt: what is installed on demand, and its lists
    "/var/cache/apt/*",
    "/var/cache/ldconfig/aux-cache",  # rewritten whenever a library comes or goes
    "/var/cache/debconf/*",
    "/etc/passwd-",  # the system's own backups of the files that are the same again
    "/etc/group-",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/etc/subuid-",
    "/etc/subgid-",
    "/etc/.pwd.lock",
    "/var/lib/containerd",  # the lab mounts a folder there before we come; we close it to others
)


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    return make_stage(of_the_lab("e2e", node="10.241.0", pods="10.201", services="10.33.0"))


@pytest.fixture(scope="module")
def bare() -> dict[str, Look]:
    """How every machine looked before it was touched."""
    return {}


@pytest.fixture(scope="module")
def remembered() -> dict[str, bytes]:
    """The keys of the first bootstrap."""
    return {}


def looks(stage: Stage) -> dict[str, Look]:
    with ThreadPoolExecutor() as pool:
        return dict(zip(stage.hosts, pool.map(lambda host: look(stage, host), stage.hosts), strict=True))


def assert_same(before: dict[str, Look], after: dict[str, Look], *but, **options) -> None:
    found = [f"{host}: {line}" for host in before for line in differences(before[host], after[host], *but, **options)]
    assert not found, "\n".join(found)


class TestLife:
    chain = True

    def test_assets_are_gathered(self, stage: Stage):
        assert "verified" in stage.hardway("assets", "fetch", "INV", timeout=2400).ok().out

    def test_machines_come_up(self, stage: Stage):
        stage.lab("up")
        assert [row["state"] for row in stage.hardway("lab", "status", "INV", "--output", "json").ok().json] == [
            "running"
        ] * 6

    def test_plan_lists_everything_and_says_so_by_its_exit_code(self, stage: Stage, bare: dict[str, Look]):
        bare.update(looks(stage))
        ran = stage.hardway("plan", "INV", "--output", "json", "--exit-code", "--save", "first.plan").ok(7)
        touched = {step["host"] for step in ran.json["steps"]}
        assert touched >= set(stage.hosts)
        assert ran.json["changes"] > 100
        assert json.loads((stage.folder / "first.plan").read_text()) == ran.json

    def test_plan_has_touched_no_host(self, stage: Stage, bare: dict[str, Look]):
        now = looks(stage)
        assert_same(bare, now)

    def test_plan_has_written_nothing_on_our_side_either(self, stage: Stage):
        assert sorted(path.name for path in stage.state.iterdir()) == ["lab"]

    def test_what_moved_on_a_host_since_the_plan_was_saved_is_named(self, stage: Stage):
        stage.ssh("worker-0", "echo 'timeout: 9' >/etc/crictl.yaml")
        ran = stage.hardway("bootstrap", "INV", "--plan-file", "first.plan").ok(7)
        assert "1 difference from the saved plan; nothing was changed" in ran.err
        assert "containers on worker-0: file /etc/crictl.yaml: planned new; now content" in ran.err
        assert not (stage.state / "pki").exists() and not (stage.state / "plans").exists()
        stage.ssh("worker-0", "rm /etc/crictl.yaml")

    def test_bootstrap_does_all_of_the_saved_plan_and_nothing_else(self, stage: Stage, remembered: dict[str, bytes]):
        ran = stage.hardway("bootstrap", "INV", "--plan-file", "first.plan", "--output", "json", timeout=600).ok()
        assert ran.events[-1]["event"] == "summary"
        steps = json.loads((stage.folder / "first.plan").read_text())["steps"]
        planned = {
            (step["phase"], step["host"], change["resource"]): change for step in steps for change in step["changes"]
        }
        assert ran.changes - planned.keys() == set()
        assert {key for key in planned.keys() - ran.changes if not planned[key]["unknown"]} == set()
        remembered.update(stage.keys())
        assert "pki/ca.key" in remembered

    def test_second_bootstrap_changes_nothing(self, stage: Stage):
        stage.lab("up")
        assert stage.bootstrap().events[-1]["changes"] == 0

    def test_plan_is_empty(self, stage: Stage):
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out

    def test_verify(self, stage: Stage):
        stage.verified()

    def test_the_operator_lists_ready_nodes_by_the_lines_env_prints(self, stage: Stage):
        lines = stage.hardway("env", "INV").ok().out
        script = f"shopt -s expand_aliases\n{lines}\nkubectl get nodes -o json\n"
        done = subprocess.run(
            ["bash", "-s"], input=script, capture_output=True, text=True, cwd=stage.folder, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert ready_nodes(json.loads(done.stdout)) == WORKERS

    def test_kubeconfig_goes_through_the_load_balancer(self, stage: Stage):
        assert "https://10.241.0.9:6443" in stage.hardway("kubeconfig", "INV").ok().out

    def test_status_answers_for_all_hosts(self, stage: Stage):
        text = stage.hardway("status", "INV").ok().out
        assert [host for host in stage.hosts if host not in text] == []

    def test_plan_names_a_file_that_was_edited_by_hand(self, stage: Stage):
        stage.ssh("controller-1", "echo '# a note by hand' >>/etc/systemd/system/kube-scheduler.service")
        ran = stage.hardway("plan", "INV", "--exit-code").ok(7)
        assert "/etc/systemd/system/kube-scheduler.service" in ran.out
        assert "-# a note by hand" in ran.out
        assert "restart" in ran.out

    def test_a_bootstrap_in_steps_shows_it_and_leaves_it_to_whoever_quits(self, stage: Stage):
        terminal = Terminal(stage.argv("bootstrap", "INV", "--step"), stage.folder, COLUMNS="200")
        shown = terminal.until(f"{QUESTION}?", 120)
        assert (
            "control-plane on controller-1\n" in shown
            and "kube-scheduler.service: content" in shown
            and "-# a note by hand" in shown
        )
        terminal.type("q\n")
        assert (
            terminal.ended() == 0 and "stopped before control-plane; to continue: hardway bootstrap" in terminal.screen
        )
        terminal.close()

    def test_bootstrap_mends_exactly_that(self, stage: Stage):
        assert {change[1:] for change in stage.bootstrap().changes} == {
            ("controller-1", "file /etc/systemd/system/kube-scheduler.service"),
            ("controller-1", "unit kube-scheduler.service"),
        }
        assert stage.hardway("plan", "INV", "--exit-code").ok()

    def test_every_machine_is_rebooted_and_the_cluster_comes_back_by_itself(self, stage: Stage):
        began = {host: stage.ssh(host, BEGINNING) for host in stage.hosts}
        stage.lab("reboot", *stage.hosts)
        assert [host for host in stage.hosts if stage.ssh(host, BEGINNING) == began[host]] == []
        stage.settled()

    def test_the_api_answers_and_writes_without_one_control_plane_host(self, stage: Stage):
        stage.lab("power-off", "controller-0")
        await_true(lambda: writes(stage, "first"), 60, "a write through the load balancer")
        # From now on no call may fail: the dead server is out of the balancer, and etcd has elected.
        await_true(lambda: all(writes(stage, f"n{number}") for number in range(5)), 60, "five writes in a row")
        assert (
            len(stage.kubectl("get", "configmaps", "-n", "default", "-l", "e2e=written", "-o", "name").ok().out.split())
            >= 6
        )

    def test_a_lost_control_plane_host_is_named(self, stage: Stage):
        ran = stage.hardway("plan", "INV")
        ran.ok(4)
        assert "controller-0" in ran.err

    def test_the_host_returns_and_all_is_well(self, stage: Stage):
        stage.lab("power-on", "controller-0")
        stage.settled()
        stage.kubectl("delete", "configmaps", "-n", "default", "-l", "e2e=written").ok()

    def test_nothing_of_all_this_changed_a_key(self, stage: Stage, remembered: dict[str, bytes]):
        assert stage.keys() == remembered

    def test_reset(self, stage: Stage):
        out = stage.hardway("reset", "INV", "--yes").ok().out
        assert [host for host in stage.hosts if f"{host}: " not in out or f"{host}: nothing" in out] == []

    def test_second_reset_finds_nothing(self, stage: Stage):
        out = stage.hardway("reset", "INV", "--yes").ok().out
        assert [host for host in stage.hosts if f"{host}: nothing to remove" not in out] == []

    def test_the_machines_are_as_before_the_cluster(self, stage: Stage, bare: dict[str, Look]):
        now = looks(stage)
        assert_same(bare, now, STAYS_AFTER_RESET, times=False)

    def test_bootstrap_works_again_with_the_same_keys(self, stage: Stage, remembered: dict[str, bytes]):
        stage.bootstrap()
        assert stage.keys() == remembered

    def test_verify_again(self, stage: Stage):
        stage.verified()

    def test_lab_down_leaves_nothing_running(self, stage: Stage):
        stage.lab("down")
        assert traces(stage) == []


def ready_nodes(document: dict) -> list[str]:
    """Names of the nodes whose condition Ready is True."""
    ready = [
        node
        for node in document["items"]
        for c in node["status"]["conditions"]
        if (c["type"], c["status"]) == ("Ready", "True")
    ]
    return sorted(node["metadata"]["name"] for node in ready)


def writes(stage: Stage, name: str) -> bool:
    """Whether a new object can be written through the load balancer."""
    meta = {"name": f"e2e-{name}-{os.urandom(4).hex()}", "namespace": "default", "labels": {"e2e": "written"}}
    return (
        stage.kubectl(
            "create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
        ).code
        == 0
    )


def traces(stage: Stage) -> list[str]:
    """Processes, mounts, interfaces, routes, rules, namespaces and control groups of the lab on this computer; others
    whose names begin like its name may be up."""
    looking = ("ps -eo args", "cat /proc/self/mountinfo", "ip -brief link", "ip rule", "ip route", "ip netns")
    name = rf"{re.escape(stage.name)}(?![\w-])"
    mine = re.compile(rf"{re.escape(str(stage.folder / 'machines'))}|hardway-{name}|10\.241\.0\.|hwl0af1|hwp0af1")
    output = [subprocess.run(words.split(), capture_output=True, text=True, check=True).stdout for words in looking]
    lines = [line for text in output for line in text.splitlines() if mine.search(line)]
    groups = [folder for folder, _, _ in os.walk("/sys/fs/cgroup") if re.search(f"hardway-lab/{name}", folder)]
    return lines + groups
