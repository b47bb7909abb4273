"""What the guide has a person make by hand is what hardway would have made: keys, certificates, kubeconfigs."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest
from test_guide import CLUSTERS, written

from hardway.cluster import Cluster
from hardway.commands.runbook.writing.document import Code
from hardway.pki.credentials import Credentials
from hardway.settings import Pki
from hardway.state.statedir import StateDir

pytestmark = pytest.mark.slow

LOCAL = ("start", "pki", "kubeconfigs", "encryption")


def typed(cluster: Cluster, folder: Path, *names: str) -> None:
    """Type the chapters' blocks that concern the operator's own machine."""
    chapters = {chapter.name: chapter for chapter in written(cluster, folder)}
    blocks = [
        part.text
        for name in names
        for part in chapters[name].parts
        if isinstance(part, Code) and part.language == "bash"
    ]
    away = ("ssh -F", 'KUBECTL" --', "s_client")
    local = [block for block in blocks if not any(word in block for word in away)]
    done = subprocess.run(
        ["bash", "-eo", "pipefail"], input="\n".join(local), text=True, capture_output=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "ecdsa-p384", "rsa-2048"])
def test_keys_by_openssl_are_what_hardway_wants(tmp_path, algorithm):
    cluster = dataclasses.replace(CLUSTERS["ha"], pki=Pki(algorithm=algorithm))
    typed(cluster, tmp_path, *LOCAL, "handover")
    state = tmp_path / ".hardway" / cluster.name
    credentials = Credentials(cluster, StateDir(state))
    assert credentials.plan() == []
    assert credentials.ensure_all() == []
    assert credentials.kubeconfig("admin").reveal() == (state / "admin.conf").read_bytes()
    with StateDir(state).lock():
        pass
    assert [str(path) for path in state.rglob("*") if path.suffix == ".key" and path.stat().st_mode & 0o77] == []


def test_typing_it_again_keeps_keys_and_authorities(tmp_path):
    cluster = CLUSTERS["lab"]
    typed(cluster, tmp_path, *LOCAL)
    pki = tmp_path / ".hardway" / cluster.name / "pki"
    kept = {path: path.read_bytes() for path in pki.rglob("*") if path.suffix == ".key" or path.name.endswith("ca.crt")}
    typed(cluster, tmp_path, *LOCAL)
    assert {path: path.read_bytes() for path in kept} == kept and len(kept) > 20


def test_a_certificate_that_is_renewed_by_hand_is_what_hardway_wants(tmp_path):
    cluster = CLUSTERS["ha"]
    typed(cluster, tmp_path, *LOCAL)
    state = StateDir(tmp_path / ".hardway" / cluster.name)
    before = {name: state.read(name) for name in state.names() if name.startswith("pki/")}
    typed(cluster, tmp_path, "start", "certificates")
    changed = {name for name in before if state.read(name) != before[name]}
    assert changed == {"pki/apiserver.crt", "pki/apiserver.key"}
    assert Credentials(cluster, state).plan("pki") == []


def test_notes_of_the_last_chapter_are_hardways_own(tmp_path):
    """The same names and values as a state directory that hardway made itself from the same keys."""
    cluster = CLUSTERS["ha"]
    typed(cluster, tmp_path, *LOCAL, "handover")
    state = StateDir(tmp_path / ".hardway" / cluster.name)
    before = {name: state.read(name) for name in state.names() if name == "cluster" or name.endswith(".sha256")}
    for name in before:
        (state.path / name).unlink()
    Credentials(cluster, state).ensure_all()
    assert before == {name: state.read(name) for name in state.names() if name == "cluster" or name.endswith(".sha256")}
    assert len(before) == 5
