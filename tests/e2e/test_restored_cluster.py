"""What can go otherwise when a whole cluster is restored: another key, a run that is killed, other addresses.

That it works at all is the last step of test_restored_etcd.py. Each test is a step of one story; the canary of the
first is there to the last.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest
from burning import CONTROLLERS, accepted, burn, containers, finished, key, lose_keys, new_machines, restore, token
from canary import Canary
from secrets_of import assert_no_secret, secrets_of
from stage import Stage, of_the_lab
from strike import LIMIT, begins
from watched import Watched

pytestmark = [pytest.mark.lab, pytest.mark.soak]

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


def whole_again(stage: Stage, canary: Canary) -> None:
    canary.alive()
    finished(stage)


class TestBurned:
    chain = True

    def test_a_backup_is_one_private_file_without_a_secret_to_see(self, stage: Stage, canary: Canary):
        recipient = key(stage)
        ran = stage.hardway("backup", "INV", "-o", "whole.age", "-r", recipient).ok()
        file: Path = stage.folder / "whole.age"
        assert file.stat().st_mode & 0o777 == 0o600 and "whole.age" in ran.out
        assert_no_secret(secrets_of(stage.state), ran.out, file)
        assert "exists already" in stage.hardway("backup", "INV", "-o", "whole.age", "-r", recipient).ok(2).err

    def test_a_cluster_that_lives_is_never_replaced(self, stage: Stage, canary: Canary):
        """Nor without its keys; what is in the file is then unpacked by hand, as the guide says."""
        lose_keys(stage)
        assert "a cluster is on these machines" in restore(stage, *BACK).ok(9).err
        assert not (stage.state / "pki").exists(), "nothing is written before it is refused"
        unpack(stage)
        canary.alive()

    def test_a_passphrase_does_as_well(self, stage: Stage, canary: Canary):
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
        stage.edit(moved)
        new_machines(stage, *CONTROLLERS, "lb")
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


def unpack(stage: Stage) -> None:
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
