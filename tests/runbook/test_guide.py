"""The guide says everything, for every shape of cluster, and nothing secret."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hardway.cluster import Cluster, Role
from hardway.commands.runbook import bare, handover, ops
from hardway.commands.runbook.chapters import guide, write_guide
from hardway.commands.runbook.checks import CHECKS
from hardway.commands.runbook.explain import explain_topic
from hardway.commands.runbook.later.encryption import PASSES
from hardway.commands.runbook.later.upgrade import STEPS
from hardway.commands.runbook.topics import TOPICS
from hardway.commands.runbook.writing.document import Chapter, Code, Table
from hardway.phases import PHASES
from hardway.pki.stand_ins import StandIns
from hardway.removal.course import COURSE
from hardway.run.supposed import assumed
from hardway.settings import Taint

sys.path.append(str(Path(__file__).parents[1] / "rendered"))
from clusters import CLUSTERS

from tests.fakes.fake_assets import FakeAssets

pytestmark = pytest.mark.slow


@pytest.fixture(params=CLUSTERS.values(), ids=CLUSTERS.keys())
def cluster(request) -> Cluster:
    """Every shape, with labels and a taint on its first worker."""
    marked = request.param.workers[0]
    worker = dataclasses.replace(marked, labels={"disk": "ssd"}, taints=(Taint("dedicated", "NoSchedule", "batch"),))
    return dataclasses.replace(
        request.param, hosts=tuple(worker if host is marked else host for host in request.param.hosts)
    )


def written(cluster: Cluster, folder: Path) -> list[Chapter]:
    return guide(
        cluster, assumed(cluster), FakeAssets(cluster, folder), Path(".hardway") / cluster.name, "Nobody was asked."
    )


def commands(chapters: list[Chapter]) -> list[str]:
    return [
        part.text
        for chapter in chapters
        for part in chapter.parts
        if isinstance(part, Code) and part.language == "bash"
    ]


def test_every_phase_has_its_chapter_in_order(cluster, tmp_path):
    chapters = written(cluster, tmp_path)
    assert [chapter.name for chapter in chapters] == [
        "start",
        *(phase.name for phase in PHASES),
        "handover",
        *(topic.name for topic in TOPICS),
    ]
    assert all(chapter.parts for chapter in chapters)


def test_every_phase_says_how_to_check_it_and_what_goes_wrong():
    for phase in PHASES:
        text = sys.modules[f"hardway.phases.{phase.name.replace('-', '_')}"].__doc__
        assert "\n\nBy hand: " in text and "\n\nGoes wrong: " in text, phase.name


def test_every_phase_that_does_something_is_checked(cluster, tmp_path):
    phases = {phase.name for phase in PHASES}
    for chapter in (one for one in written(cluster, tmp_path) if one.name in phases):
        if commands([chapter]):
            assert chapter.name in CHECKS, "add a check in hardway/commands/runbook/checks.py"
            assert any(isinstance(part, Code) and part.language == "text" for part in chapter.parts), chapter.name


def test_every_op_of_a_new_cluster_can_be_typed_and_no_rendering_is_idle(tmp_path):
    verbs = set()
    for shape in CLUSTERS.values():
        worker = dataclasses.replace(shape.workers[0], labels={"disk": "ssd"})
        shape = dataclasses.replace(
            shape, hosts=tuple(worker if host is shape.workers[0] else host for host in shape.hosts)
        )
        secrets = StandIns(shape)
        inputs = ops_inputs(shape, secrets, tmp_path)
        verbs |= {
            op.verb
            for changes in bare.changes(inputs).values()
            for change in changes
            for op in (*change.before, *change.ops)
        }
    assert verbs == {*ops.VERBS, *handover.VERBS, "issue"}


def ops_inputs(cluster: Cluster, secrets: StandIns, folder: Path):
    from hardway.phase import Inputs

    return Inputs(cluster, assumed(cluster), secrets.credentials, FakeAssets(cluster, folder))


def test_every_block_is_bash(cluster, tmp_path):
    """Each block for itself: a person pastes one at a time."""
    for block in commands(written(cluster, tmp_path)):
        done = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True)
        assert (done.returncode, done.stderr) == (0, ""), block


def explained(name: str, cluster: Cluster) -> str:
    [topic] = [topic for topic in TOPICS if topic.name == name]
    return explain_topic(topic, cluster, assumed(cluster))


def test_how_a_host_leaves_is_told_step_by_step(cluster, tmp_path):
    [chapter] = [chapter for chapter in written(cluster, tmp_path) if chapter.name == "nodes"]
    [table] = [part for part in chapter.parts if isinstance(part, Table)]
    assert [row[0] for row in table.rows] == [f"`{leg.name}`" for leg in COURSE]
    drains = [block for block in commands([chapter]) if " drain " in block]
    assert bool(drains) == (len(cluster.workers) > 1)
    assert all(f"`{leg.name}`\n" in explained("nodes", cluster) for leg in COURSE)


def test_how_versions_change_is_told_with_every_way_back(cluster, tmp_path):
    [chapter] = [chapter for chapter in written(cluster, tmp_path) if chapter.name == "upgrade"]
    swaps = [block for block in commands([chapter]) if "systemctl restart" in block]
    kinds = {host for host in cluster.workers if not host.is_(Role.CONTROL_PLANE)}
    assert len(swaps) == 2 * (3 if kinds else 2) and sum(".before .$p.back" in block for block in swaps) * 2 == len(
        swaps
    )
    assert all(f"`{name}`\n" in explained("upgrade", cluster) for name, _, _ in STEPS)


def test_another_encryption_key_is_told_pass_by_pass(cluster, tmp_path):
    [chapter] = [chapter for chapter in written(cluster, tmp_path) if chapter.name == "encryption-rotate"]
    shown = [part.text for part in chapter.parts if isinstance(part, Code) and part.language == "text"]
    provider = cluster.encryption.provider
    assert shown == ([f"k8s:enc:{provider}:v1:key1"] if provider != "none" else [])
    assert all(f"`{name}`\n" in explained("encryption-rotate", cluster) for name, _, _ in PASSES)


@pytest.mark.parametrize("form", ["md", "html"])
def test_no_secret_comes_into_the_guide(cluster, tmp_path, form, monkeypatch):
    made: list[StandIns] = []
    monkeypatch.setattr(
        "hardway.commands.runbook.chapters.StandIns", lambda cluster: made.append(StandIns(cluster)) or made[0]
    )
    files = write_guide(written(cluster, tmp_path), cluster, tmp_path / "guide", form)
    text = b"".join(file.read_bytes() for file in files)
    secrets = list(made[0].secrets())
    assert len(secrets) > 50
    assert [secret for secret in secrets if secret in text] == []
    assert b"-----BEGIN" not in text and b"\0" not in text


def test_ssh_without_input_takes_nothing_from_the_terminal(cluster, tmp_path):
    """Lines that were pasted after it must not be swallowed."""
    for block in commands(written(cluster, tmp_path)):
        for line in block.splitlines():
            if line.startswith('ssh -F "$CONFIG" ') and " -n " not in line:
                assert " <" in line, line


def test_sudo_where_we_are_not_root(tmp_path):
    shape = CLUSTERS["lab"]
    user = tuple(dataclasses.replace(host, ssh=dataclasses.replace(host.ssh, user="vagrant")) for host in shape.hosts)
    lines = [
        line
        for block in commands(written(dataclasses.replace(shape, hosts=user), tmp_path))
        for line in block.splitlines()
    ]
    calls = [
        line
        for line in lines
        if line.lstrip().startswith('ssh -F "$CONFIG"') and not line.endswith('accepts my login"')
    ]
    assert len(calls) > 100
    assert [line for line in calls if "sudo " not in line and "/sbin/ip " not in line] == []


def test_a_chapter_of_a_role_that_nobody_has_says_so(tmp_path):
    chapters = {chapter.name: chapter for chapter in written(CLUSTERS["single"], tmp_path)}
    assert not CLUSTERS["single"].with_role(Role.LB)
    assert commands([chapters["load-balancer"]]) == []
    assert "nothing to do" in chapters["load-balancer"].parts[-1].text


def test_html_is_one_page_that_needs_nothing_else(cluster, tmp_path):
    (file,) = write_guide(written(cluster, tmp_path), cluster, tmp_path / "guide", "html")
    text = file.read_text()
    assert text.count("<svg") == 2 and "@media print" in text
    assert not [word for word in ("<script", "src=", "<link", "@import", "url(") if word in text]


def test_advice_is_about_this_cluster(cluster, tmp_path):
    """Nothing is left to be filled in by the reader, but in names of things that are not there yet."""
    for file in write_guide(written(cluster, tmp_path), cluster, tmp_path / "guide", "md"):
        assert re.findall(r"<(?:cluster|worker|api address)>", file.read_text()) == [], file.name


@pytest.mark.parametrize("form", ["md", "html"])
def test_the_picture_of_trust_shows_who_believes_whom(tmp_path, form):
    files = write_guide(written(CLUSTERS["ha"], tmp_path), CLUSTERS["ha"], tmp_path / "guide", form)
    text = "".join(file.read_text() for file in files)
    picture = text[text.index("n_etcd_ca[[") if form == "md" else text.index(">etcd-ca</text>") :][:6000]
    assert "etcd-peer" in picture and "/etc/etcd/pki/ca.crt" in picture and "etcd-0, etcd-1, etcd-2" in picture


def test_chapters_lead_to_each_other(cluster, tmp_path):
    index, *files = write_guide(written(cluster, tmp_path), cluster, tmp_path / "guide", "md")
    for file, after in zip(files, [*files[1:], index], strict=True):
        assert f"]({after.name})" in file.read_text().splitlines()[-1]
