"""The guide's chapter about the whole cluster: what it says is typed, with the real age and tar."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from fakes import bolt_file

from hardway import archive
from hardway.archive import Backup, Manifest
from hardway.commands.runbook.later.whole import BY_HAND
from hardway.commands.whole.backup import kept
from hardway.etcd import snapshot
from hardway.etcd.sidecar import Sidecar
from hardway.state.statedir import StateDir

pytestmark = pytest.mark.skipif(not shutil.which("age"), reason="age is not installed")
STEPS = {what: how.split("`")[1] for what, how in BY_HAND}
SAVE, READ, BACK, OURS = "save all of it", "read it", "put the keys back", "if hardway backup has written FILE"


class Hand:
    """Somebody with a shell in a folder with the inventory lab.yaml; `recipient` is the public key of key.txt."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.run("age-keygen -o key.txt")
        self.recipient = self.run("age-keygen -y key.txt").strip()

    def run(self, line: str) -> str:
        words = ["bash", "-eu", "-o", "pipefail", "-c", line]
        return subprocess.run(words, cwd=self.folder, check=True, capture_output=True, text=True, timeout=60).stdout

    def types(self, step: str) -> str:
        """A step of the guide, for the cluster lab."""
        line = STEPS[step]
        names = {"CLUSTER": "lab", "INV": "lab.yaml", "KEY": "key.txt", "RECIPIENT": self.recipient, "FILE": "lab.age"}
        for word, name in names.items():
            line = line.replace(word, name)
        return self.run(line)

    @property
    def state(self) -> StateDir:
        return StateDir(self.folder / ".hardway/lab")


@pytest.fixture
def hand(tmp_path) -> Hand:
    hand = Hand(tmp_path)
    (tmp_path / "lab.yaml").write_text("cluster: lab\n")
    bolt_file.write(tmp_path / "etcd.db", b"uid-1")
    for name in ("cluster", "pki/ca.key", "encryption/aescbc-key1.key", "founded.json"):
        hand.state.create(name, f"{name}\n".encode())
    return hand


def lost(hand: Hand) -> dict[str, bytes]:
    """Everything but the file and its key; what the state directory had."""
    state = kept(hand.state)
    shutil.rmtree(hand.folder / ".hardway")
    for name in ("lab.yaml", "etcd.db"):
        (hand.folder / name).unlink()
    return state


def all_back(hand: Hand, state: dict[str, bytes]) -> None:
    assert kept(hand.state) == state and (hand.folder / "lab.yaml").read_text() == "cluster: lab\n"
    assert snapshot.read(hand.folder / "etcd.db").holds("uid-1")
    key = hand.folder / ".hardway/lab/pki/ca.key"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (key, key.parent)] == [0o600, 0o700]
    hand.state.create("pki/new.crt", b"hardway goes on with it")


def test_what_was_saved_by_hand_comes_back_by_hand(hand: Hand):
    hand.types(SAVE)
    assert ".hardway/lab/pki/ca.key" in hand.types(READ)
    state = lost(hand)
    hand.types(BACK)
    all_back(hand, state)


def test_what_hardway_has_saved_comes_back_by_hand(hand: Hand):
    found = snapshot.read(hand.folder / "etcd.db")
    about = Sidecar("lab", "2026-11-28T12:00:00+00:00", "node-1", 1, found.size, found.sha256, "3.7.3", found.storage,
                    "1.37.2", "c1", "uid-1", "ca", "tokens")  # fmt: skip
    said = Manifest("lab", about.taken, "0", "1.37.2", "3.7.3", "https://10.0.0.1:6443")
    file = hand.folder / "lab.age"
    with file.open("wb") as target:
        whole = Backup(file, said, b"cluster: lab\n", found, about, kept(hand.state))
        archive.write(archive.lock_of([hand.recipient]), target, whole)
    assert "state/pki/ca.key" in hand.types(READ)
    state = lost(hand)
    hand.types(BACK)
    hand.types(OURS)
    all_back(hand, state)
    assert os.listdir(hand.folder / ".hardway") == ["lab"]
