"""explain and render, by the command line."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_guide import CLUSTERS

from hardway.cli.app import cli
from hardway.commands.runbook.reasons import flag_reasons
from hardway.commands.runbook.topics import TOPICS
from hardway.errors import PkiError, UsageError
from hardway.inventory import load
from hardway.phases import PHASES
from hardway.pki.credentials import Credentials
from hardway.render import COMPONENTS, unit_flags
from hardway.state.statedir import StateDir

LAB = Path(__file__).parents[2] / "inventory/lab.yaml"


def hardway(*words: object) -> str:
    result = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_explain_all_explains_every_phase():
    text = hardway("explain", "all")
    for number, phase in enumerate(PHASES, 1):
        assert f"{number}. {phase.name}: {phase.title}\n" in text
    assert text.count("Goes wrong: ") == text.count("By hand: ") == text.count("Waits for: ") == len(PHASES)


def test_explain_tells_what_lands_where_and_why():
    text = " ".join(hardway("explain", "etcd", LAB).split())
    assert "Waits for: pki, etcd-members, etcd-clients." in text
    assert "On controller-0, controller-1, controller-2: user etcd" in text
    assert "file /etc/etcd/pki/peer.key: Members are server and client of each other." in text
    assert "file /etc/systemd/system/etcd.service: One member of the etcd cluster" in text


def test_a_restore_of_etcd_is_explained_in_its_order():
    text = " ".join(hardway("explain", "etcd-restore", LAB).split())
    order = ["`stop-control-plane`", "`stop-etcd`", "`restore-data`", "`etcd`", "`api-servers`", "`restart-dns`"]
    assert sorted(order, key=text.index) == order
    assert "`stop-control-plane` Stop the control plane controller-0, controller-1, controller-2" in text
    assert "The data that is there is renamed, never deleted." in text and "etcdutl snapshot restore" in text


def test_a_restore_of_the_whole_cluster_is_explained_in_its_order():
    text = " ".join(hardway("explain", "restore", LAB).split())
    order = [
        "Stop the control plane",
        "Restore the snapshot on every member",
        "Start the API servers",
        "When the API answers: ",
    ]
    assert sorted(order, key=text.index) == order
    assert "tar -c etcd.db INV .hardway/lab | age" in text and "hardway bootstrap INV --until binaries" in text


def test_every_chapter_about_a_running_cluster_can_be_explained():
    named = hardway("explain", "-h")
    for topic in TOPICS:
        assert topic.name in named and hardway("explain", topic.name, LAB).startswith(f"{topic.name}: {topic.title}\n")


def test_explain_refuses_an_unknown_phase():
    with pytest.raises(UsageError) as caught:
        hardway("explain", "etc")
    assert "etcd" in caught.value.hint


def test_every_flag_of_every_unit_has_its_reason_and_no_reason_is_idle():
    for component in COMPONENTS:
        ours = set().union(*(unit_flags(component, cluster) for cluster in CLUSTERS.values()))
        assert set(flag_reasons()[component]) == ours, component
    assert set(flag_reasons()) == set(COMPONENTS)


def test_explain_says_why_each_flag_is_there():
    text = " ".join(hardway("explain", "control-plane", LAB).split())
    assert "--authorization-mode: Node limits each kubelet to its own objects" in text


@pytest.fixture
def made(tmp_path) -> Path:
    """A state directory that is complete."""
    state = tmp_path / "state"
    Credentials(load(LAB, state), StateDir(state)).ensure_all()
    return state


def test_render_without_secrets_knows_none(tmp_path, made):
    hardway("render", LAB, "--state-dir", made, "--host", "controller-0", "-o", tmp_path / "out")
    files = {
        path.relative_to(tmp_path / "out").as_posix(): path for path in (tmp_path / "out").rglob("*") if path.is_file()
    }
    assert {
        "etc/kubernetes/pki/ca.key",
        "etc/systemd/system/etcd.service",
        "etc/hosts.hardway-block",
        "MANIFEST.json",
    } <= set(files)
    assert "--name=controller-0" in files["etc/systemd/system/etcd.service"].read_text()
    assert [name for name, path in files.items() if "BEGIN" in path.read_text() and not name.endswith("block")] == []


def test_render_with_secrets_writes_what_a_host_gets(tmp_path, made):
    hardway("render", LAB, "--state-dir", made, "--host", "controller-0", "-o", tmp_path / "out", "--with-secrets")
    key = tmp_path / "out/etc/kubernetes/pki/ca.key"
    assert key.read_bytes() == (made / "pki/ca.key").read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


def test_the_manifest_tells_owners_modes_and_units(tmp_path):
    hardway("render", LAB, "--host", "controller-0", "-o", tmp_path / "out")
    manifest = json.loads((tmp_path / "out/MANIFEST.json").read_text())
    entries = {entry.get("path") or entry.get("name"): entry for entry in manifest["entries"]}
    server = entries["/etc/etcd/pki/server.key"]
    assert (server["owner"], server["group"], server["mode"], server["secret"]) == ("etcd", "etcd", "600", True)
    assert "/etc/kubernetes/pki/ca.crt" in entries["kube-apiserver.service"]["uses"]
    assert entries["/usr/local/bin/etcd"]["mode"] == "755"


def test_render_refuses_a_folder_with_files_and_secrets_that_are_not_there(tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(UsageError):
        hardway("render", LAB, "--host", "lb", "-o", tmp_path)
    with pytest.raises(PkiError):
        hardway(
            "render", LAB, "--state-dir", tmp_path / "none", "--host", "lb", "-o", tmp_path / "out", "--with-secrets"
        )
