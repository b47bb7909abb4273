"""The machine room has burned down: every control-plane machine is new, the keys are gone from this computer too. One
file and one command bring the cluster back; workers and their pods do not notice.

Each test is a step of one story; the canary of the first is there to the last.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest
from canary import Canary
from secrets_of import assert_no_secret, secrets_of
from stage import Ran, Stage, of_the_lab
from strike import LIMIT, begins
from watched import Watched

pytestmark = pytest.mark.lab

CONTROLLERS = ["controller-0", "controller-1", "controller-2"]
PHRASE = "seven burning machines in a cold room"
BACK = ("whole.age", "-i", "key.txt", "--yes")


@pytest.fixture(scope="module")
def stage(make_stage: Callable[[dict], Stage]) -> Stage:
    """A load balancer, three control-plane hosts with etcd, one worker."""
    inventory = of_the_lab("burned", node="10.238.4", pods="10.184", services="10.64.0")
    inventory["hosts"] = [host for host in inventory["hosts"] if host["name"] != "worker-1"]
    stage = make_stage({**inventory, "addons": {"coredns": {"replicas": 1}}})
    stage.hardway("assets", "fetch", "INV", timeout=2400).ok()
    stage.lab("up")
    stage.bootstrap()
    return stage


@pytest.fixture(scope="module")
def canary(stage: Stage) -> Canary:
    return Canary(stage).settle()


def restore(stage: Stage, *words: str) -> Ran:
    return stage.hardway("restore", "INV", *words, timeout=900)


def burn(stage: Stage) -> None:
    """New disks in the control plane's machines, and nothing left of the state directory but the lab's own key."""
    stage.lab("power-off", *CONTROLLERS)
    for name in CONTROLLERS:
        shutil.rmtree(stage.folder / "machines/machines" / name)
    stage.lab("up", *CONTROLLERS)
    lose_keys(stage)


def lose_keys(stage: Stage) -> None:
    for path in stage.state.iterdir():
        if path.name not in ("lab", ".gitignore"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def containers(stage: Stage) -> str:
    return stage.ssh("worker-0", "ctr -n k8s.io tasks ls | sort")


def token(stage: Stage) -> str:
    return stage.kubectl("create", "token", "default", "--duration=2h").ok().out.strip()


def accepted(stage: Stage, given: str) -> bool:
    """Whether the API accepts a token that it was given once."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": given}}
    said = stage.kubectl("create", "-o", "json", "-f", "-", stdin=json.dumps(review)).ok()
    return bool(said.json["status"].get("authenticated"))


def whole_again(stage: Stage, canary: Canary) -> None:
    canary.alive()
    for host in CONTROLLERS:
        assert stage.ssh(host, "ls /var/lib/hardway/notes/restore 2>/dev/null || :") == ""
    said = stage.kubectl("get", "secret", "canary", "-o", "jsonpath={.data.said}").ok().out
    assert said == "a2VwdCBzZWNyZXQ="
    assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out


class TestBurned:
    chain = True

    def test_a_backup_is_one_private_file_without_a_secret_to_see(self, stage: Stage, canary: Canary):
        identity = pyrage.x25519.Identity.generate()
        (stage.folder / "key.txt").write_text(f"{identity}\n")
        recipient = str(identity.to_public())
        ran = stage.hardway("backup", "INV", "-o", "whole.age", "-r", recipient).ok()
        file: Path = stage.folder / "whole.age"
        assert file.stat().st_mode & 0o777 == 0o600 and "whole.age" in ran.out
        assert_no_secret(secrets_of(stage.state), ran.out, file)
        assert "exists already" in stage.hardway("backup", "INV", "-o", "whole.age", "-r", recipient).ok(2).err

    def test_a_cluster_that_lives_is_never_replaced(self, stage: Stage, canary: Canary):
        refused = restore(stage, *BACK).ok(9)
        assert "a cluster is on these machines" in refused.err and "the API answers" in refused.err
        lose_keys(stage)
        assert "a cluster is on these machines" in restore(stage, *BACK).ok(9).err
        assert not (stage.state / "pki").exists(), "nothing is written before it is refused"
        restored_keys(stage)
        canary.alive()

    def test_everything_is_lost_and_comes_back(self, stage: Stage, canary: Canary):
        pods = containers(stage)
        burn(stage)
        shown = restore(stage, *BACK, "--dry-run").ok().out
        steps = ["restore", "start etcd.service", "start kube-apiserver.service"]
        assert sorted(steps, key=shown.index) == steps
        ran = restore(stage, *BACK, "--output", "json").ok()
        assert ran.events[0]["command"] == "restore" and ran.events[-1]["event"] == "summary"
        assert containers(stage) == pods, "pods run on as if nothing had been"
        whole_again(stage, canary)
        stage.settled()

    def test_tokens_are_valid_and_a_passphrase_does_as_well(self, stage: Stage, canary: Canary):
        given = token(stage)
        (stage.folder / "phrase").write_text(f"{PHRASE}\n")
        stage.hardway("backup", "INV", "-o", "phrase.age", "--passphrase-file", "phrase").ok()
        burn(stage)
        (stage.folder / "wrong").write_text("six burning machines\n")
        wrong = restore(stage, "phrase.age", "--passphrase-file", "wrong", "--yes").ok(8)
        assert "the passphrase does not open" in wrong.err
        ran = restore(stage, "phrase.age", "--passphrase-file", "phrase", "--yes").ok()
        assert PHRASE not in ran.out + ran.err
        assert accepted(stage, given)
        whole_again(stage, canary)

    @pytest.mark.soak
    @pytest.mark.parametrize("phase", ["stop-etcd", "binaries", "restore-data", "etcd", "api-servers", "kubelet"])
    def test_killed_and_continued(self, stage: Stage, canary: Canary, phase: str):
        burn(stage)
        with Watched(stage, *BACK, command="restore") as run:
            run.until(lambda events: any(begins(event, phase) for event in events), LIMIT)
            run.kill()
        said = stage.hardway("doctor", "INV")
        assert said.code == 0 or re.search(r"hardway restore \S+ FILE|no diagnosis", said.out + said.err)
        restore(stage, *BACK).ok()
        whole_again(stage, canary)

    def test_on_machines_with_other_addresses(self, stage: Stage, canary: Canary):
        """The workers are led to the new API; nothing of theirs is reinstalled."""
        pods = containers(stage)
        stage.lab("power-off", *CONTROLLERS, "lb")
        for name in (*CONTROLLERS, "lb"):
            shutil.rmtree(stage.folder / "machines/machines" / name)
        stage.edit(moved)
        stage.lab("up", *CONTROLLERS, "lb")
        lose_keys(stage)
        ran = restore(stage, *BACK).ok()
        assert "has moved from" in ran.out + ran.err
        assert containers(stage) == pods
        whole_again(stage, canary)
        stage.settled()


def moved(inventory: dict) -> None:
    """The control plane and the load balancer have the same last byte, and 100 more."""
    for host in inventory["hosts"]:
        if host["name"] in (*CONTROLLERS, "lb"):
            head, _, last = host["address"].rpartition(".")
            host["address"] = f"{head}.{int(last) + 100}"


def restored_keys(stage: Stage) -> None:
    """By hand, as the guide says: what is in the file is unpacked with tar."""
    identity = pyrage.x25519.Identity.from_str((stage.folder / "key.txt").read_text().strip())
    plain = pyrage.decrypt((stage.folder / "whole.age").read_bytes(), [identity])
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        for entry in archive:
            file = archive.extractfile(entry)
            if file and entry.name.startswith("state/"):
                path = stage.state / entry.name.removeprefix("state/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.read())
                path.chmod(0o600)
