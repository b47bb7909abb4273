"""etcd from the operator's side: looked at, saved, taken back to what it was, and that with a member gone, the quorum
lost, or a wrong file in hand. At the end the whole control plane is lost, and its keys with it.

Each test is a step of one story; the canary of the first is there to the last.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Callable
from pathlib import Path

import burning
import clients
import pytest
from canary import Canary
from fakes import bolt_file
from secrets_of import assert_no_secret, secrets_of
from stage import Ran, Stage, await_true, of_the_lab

from hardway.inventory import load

pytestmark = pytest.mark.lab

CONTROLLERS = ["controller-0", "controller-1", "controller-2"]
UNITS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    """A load balancer, three control-plane hosts with etcd, one worker."""
    inventory = of_the_lab("restored", node="10.238.2", pods="10.182", services="10.62.0")
    inventory["hosts"] = [host for host in inventory["hosts"] if host["name"] != "worker-1"]
    stage = make_stage({**inventory, "addons": {"coredns": {"replicas": 1}}})
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    stage.bootstrap()
    return stage


@pytest.fixture(scope="module")
def canary(stage: Stage) -> Canary:
    return Canary(stage).settle()


@pytest.fixture(scope="module")
def kept() -> dict[str, str]:
    """What is in a Secret that lives through all of it."""
    return {"since": secrets.token_hex(16)}


def word(stage: Stage, name: str) -> str:
    """What an API server reads in a Secret."""
    found = stage.kubectl("get", "secret", name, "-o", "jsonpath={.data.word}").ok().out
    return base64.b64decode(found).decode()


def saved(stage: Stage, name: str = "saved.db") -> Path:
    return stage.folder / name


def restore(stage: Stage, *words: str) -> Ran:
    return stage.hardway("etcd", "restore", "INV", *words, timeout=600)


def runs(stage: Stage, *units: str) -> dict[str, str]:
    """systemd's id of the present run of each of these, or of each unit of the control plane."""
    ask = f"systemctl show -p Id -p InvocationID {' '.join(f'{unit}.service' for unit in units or UNITS)}"
    return {host: stage.ssh(host, ask) for host in CONTROLLERS}


def config_map(stage: Stage, name: str) -> None:
    stage.kubectl("create", "configmap", name, "--from-literal=a=b").ok()


def there(stage: Stage, name: str) -> bool:
    ran = stage.kubectl("get", "configmap", name)
    assert ran.code == 0 or "NotFound" in ran.err, ran
    return ran.code == 0


def founded(stage: Stage) -> dict[str, str]:
    return json.loads((stage.state / "founded.json").read_text())


def data(stage: Stage, host: str) -> list[str]:
    return stage.ssh(host, "cd /var/lib/etcd && find . -maxdepth 2 -name member | sort").split()


def one_cluster(stage: Stage) -> str:
    """All three are healthy members of one cluster; its id."""
    found = stage.hardway("etcd", "status", "INV", "--output", "json").ok().json
    assert [len(found["members"]), found["problems"]] == [3, []]
    assert len({member["term"] for member in found["members"]}) == 1
    return found["id"]


def nothing_to_do(stage: Stage) -> None:
    assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out


class TestRestore:
    chain = True

    def test_a_healthy_etcd(self, stage: Stage, canary: Canary):
        text = stage.hardway("etcd", "status", "INV").ok().out
        assert all(host in text for host in CONTROLLERS) and one_cluster(stage)
        members = stage.hardway("etcd", "members", "INV", "--output", "json").ok().json["members"]
        assert sorted(member["name"] for member in members) == CONTROLLERS

    def test_a_backup_is_whole_and_private(self, stage: Stage, canary: Canary, kept: dict[str, str]):
        config_map(stage, "before")
        stage.kubectl("create", "secret", "generic", "since", f"--from-literal=word={kept['since']}").ok()
        ran = stage.hardway("etcd", "backup", "INV", "-o", "saved.db").ok()
        content = saved(stage).read_bytes()
        assert saved(stage).stat().st_mode & 0o777 == 0o600 and "saved.db" in ran.out
        assert b"kept secret" not in content, "Secrets are encrypted in it"
        assert_no_secret(secrets_of(stage.state), ran.out, saved(stage, "saved.db.json"))
        assert [data(stage, host) for host in CONTROLLERS] == [["./member"]] * 3
        stage.ssh("controller-0", "base64 -d >/root/saved.db", base64.b64encode(content).decode())
        said = stage.ssh(
            "controller-0", "/usr/local/bin/etcdutl snapshot status /root/saved.db -w json; rm /root/saved.db"
        )
        about = json.loads(saved(stage, "saved.db.json").read_text())
        assert json.loads(said.splitlines()[-1])["revision"] == about["revision"]

    def test_a_folder_of_backups_keeps_the_newest_of_this_cluster(self, stage: Stage):
        (stage.folder / "kept").mkdir()
        (stage.folder / "kept/mine.db").write_text("mine")
        for _ in range(3):
            stage.hardway("etcd", "backup", "INV", "-o", "kept", "--keep", "2").ok()
        left = sorted(path.name for path in (stage.folder / "kept").glob("*.db"))
        assert len(left) == 3 and "mine.db" in left

    def test_a_wrong_file_stops_nothing(self, stage: Stage, canary: Canary):
        before = runs(stage)
        content = bytearray(saved(stage).read_bytes())
        content[-100] ^= 1
        saved(stage, "forged.db").write_bytes(content)
        bolt_file.write(saved(stage, "other.db"), b"another cluster's objects")
        assert "forged.db is damaged" in restore(stage, "forged.db", "--yes").ok(8).err
        assert "is a snapshot of another cluster" in restore(stage, "other.db", "--yes").ok(9).err
        assert "is not the name" in restore(stage, "other.db", "--yes", "--of-another-cluster", "lab").ok(2).err
        assert runs(stage) == before
        canary.alive()

    def test_a_host_that_is_away_could_write_old_data(self, stage: Stage):
        before = runs(stage, "etcd", "kube-apiserver")
        stage.lab("cut", "controller-1")
        try:
            refused = restore(stage, "saved.db", "--yes").ok(4)
        finally:
            stage.lab("heal", "controller-1")
        assert "if controller-1 will never come back, remove it from" in refused.err
        await_true(lambda: stage.hardway("etcd", "status", "INV").code == 0, 60, "the member to be back")
        assert runs(stage, "etcd", "kube-apiserver") == before

    def test_the_steps_are_shown_before(self, stage: Stage, canary: Canary):
        before = runs(stage)
        config_map(stage, "after")
        stage.kubectl("delete", "configmap", "before").ok()
        shown = restore(stage, "saved.db", "--dry-run").ok().out
        steps = ["stop kube-apiserver.service", "stop etcd.service", "before-", "start etcd.service"]
        assert sorted(steps, key=shown.index) == steps
        assert re.search(r"all that was written since revision \d+ is lost", shown)
        assert runs(stage) == before and there(stage, "after")

    def test_another_encryption_key_is_noticed_by_nobody(self, stage: Stage, canary: Canary, kept: dict[str, str]):
        """Called every 100 ms all the while; then etcd itself counts what is under which key."""
        with clients.api(stage) as api:
            ran = stage.hardway("encryption", "rotate", "INV", timeout=600).ok()
        print(f"{ran.seconds:.1f} s; API: {api.calls} calls, longest {api.longest:.2f} s")
        assert api.calls > 100 and api.failed == []
        assert "none under another key" in ran.out
        found = stage.hardway("encryption", "status", "INV", "--output", "json").ok().json
        assert [*found["resources"]["secrets"]] == ["aescbc:key2"] and found["rotation"] == ""
        assert {tuple(one["loaded"]) for one in found["servers"]} == {("aescbc:key2", "identity")}
        assert [(one["key"], one["state"], one["here"]) for one in found["keys"]] == [
            ("aescbc:key1", "retired", True),
            ("aescbc:key2", "writes", True),
        ]
        assert word(stage, "since") == kept["since"]
        nothing_to_do(stage)
        canary.alive()

    def test_the_cluster_is_what_it_was(self, stage: Stage, canary: Canary, kept: dict[str, str]):
        """Objects of the snapshot and no others; pods run on as if nothing had been."""
        was, uid = one_cluster(stage), founded(stage)["uid"]
        ran = restore(stage, "saved.db", "--yes", "--output", "json").ok()
        assert ran.events[0]["command"] == "etcd restore" and ran.events[-1]["event"] == "summary"
        assert "read with the retired encryption key aescbc:key1 again" in ran.out + ran.err
        assert there(stage, "before") and not there(stage, "after")
        assert word(stage, "since") == kept["since"], "its Secrets are under the key of that day"
        left = stage.hardway("encryption", "status", "INV").ok(7).out
        assert "under aescbc:key1" in left and "a rotation is not finished" in left
        canary.alive()
        now = one_cluster(stage)
        assert now != was and founded(stage)["uid"] == uid and founded(stage)["etcd"] == now
        for host in CONTROLLERS:
            assert [re.sub(r"before-\w+", "before", name) for name in data(stage, host)] == [
                "./before/member",
                "./member",
            ]
        nothing_to_do(stage)
        stage.settled()

    def test_clients_see_what_is_new(self, stage: Stage, canary: Canary):
        """Controllers act on objects that are made now: a Deployment gets its pod."""
        image = stage.kubectl("get", "deployment", "canary", "-o", "jsonpath={..image}").ok().out
        stage.kubectl("create", "deployment", "later", f"--image={image}", "--", "sleep", "1d").ok()
        stage.kubectl("rollout", "status", "deployment", "later", "--timeout=50s").ok()

    @pytest.mark.soak
    def test_an_older_snapshot_is_told_with_its_age_and_what_follows_is_taken_away(self, stage: Stage, canary: Canary):
        shown = restore(stage, "saved.db", "--dry-run").ok().out
        assert re.search(r"\bold\b|\bago\b", shown), shown
        restore(stage, "saved.db", "--yes").ok()
        await_true(
            lambda: stage.kubectl("get", "pods", "-l", "app=later", "-o", "name").out == "", 120, "its pod to go"
        )
        assert stage.kubectl("get", "deployment", "later").code != 0
        left = """ctr -n k8s.io containers ls -q 'labels."io.kubernetes.pod.name"~="^later"'"""
        await_true(lambda: stage.ssh("worker-0", left).strip() == "", 120, "its container to go")
        canary.alive()
        stage.settled()

    def test_a_member_that_is_not_healthy_keeps_others_from_their_turn(self, stage: Stage):
        stage.ssh("controller-2", "systemctl stop etcd")
        refused = stage.hardway("etcd", "defrag", "INV").ok(9)
        assert "controller-2" in refused.err and "hardway " in refused.err
        assert stage.hardway("etcd", "status", "INV").code == 7
        stage.bootstrap()
        stage.hardway("etcd", "defrag", "INV", "--compact").ok()
        one_cluster(stage)
        # An API server whose own member was away says that it is ready some seconds before the last of its connections
        # to etcd has come back: until then a call may hang.
        stage.settled()

    def test_with_a_quorum_no_member_is_taken_for_all(self, stage: Stage):
        before = runs(stage)
        assert "etcd has a quorum" in restore(stage, "--from-member", "controller-0", "--yes").ok(9).err
        assert runs(stage) == before

    @pytest.mark.soak
    def test_the_quorum_is_lost_and_one_member_has_the_data(self, stage: Stage, canary: Canary):
        config_map(stage, "newest")
        for host in CONTROLLERS[1:]:
            stage.ssh(host, "systemctl stop etcd; rm -rf /var/lib/etcd/member")
        assert stage.hardway("etcd", "status", "INV").code == 7
        ran = restore(stage, "--from-member", "controller-0", "--yes").ok()
        kept = re.search(r"(restored-\S+Z\.db)", ran.out + ran.err)
        assert kept and saved(stage, kept[1]).exists()
        assert there(stage, "newest") and there(stage, "before")
        canary.alive()
        one_cluster(stage)
        nothing_to_do(stage)
        stage.settled()

    @pytest.mark.soak
    def test_it_does_not_come_back_from_a_reboot_either(self, stage: Stage, canary: Canary):
        """The survivor restarted before anybody looked: it answers nobody, and its file is read."""
        config_map(stage, "latest")
        for host in CONTROLLERS[1:]:
            stage.ssh(host, "systemctl stop etcd; rm -rf /var/lib/etcd/member")
        stage.ssh("controller-0", "systemctl restart --no-block etcd")
        restore(stage, "--from-member", "controller-0", "--yes").ok()
        assert there(stage, "latest")
        canary.alive()
        one_cluster(stage)
        stage.settled()

    @pytest.mark.soak
    def test_all_machines_lost_their_data(self, stage: Stage, canary: Canary):
        """What a lost cluster names as the way out works as it stands there."""
        stage.hardway("etcd", "backup", "INV", "-o", "last.db").ok()
        for host in CONTROLLERS:
            stage.ssh(host, "systemctl stop etcd kube-apiserver; rm -rf /var/lib/etcd/*")
        refused = stage.hardway("bootstrap", "INV").ok(9)
        assert f"hardway etcd restore {stage.inventory} FILE" in refused.err
        restore(stage, "last.db", "--yes").ok()
        canary.alive()
        nothing_to_do(stage)
        stage.settled()
        cluster = load(stage.inventory)
        assert founded(stage)["domain"] == cluster.network.domain

    def test_the_machine_room_burned_down(self, stage: Stage, canary: Canary):
        """All machines of the control plane are new, and the keys are gone here too: one file, one command."""
        given, pods = burning.token(stage), burning.containers(stage)
        saving = stage.hardway("backup", "INV", "-o", "whole.age", "--recipient", burning.key(stage)).ok()
        assert saved(stage, "whole.age").stat().st_mode & 0o777 == 0o600
        assert_no_secret(secrets_of(stage.state), saving.out, saved(stage, "whole.age"))
        back = ("whole.age", "--identity", "key.txt", "--yes")
        assert "a cluster is on these machines" in burning.restore(stage, *back).ok(9).err

        burning.new_machines(stage, *CONTROLLERS)
        lost = stage.hardway("bootstrap", "INV").ok(9)
        assert f"hardway restore {stage.inventory} FILE" in lost.err
        burning.lose_keys(stage)
        ran = burning.restore(stage, *back, "--output", "json").ok()
        assert ran.events[0]["command"] == "restore" and ran.events[-1]["event"] == "summary"
        assert burning.containers(stage) == pods, "pods run on as if nothing had been"
        assert burning.accepted(stage, given)
        canary.alive()
        burning.finished(stage)
        stage.settled()
