"""Three lab machines with etcd, which go away while it is formed or mended.

After each remedy there is one etcd cluster of three.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from stage import Ran, Stage, await_true, of_the_lab
from strike import begins, over
from watched import Event, Watched

from .cases import case

pytestmark = pytest.mark.lab

# A dead connection is given up after 20 s, and the host is asked again; this computer may be busy.
NAMED = 120.0
DATA = "/var/lib/etcd/member"
CREDENTIALS = "--cacert /etc/etcd/pki/ca.crt --cert /etc/etcd/pki/server.crt --key /etc/etcd/pki/server.key"


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    """Three members; the first is the whole rest of the cluster too."""
    inventory = of_the_lab("storm", node="10.234.1", pods="10.193", services="10.73.0")
    hosts = [host for host in inventory["hosts"] if host["name"].startswith("controller")]
    for host, name in zip(hosts, "abc", strict=True):
        host |= {"name": name, "roles": ["etcd"]}
    hosts[0] |= {"roles": ["etcd", "control-plane", "worker"], "pod_cidr": "10.193.10.0/24"}
    stage = make_stage({**inventory, "hosts": hosts, "addons": {"coredns": {"replicas": 1}}})
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    return stage


def address(stage: Stage, host: str) -> str:
    return f"10.234.1.{10 + stage.hosts.index(host)}"


def etcdctl(stage: Stage, host: str, *words: str) -> str:
    """What etcdctl says on a member."""
    return stage.ssh(host, f"PATH=/usr/local/bin:$PATH ETCDCTL_API=3 etcdctl {CREDENTIALS} {' '.join(words)}")


def one_cluster(stage: Stage) -> None:
    """All three say that they belong to the same cluster, follow the same leader in the same term, and see what one of
    them is told."""
    endpoints = ",".join(f"https://{address(stage, host)}:2379" for host in stage.hosts)
    status = [
        entry["Status"] for entry in json.loads(etcdctl(stage, "a", "-w json endpoint status --endpoints", endpoints))
    ]
    assert len({one["header"]["member_id"] for one in status}) == 3
    assert len({(one["header"]["cluster_id"], one["leader"], one["raftTerm"]) for one in status}) == 1
    for host in stage.hosts:
        members = json.loads(etcdctl(stage, host, "-w json member list"))["members"]
        assert sorted(member["name"] for member in members) == ["a", "b", "c"]
        etcdctl(stage, host, f"put /storm/{host} {host}")
    for host in stage.hosts:
        assert etcdctl(stage, host, "get --prefix /storm/ --print-value-only").split() == ["a", "b", "c"]


def whole(stage: Stage, keys: dict[str, bytes]) -> None:
    """The same command completes it, with the keys it began with, and founds nothing a second time."""
    stage.bootstrap()
    now = stage.keys()
    assert {name for name in keys if now.get(name) != keys[name]} == set()
    one_cluster(stage)
    assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out


def struck(stage: Stage, due: Callable[[Event], bool], *strike: str) -> Ran:
    """A bootstrap that is struck by a lab command as soon as an event is due; how it ended."""
    with Watched(stage) as run:
        assert run.until(lambda events: any(map(due, events)), 240), run.ended(0)
        stage.lab(*strike)
        return run.ended(NAMED)


def copied(stage: Stage, name: str = "copy") -> Path:
    """What a second person has: the state directory as it is now."""
    copy = stage.folder / name
    shutil.rmtree(copy, ignore_errors=True)
    return shutil.copytree(stage.state, copy)


class TestFormation:
    """What happens before there is a cluster."""

    @case("state-directory-full")
    def test_the_keys_find_no_room(self, stage: Stage, told):
        pki = stage.state / "pki"
        pki.mkdir(mode=0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k,mode=700", "tmpfs", pki], check=True)
        try:
            told(stage.hardway("bootstrap", "INV", "--until", "pki"))
            subprocess.run(["mount", "-o", "remount,size=10m", pki], check=True)
            keys = stage.keys()
            assert keys and all(keys.values())
            stage.hardway("bootstrap", "INV", "--until", "pki").ok()
            assert {name for name in keys if stage.keys()[name] != keys[name]} == set()
        finally:
            subprocess.run(["umount", pki], check=True)

    @case("etcd-host-unknown-at-founding")
    def test_nothing_is_founded_without_a_host_that_may_have_data(self, stage: Stage, told):
        stage.lab("power-off", "b")
        told(stage.hardway("bootstrap", "INV", "--limit", "a", "--limit", "c"), "b")
        assert [
            host for host in "ac" if stage.ssh(host, "pgrep -x etcd; ls -d /var/lib/etcd/member 2>/dev/null; true")
        ] == []
        stage.lab("power-on", "b")

    @case("interrupted")
    def test_somebody_presses_ctrl_c(self, stage: Stage, told):
        """The next test goes on from here."""
        with Watched(stage) as run:
            assert run.until(lambda events: any(begins(event, "binaries") for event in events), 240)
            run.interrupt()
            told(run.ended(30))

    @case("member-off-while-etcd-forms")
    def test_a_member_is_powered_off(self, stage: Stage, told):
        ran = struck(stage, lambda event: begins(event, "etcd") and event["host"] == "b", "power-off", "b")
        told(ran, "b")
        keys = stage.keys()
        stage.lab("power-on", "b")
        whole(stage, keys)

    @case("network-cut-while-etcd-forms")
    def test_a_member_is_cut_off(self, stage: Stage, told):
        stage.hardway("reset", "INV", "--yes").ok()
        ran = struck(stage, lambda event: begins(event, "etcd") and event["host"] == "c", "cut", "c")
        told(ran, "c")
        keys = stage.keys()
        stage.lab("heal", "c")
        whole(stage, keys)

    @case("network-cut-before-etcd-is-closed")
    def test_the_control_plane_is_cut_off_as_soon_as_etcd_is_founded(self, stage: Stage, told):
        stage.hardway("reset", "INV", "--yes").ok()
        ran = struck(stage, lambda event: over(event, "etcd"), "cut", "a")
        told(ran, "a")
        keys = stage.keys()
        stage.lab("heal", "a")
        whole(stage, keys)


class TestLiving:
    """On the cluster that the last of the others has left."""

    @case("restart-would-lose-quorum")
    def test_no_member_is_restarted_while_another_is_down(self, stage: Stage, told):
        stage.lab("power-off", "b")
        stage.ssh("c", "echo '# a note by hand' >>/etc/systemd/system/etcd.service")
        began = stage.ssh("c", "systemctl show -p MainPID etcd")
        told(stage.hardway("bootstrap", "INV", "--limit", "c"), "c")
        assert stage.ssh("c", "systemctl show -p MainPID etcd") == began
        stage.lab("power-on", "b")
        whole(stage, stage.keys())

    @case("etcd-data-lost")
    def test_a_member_that_lost_its_data_is_replaced(self, stage: Stage, told):
        stage.ssh("b", "systemctl disable -q --now etcd && rm -rf /var/lib/etcd/member")
        ran = told(stage.hardway("bootstrap", "INV"), "b")
        command = re.search(r"on another member: etcdctl .*(member remove [0-9a-f]+); then run this again", ran.err)
        etcdctl(stage, "a", command[1])
        whole(stage, stage.keys())
        stage.verified()

    @contextlib.contextmanager
    def without_data(self, stage: Stage) -> Iterator[None]:
        """No member has data for a while."""
        for host in stage.hosts:
            stage.ssh(host, f"systemctl stop etcd && mv {DATA} {DATA}.away")
        try:
            yield
        finally:
            for host in stage.hosts:
                stage.ssh(host, f"mv {DATA}.away {DATA}")

    def refuses(self, stage: Stage, told) -> None:
        """Every command says it, and nothing is changed; the pods run on."""
        pods = stage.ssh("a", "ctr -n k8s.io tasks ls -q | sort")
        assert pods
        told(stage.hardway("bootstrap", "INV"), "a")
        with ThreadPoolExecutor() as pool:
            plan, verify, doctor = pool.map(lambda command: stage.hardway(command, "INV"), ("plan", "verify", "doctor"))
        told(plan, "a")
        assert "same-cluster" in verify.ok(7).out
        seen = doctor.ok(7).out
        assert seen.startswith("1. [cluster-identity] this cluster was created") and "hardway bootstrap" not in seen
        assert [host for host in stage.hosts if "absent" not in stage.ssh(host, f"ls {DATA} || echo absent")] == []
        assert stage.ssh("a", "ctr -n k8s.io tasks ls -q | sort") == pods

    @case("cluster-lost")
    def test_no_empty_cluster_takes_the_place_of_one_whose_data_is_lost(self, stage: Stage, told):
        stage.kubectl("create", "configmap", "canary", "--from-literal=a=b").ok()
        with self.without_data(stage):
            self.refuses(stage, told)
        whole(stage, stage.keys())
        stage.kubectl("get", "configmap", "canary").ok()

    @case("cluster-lost-not-recorded")
    def test_what_the_cluster_has_left_on_workers_is_enough(self, stage: Stage, told):
        record = stage.state / "founded.json"
        record.rename(stage.folder / "founded.json")
        try:
            with self.without_data(stage):
                self.refuses(stage, told)
        finally:
            (stage.folder / "founded.json").rename(record)
        whole(stage, stage.keys())

    @case("cluster-not-lost")
    def test_a_cluster_that_lives_is_not_created_again(self, stage: Stage, told):
        stage.hardway("bootstrap", "INV", "--found-anew", "storms").ok(2)
        told(stage.hardway("bootstrap", "INV", "--found-anew", stage.name), "a")
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out

    @case("another-cluster")
    def test_another_cluster_is_not_taken_for_ours(self, stage: Stage, told):
        record = stage.state / "founded.json"
        before = record.read_text()
        record.write_text(json.dumps({**json.loads(before), "uid": "00000000-0000-0000-0000-000000000000"}))
        try:
            for command in ("bootstrap", "plan"):
                told(stage.hardway(command, "INV"))
            assert "same-cluster" in stage.hardway("verify", "INV").ok(7).out
            assert "[cluster-identity] this is another cluster" in stage.hardway("doctor", "INV").ok(7).out
        finally:
            record.write_text(before)
        whole(stage, stage.keys())

    @case("host-moved-to-another-role")
    def test_hosts_are_given_another_role(self, stage: Stage, told):
        inventory = yaml.safe_load(stage.inventory.read_text())
        for number in (1, 2):
            inventory["hosts"][number] |= {"roles": ["worker"], "pod_cidr": f"10.193.1{number}.0/24"}
        edited = stage.folder / "edited.yaml"
        edited.write_text(yaml.safe_dump(inventory))
        told(stage.hardway("bootstrap", str(edited)), "c")
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out

    @case("etcd-member-not-in-inventory")
    def test_two_members_are_no_more_in_the_inventory(self, stage: Stage, told):
        edited = stage.folder / "edited.yaml"
        inventory = yaml.safe_load(stage.inventory.read_text())
        edited.write_text(yaml.safe_dump({**inventory, "hosts": inventory["hosts"][:1]}))
        ran = told(stage.hardway("bootstrap", str(edited)), "a")
        assert re.findall(r"has the member (\w), but", ran.err) == ["b", "c"]
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out

    @case("etcd-members-moved-at-once")
    def test_all_members_have_other_addresses(self, stage: Stage, told):
        edited, inventory = stage.folder / "edited.yaml", yaml.safe_load(stage.inventory.read_text())
        for number, host in enumerate(inventory["hosts"]):
            host["address"] = f"10.234.1.{80 + number}"
            stage.ssh(host["name"], f"ip address add {host['address']}/24 dev eth0")
        edited.write_text(yaml.safe_dump(inventory))
        told(stage.hardway("bootstrap", str(edited)), "c")
        for host in inventory["hosts"]:
            stage.ssh(host["name"], f"ip address del {host['address']}/24 dev eth0")
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out

    @case("another-run-at-work")
    def test_two_people_with_the_same_keys_at_the_same_time(self, stage: Stage, told):
        """Each has a copy of the state directory: the hosts keep them apart, and one of them goes on."""
        keys = stage.keys()
        stage.hardway("reset", "INV", "--yes").ok()
        copy = copied(stage)
        with Watched(stage) as one, Watched(stage, "--state-dir", str(copy)) as other:
            ends = sorted([one.ended(300), other.ended(300)], key=lambda ran: ran.code)
        ends[0].ok()
        told(ends[1])
        whole(stage, keys)
        assert "no changes" in stage.hardway("plan", "INV", "--exit-code", "--state-dir", str(copy)).ok().out

    @case("another-run-at-work")
    def test_a_second_person_comes_while_the_first_is_at_work(self, stage: Stage, told):
        """Whoever looks is told; whoever would change something is refused, until the first is gone."""
        stage.hardway("reset", "INV", "--yes").ok()
        keys, copy, third = stage.keys(), copied(stage), copied(stage, "third")
        with Watched(stage) as one:
            assert one.until(lambda events: any(begins(event, "binaries") for event in events), 240)
            # All at the same time, because on a fast computer the first is soon over.
            commands = (
                ("bootstrap", "INV", "--limit", "c", "--state-dir", str(copy)),
                ("reset", "INV", "--yes", "--state-dir", str(third)),
                ("plan", "INV", "--state-dir", str(copy)),
                ("status", "INV", "--output", "json"),
            )
            with ThreadPoolExecutor() as pool:
                built, taken, shown, status = pool.map(lambda words: stage.hardway(*words), commands)
            told(built)
            told(taken)
            assert "WARNING OtherRun" in shown.ok().out and "has been running `hardway bootstrap`" in shown.out
            assert status.ok().json["other_run"]
            assert one.kill(), "it was over too soon"
        stage.hardway("bootstrap", "INV", "--state-dir", str(copy), timeout=600).ok()
        assert stage.hardway("status", "INV", "--output", "json").ok().json["other_run"] == ""
        whole(stage, keys)

    def test_a_person_who_falls_asleep_starts_nothing_more_when_another_has_come(self, stage: Stage):
        """A computer whose lid is closed in the middle: its connections stay open, and it says nothing."""
        stage.hardway("reset", "INV", "--yes").ok()
        keys, copy = stage.keys(), copied(stage)
        with Watched(stage) as one:
            assert one.until(lambda events: any(begins(event, "binaries") for event in events), 240)
            one.sleep()
            await_true(
                lambda: stage.hardway("bootstrap", "INV", "--state-dir", str(copy), timeout=600).code == 0,
                300,
                "the lease of the one that sleeps to expire",
            )
            began = stage.ssh("a", "systemctl show -p InvocationID etcd kube-apiserver")
            one.wake()
            ran = one.ended(NAMED).ok(10)
        assert "this run has lost its lease of the cluster" in ran.err
        assert stage.ssh("a", "systemctl show -p InvocationID etcd kube-apiserver") == began
        whole(stage, keys)

    def test_a_reset_that_dies_is_completed_by_the_next(self, stage: Stage):
        with Watched(stage, "--yes", command="reset") as run:
            assert run.until(lambda events: any(event["event"] == "host-reset" for event in events), 120)
            assert run.kill(), "it was over too soon"
        stage.hardway("reset", "INV", "--yes").ok()
        again = stage.hardway("reset", "INV", "--yes").ok().out
        assert [host for host in stage.hosts if f"{host}: nothing to remove" not in again] == []
