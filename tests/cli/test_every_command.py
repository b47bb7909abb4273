"""Every command is typed with real arguments: here when it can work, or fail, without a machine; else in the lab.

Most other tests call functions; what stands between the words that are typed and those functions must be tried too.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from counter import PHRASE, Counter
from docs.test_help import ALL
from fakes import bolt_file

from hardway.state.statedir import StateDir

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]
LEAVES = {" ".join(path) for path, command in ALL if not hasattr(command, "commands")}
RUN: set[str] = set()
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2MfKsWfmBdmlyEd0l0HN0ZHgFdlTXn7hXO6wRH0mAw"


def runs(*commands: str) -> Callable:
    """Marks a test as the one that runs these commands."""
    RUN.update(commands)
    return lambda test: test


@runs("init", "validate")
def test_an_inventory_is_drafted_and_is_right(desk: Counter):
    hosts = [f"root@10.0.0.{number}" for number in (9, 10, 11, 12, 20, 21)]
    (desk.folder / "cluster.yaml").write_text(desk.hardway("init", *hosts).ok().out)
    assert "cluster.yaml: ok, cluster" in desk.hardway("validate", "cluster.yaml").ok().out
    one = desk.hardway("init", "root@10.0.0.9").ok().out
    (desk.folder / "cluster.yaml").write_text(one)
    assert "cluster.yaml: ok, cluster" in desk.hardway("validate", "cluster.yaml").ok().out
    (desk.folder / "cluster.yaml").write_text(one.replace("memory: 1Gi", "memory: 1GB"))
    line = 1 + one[: one.index("memory: 1Gi")].count("\n")
    refused = f"cluster.yaml:{line}: hosts[0].reserved.memory: must be an amount as Kubernetes writes it"
    assert refused in desk.hardway("validate", "cluster.yaml").ok(3).err
    (desk.folder / "cluster.yaml").write_text("cluster: Shop\n")
    assert "cluster.yaml:1: cluster: must be" in desk.hardway("validate", "cluster.yaml").ok(3).err


@runs("schema", "phases")
def test_what_there_is_is_listed(desk: Counter):
    assert "hosts" in desk.hardway("schema").ok().json["properties"]
    named = [one["name"] for one in desk.hardway("phases", "--output", "json").ok().json]
    lines = desk.hardway("phases").ok().out.splitlines()
    assert [line.split()[1] for line in lines] == named and "etcd-quorum" in named


@runs("explain", "render", "runbook")
def test_a_cluster_is_explained_without_its_hosts(desk: Counter):
    desk.assets()
    assert "etcd" in desk.hardway("explain", "etcd").ok().out
    assert "node-1" in desk.hardway("explain", "all", desk.cluster).ok().out
    assert "`etcd-member`\n    etcd removes the member" in desk.hardway("explain", "nodes").ok().out
    desk.hardway("render", desk.cluster, "--host", "node-1", "-o", "files").ok()
    assert (desk.folder / "files/etc/systemd/system/kubelet.service").is_file()
    desk.hardway("assets", "fetch", desk.cluster).ok()
    assert "chapters in guide" in desk.hardway("runbook", desk.cluster, "--no-survey").ok().out
    assert len(list((desk.folder / "guide").glob("[0-9]*.md"))) > 5
    desk.hardway("runbook", desk.cluster, "--no-survey", "--format", "html", "-o", "page").ok()
    assert list((desk.folder / "page").glob("*.html"))


@runs("assets fetch", "assets build", "assets pin", "assets list", "assets verify", "assets mirror")
def test_assets_come_from_a_mirror_and_are_hashed_again(desk: Counter):
    rows = desk.hardway("assets", "list", desk.cluster, "--output", "json").ok().json
    assert {row["state"] for row in rows} == {"missing"}
    assert f"next: hardway assets fetch {desk.cluster}" in desk.hardway("assets", "verify", desk.cluster).ok(8).err
    desk.hardway("assets", "fetch", desk.cluster).ok(8)
    desk.assets()
    assert "verified in" in desk.hardway("assets", "fetch", desk.cluster).ok().out
    assert (
        "1.36.90 is not among the Go modules that hardway pins"
        in desk.hardway("assets", "build", desk.cluster).ok(8).err
    )
    assert "there is no component kernel" in desk.hardway("assets", "pin", "kernel=6.1").ok(8).err
    assert "the checksum of every asset is correct" in desk.hardway("assets", "verify", desk.cluster).ok().out
    assert " cached " in desk.hardway("assets", "list", desk.cluster).ok().out
    assert "verified in copy" in desk.hardway("assets", "mirror", desk.cluster, "copy").ok().out


@runs("kubeconfig", "env")
def test_a_cluster_is_at_hand(desk: Counter):
    desk.assets()
    desk.hardway("assets", "fetch", desk.cluster).ok()
    desk.keys()
    assert yaml.safe_load(desk.hardway("kubeconfig", desk.cluster).ok().out)["current-context"] == "refused"
    lines = desk.hardway("env", desk.cluster).ok().out
    assert f"export KUBECONFIG={desk.folder}/.hardway/refused/admin.conf\n" in lines and "alias kubectl=" in lines


@runs("trust")
def test_keys_that_were_copied_are_recorded(desk: Counter):
    known = desk.folder / "known"
    whole = yaml.safe_load(desk.cluster.read_text())
    inventory = desk.inventory(**{**whole, "ssh": {**whole["ssh"], "known_hosts": str(known)}})
    (desk.folder / "console.pub").write_text(f"{KEY} root@node-1\n")
    assert "+ ssh-ed25519 SHA256:" in desk.hardway("trust", inventory, "node-1", "--from-file", "console.pub").ok().out
    assert KEY in known.read_text()


@runs("preflight", "plan", "bootstrap", "verify", "reset", "doctor", "logs", "drill", "status", "support-bundle")
@runs("certs list", "certs renew", "certs rotate-ca")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("verify", "--only", "hosts-fit", "--ignore", "Memory=node-1"), 7),
        (("doctor", "--ignore", "DropIn"), 4),
        (("preflight",), 4),
        (("preflight", "--output", "json", "--ignore", "Memory=node-1"), 4),
        (("plan",), 4),
        (("plan", "--output", "json", "--exit-code"), 4),
        (("bootstrap",), 4),
        (("bootstrap", "--dry-run"), 4),
        (("bootstrap", "--found-anew", "refused"), 4),
        (("bootstrap", "--found-anew", "refused", "--dry-run"), 4),
        (("verify", "--only", "no-drift"), 7),
        (("reset", "--yes"), 4),
        (("doctor",), 4),
        (("doctor", "--output", "json"), 4),
        (("logs", "kubelet", "-n", "5", "--since", "10m"), 4),
        (("drill", "kubelet"), 4),
        (("status",), 0),
        (("status", "--output", "json"), 0),
        (("certs", "list"), 0),
        (("certs", "list", "--output", "json"), 0),
        (("certs", "list", "--warn-days", "30"), 4),
        (("certs", "list", "--warn-days", "400"), 7),
        (("certs", "renew", "apiserver"), 4),
        (("certs", "renew", "--all", "--keep-keys"), 4),
        (("certs", "renew", "kubelet@*", "--plan"), 4),
        (("certs", "rotate-ca", "kubernetes", "--workloads", "restart"), 4),
        (("certs", "rotate-ca", "etcd", "--plan"), 4),
        (("certs", "rotate-ca", "front-proxy", "--status"), 0),
        (("certs", "rotate-ca", "service-account", "--status", "--output", "json"), 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_hosts_that_do_not_answer_are_named(desk: Counter, words: tuple[str, ...], code: int):
    desk.keys()
    count = {"certs list": 2, "certs renew": 2, "certs rotate-ca": 3}.get(
        " ".join(words[:2]), 1
    )  # words of the command
    ran = desk.hardway(*words[:count], desk.cluster, *words[count:])
    ran.ok(code)
    assert "node-1" in ran.out + ran.err and "a bug in hardway" not in ran.err and "Traceback" not in ran.err
    if code and "json" in words and ran.out:
        json.loads(ran.out)


@runs("etcd status", "etcd members", "etcd backup", "etcd defrag", "etcd disarm")
@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("status", "--output", "json"),
        ("members",),
        ("members", "--output", "json"),
        ("backup",),
        ("backup", "-o", ".", "--keep", "3", "--output", "json"),
        ("backup", "--member", "node-1"),
        ("defrag", "--compact"),
        ("defrag", "--dry-run", "--output", "json"),
        ("disarm",),
        ("disarm", "--plan"),
    ],
    ids=" ".join,
)
def test_etcd_hosts_that_do_not_answer_are_named(desk: Counter, words: tuple[str, ...]):
    desk.keys()
    ran = desk.hardway("etcd", words[0], desk.cluster, *words[1:]).ok(4)
    assert "node-1" in ran.out + ran.err and "a bug in hardway" not in ran.err and "Traceback" not in ran.err
    if words == ("status", "--output", "json"):
        [member] = ran.json["members"]
        assert "the host does not answer" in member["problems"][0]
    assert not list(desk.folder.glob("*.db*"))


@runs("encryption status", "encryption rotate")
@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("status", "--output", "json"),
        ("rotate",),
        ("rotate", "--plan"),
        ("rotate", "--dry-run", "--output", "json"),
    ],
    ids=" ".join,
)
def test_hosts_that_do_not_answer_keep_their_key(desk: Counter, words: tuple[str, ...]):
    desk.keys()
    ran = desk.hardway("encryption", words[0], desk.cluster, *words[1:])
    assert ran.code in (4, 6) and "node-1" in ran.out + ran.err
    assert "a bug in hardway" not in ran.err and "Traceback" not in ran.err
    assert not list(desk.folder.glob("**/*-key2.*"))


@runs("encryption rotate")
def test_a_key_is_rotated_by_one_person_at_a_time(desk: Counter):
    desk.keys()
    with StateDir(desk.folder / ".hardway/refused").lock():
        ran = desk.hardway("encryption", "rotate", desk.cluster).ok(10)
    assert "another hardway process" in ran.err and not list(desk.folder.glob("**/*-key2.*"))


@runs("kubectl")
def test_kubectl_is_installed_and_removed(desk: Counter):
    missing = desk.hardway("kubectl", desk.cluster, "--install", desk.folder / "bin/kubectl").ok(8)
    assert "is not in the cache" in missing.err and "hardway assets fetch" in missing.err
    desk.assets()
    desk.hardway("assets", "fetch", desk.cluster).ok()
    said = desk.hardway("kubectl", desk.cluster, "--install", desk.folder / "bin/kubectl").ok().out
    program = desk.folder / "bin/kubectl"
    assert f"as {program} (sha256 " in said and program.stat().st_mode & 0o777 == 0o755
    assert "is kubectl" in desk.hardway("kubectl", desk.cluster, "--install", desk.folder / "bin").ok().out
    (desk.folder / "other").write_text("mine")
    refused = desk.hardway("kubectl", desk.cluster, "--install", desk.folder / "other").ok(2)
    assert "is another program" in refused.err and (desk.folder / "other").read_text() == "mine"
    assert "removed" in desk.hardway("kubectl", desk.cluster, "--install", program, "--uninstall").ok().out
    assert not program.exists()
    assert (
        "so it stays"
        in desk.hardway("kubectl", desk.cluster, "--install", desk.folder / "other", "--uninstall").ok(2).err
    )


@runs("etcd backup")
def test_a_backup_overwrites_nothing_and_asks_nobody_then(desk: Counter):
    desk.keys()
    (desk.folder / "mine").write_text("mine")
    ran = desk.hardway("etcd", "backup", desk.cluster, "-o", "mine").ok(2)
    assert "mine exists already and is not overwritten" in ran.err and (desk.folder / "mine").read_text() == "mine"
    assert "there is no etcd host" in desk.hardway("etcd", "backup", desk.cluster, "--member", "x").ok(2).err
    assert "0 is not in the range" in desk.hardway("etcd", "backup", desk.cluster, "--keep", "0").ok(2).err


@runs("etcd restore")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("whole.db", "--yes"), 4, "node-1"),
        (("whole.db", "--dry-run"), 4, "node-1"),
        (("whole.db", "--plan", "--output", "json"), 4, "node-1"),
        (("whole.db", "--of-another-cluster", "refused", "--ignore", "Memory=node-1", "--yes"), 4, "node-1"),
        (("--from-member", "node-1", "--yes"), 4, "node-1"),
        ((), 2, "name either a snapshot's FILE or --from-member HOST"),
        (("whole.db", "--from-member", "node-1"), 2, "name either a snapshot's FILE or --from-member HOST"),
        (("--from-member", "x"), 2, "there is no etcd host x"),
        (("whole.db", "--of-another-cluster", "refuse", "--yes"), 2, "is not the name of this inventory's cluster"),
        (("none.db",), 8, "cannot read none.db: No such file or directory"),
        (("damaged.db", "--yes"), 8, "damaged.db is damaged"),
        (("damaged.db", "--dry-run"), 8, "damaged.db is damaged"),
        (("mine", "--yes"), 8, "mine is not a whole snapshot"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, tuple) else None,
)
def test_a_restore_is_refused_before_anything_is_stopped(desk: Counter, words: tuple[str, ...], code: int, said: str):
    """What is wrong with the file or the words, before anybody is asked; and no restore while a host is away."""
    desk.keys()
    whole = bolt_file.write(desk.folder / "whole.db", b"a namespace").read_bytes()
    (desk.folder / "damaged.db").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (desk.folder / "mine").write_text("mine")
    ran = desk.hardway("etcd", "restore", desk.cluster, *words).ok(code)
    assert said in ran.err and "next: " in ran.err
    assert "a bug in hardway" not in ran.err and "Traceback" not in ran.err and not ran.out


@runs("upgrade")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 4),
        (("--plan",), 4),
        (("--dry-run", "--output", "json"), 4),
        (("--to", "1.37", "--workers-at-once", "2", "--keep", "--force", "--timeout", "5", "--snapshot", "x"), 4),
        (("--ignore", "DeprecatedApi", "--ignore", "Memory=node-1"), 4),
        (("--to", "1.99"), 2),
        (("--to", "newest"), 2),
        (("--ignore", "Nonsense"), 2),
        (("--workers-at-once", "0"), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_an_upgrade_of_hosts_that_do_not_answer(desk: Counter, words: tuple[str, ...], code: int):
    desk.keys()
    ran = desk.hardway("upgrade", desk.cluster, *words).ok(code)
    assert ("node-1" in ran.err) == (code == 4), str(ran)
    assert "a bug in hardway" not in ran.err and "Traceback" not in ran.err and not list(desk.folder.glob("*.db"))


@runs("backup")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("-o", "lab.age", "--passphrase-file", "phrase"), 4, "node-1"),
        (("-o", ".", "-r", KEY, "--output", "json"), 4, "node-1"),
        (("-o", ".", "-R", "keys.pub", "--member", "node-1"), 4, "node-1"),
        (("-o", "lab.age"), 2, "there is no terminal to ask for the passphrase"),
        (("-o", "lab.age", "--passphrase-file", "nothing"), 2, "the passphrase in nothing is empty"),
        (("-o", "lab.age", "--passphrase-file", "phrase", "-r", KEY), 2, "not both"),
        (("-o", "lab.age", "-r", "age1nonsense"), 2, "age1nonsense is no recipient"),
        (("-o", "mine", "-r", KEY), 2, "mine exists already and is not overwritten"),
        (("-o", "none/lab.age", "-r", KEY), 2, "there is no folder"),
        (("-o", ".", "-r", KEY, "--member", "x"), 2, "there is no etcd host x"),
        ((), 2, "Missing option '-o'"),
    ],
    ids=lambda value: " ".join(value)[:40] or "nothing" if isinstance(value, tuple) else None,
)
def test_a_backup_of_the_whole_cluster_is_refused_before_it_writes(desk: Counter, words, code: int, said: str):
    desk.keys()
    written = {"phrase": f"{PHRASE}\n", "nothing": "\n", "keys.pub": f"{KEY}\n", "mine": "mine"}
    for name, text in written.items():
        (desk.folder / name).write_text(text)
    ran = desk.hardway("backup", desk.cluster, *words).ok(code)
    assert said in ran.out + ran.err and PHRASE not in ran.out + ran.err
    assert "a bug in hardway" not in ran.err and "Traceback" not in ran.err
    assert not list(desk.folder.glob("*.age")) and (desk.folder / "mine").read_text() == "mine"
    assert not [path for path in desk.folder.iterdir() if path.name.startswith(".") and "hardway-" in path.name]


@runs("restore")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("lab.age", "--passphrase-file", "phrase", "--yes"), 4, "node-1"),
        (("lab.age", "--passphrase-file", "/dev/stdin", "--dry-run", "--output", "json"), 2, "is empty"),
        (("lab.age", "--passphrase-file", "phrase", "--plan", "--ignore", "Memory=node-1"), 4, "node-1"),
        (("lab.age", "--passphrase-file", "phrase", "--older", "--yes", "--state-dir", "new"), 4, "node-1"),
        (("lab.age", "--yes"), 2, "there is no terminal to ask for the passphrase"),
        (("lab.age", "--passphrase-file", "wrong", "--yes"), 8, "the passphrase does not open lab.age"),
        (("lab.age", "-i", "phrase", "--yes"), 2, "phrase is no private key"),
        (("mine", "--yes"), 8, "mine is no backup of a cluster"),
        (("none.age", "--yes"), 8, "cannot read none.age: No such file or directory"),
        (("other.age", "--passphrase-file", "phrase", "--yes"), 9, "is a backup of cluster shop"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else None,
)
def test_a_whole_cluster_is_not_restored_while_hosts_do_not_answer(desk: Counter, words, code: int, said: str):
    written = {"phrase": f"{PHRASE}\n", "wrong": "correct horse\n", "mine": "mine"}
    for name, text in written.items():
        (desk.folder / name).write_text(text)
    if words[0] in (clusters := {"lab.age": "refused", "other.age": "shop"}):
        desk.saved_whole(words[0], clusters[words[0]])
    ran = desk.hardway("restore", desk.cluster, *words).ok(code)
    assert said in ran.err and "next: " in ran.err and PHRASE not in ran.out + ran.err
    assert "a bug in hardway" not in ran.err and "Traceback" not in ran.err
    for folder in (desk.folder / ".hardway/refused", desk.folder / "new"):
        assert not (folder / "pki/ca.key").exists(), "it was written before the hosts were asked"


@runs("restore")
def test_the_inventory_of_a_backup_is_written_to_a_new_file(desk: Counter):
    (desk.folder / "phrase").write_text(PHRASE)
    desk.saved_whole("lab.age", "refused")
    words = ("lab.age", "--passphrase-file", "phrase")
    ran = desk.hardway("restore", "lost.yaml", *words).ok(2)
    assert "next: to write that of the backup: hardway restore lost.yaml lab.age --write-inventory" in ran.err
    assert "correct the addresses" in desk.hardway("restore", "lost.yaml", *words, "--write-inventory").ok().out
    assert (desk.folder / "lost.yaml").read_text() == "cluster: refused\n"
    assert "exists already" in desk.hardway("restore", "lost.yaml", *words, "--write-inventory").ok(2).err


@runs("node list", "node drain", "node uncordon", "node remove", "node add", "node replace")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("list",), 0),
        (("list", "--output", "json"), 0),
        (("drain", "node-1"), 4),
        (("drain", "node-1", "--force", "--delete-emptydir-data", "--grace", "0", "--timeout", "5"), 4),
        (("uncordon", "node-1"), 4),
        (("remove", "node-1", "--yes"), 4),
        (("remove", "node-1", "--plan"), 4),
        (("remove", "node-1", "--plan", "--output", "json"), 4),
        (("add", "node-1"), 4),
        (("add", "node-1", "--plan", "--ignore", "Memory=node-1"), 4),
        (("add", "node-7"), 2),
        (("replace", "node-1", "node-1", "--yes"), 2),
        (("replace", "node-7", "node-1", "--plan"), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_nodes_of_hosts_that_do_not_answer(desk: Counter, words: tuple[str, ...], code: int):
    desk.keys()
    ran = desk.hardway("node", words[0], desk.cluster, *words[1:]).ok(code)
    assert "node-" in ran.out + ran.err and "a bug in hardway" not in ran.err and "Traceback" not in ran.err
    if code == 0 and "json" in words:
        assert ran.json["hosts"][0]["node"] == "unknown" and set(ran.json["unknown"]) == {"nodes", "etcd"}


QUESTIONS = {
    "node remove INV node-1": "Remove node-1 from cluster refused?",
    "reset INV": "Delete cluster refused and all its data from node-1?",
}


def words_of(line: str, desk: Counter) -> list[str]:
    return [str(desk.cluster) if word == "INV" else word for word in line.split()]


@runs("node remove", "reset")
@pytest.mark.parametrize("typed", ["", "maybe\n"], ids=["nothing", "no-answer"])
@pytest.mark.parametrize("line", QUESTIONS)
def test_where_nobody_answers_the_option_is_named(desk: Counter, line: str, typed: str):
    desk.keys()
    said = desk.hardway(*words_of(line, desk), stdin=typed).ok(2).err
    assert f"{QUESTIONS[line]} [y/N]" in said and f"error: nobody answered: {QUESTIONS[line]}" in said
    assert "add --yes to say yes beforehand" in said


@runs("node remove", "reset")
@pytest.mark.parametrize(("typed", "code"), [("n\n", 130), ("y\n", 4)])
@pytest.mark.parametrize("line", QUESTIONS)
def test_a_pipe_may_answer(desk: Counter, line: str, typed: str, code: int):
    """It goes on with a yes, and this host does not answer."""
    desk.keys()
    said = desk.hardway(*words_of(line, desk), stdin=typed).ok(code).err
    assert said.endswith("aborted: nothing was changed\n") == (code == 130)


@runs("node remove", "reset")
@pytest.mark.parametrize("answer", [b"n\n", b"\n", b"\x04"], ids=["no", "nothing", "ctrl-d"])
@pytest.mark.parametrize("line", QUESTIONS)
def test_an_answer_that_is_not_yes_changes_nothing(desk: Counter, line: str, answer: bytes):
    desk.keys()
    code, said = desk.on_terminal(200, *words_of(line, desk), answer=answer)
    assert code == 130 and f"{QUESTIONS[line]} [y/N]" in said
    assert said.rstrip().endswith("aborted: nothing was changed")


@runs("bootstrap")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("refuse",), "--found-anew refuse is not the name of this inventory's cluster"),
        (("",), "is not the name of this inventory's cluster"),
        (("refuse", "--dry-run"), "is not the name of this inventory's cluster"),
        (("refused", "--step"), "--found-anew cannot be used with --step or --plan-file"),
        (("refused", "--plan-file", "plan"), "--found-anew cannot be used with --step or --plan-file"),
    ],
)
def test_a_cluster_is_created_again_only_by_its_name(desk: Counter, words: tuple[str, ...], said: str):
    desk.keys()
    assert said in desk.hardway("bootstrap", desk.cluster, "--found-anew", *words).ok(2).err


@runs("certs renew", "certs rotate-ca", "certs csr")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("renew",), "name the certificates, or add --all"),
        (("renew", "apiserver", "--all"), "not both"),
        (("renew", "apiservr"), "did you mean apiserver? hardway certs list"),
        (("renew", "ca"), "hardway certs rotate-ca kubernetes"),
        (("rotate-ca", "etcd", "--plan", "--status"), "--plan cannot be used with --status"),
        (("rotate-ca", "sa"), "Invalid value for 'KIND'"),
        (("csr", "--out", "requests"), "no certificate has to be signed elsewhere now"),
        (("import", "nowhere"), "there is no certificate (NAME.crt) in nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_certificates_that_nobody_can_mean(desk: Counter, words: tuple[str, ...], said: str):
    desk.keys()
    before = {path: path.read_bytes() for path in (desk.folder / ".hardway").rglob("*.*") if path.is_file()}
    at = 2 if words[0] == "rotate-ca" else 1
    assert said in desk.hardway("certs", *words[:at], desk.cluster, *words[at:]).ok(2).err
    after = {path: path.read_bytes() for path in (desk.folder / ".hardway").rglob("*.*") if path.is_file()}
    assert {path for path in after if path.suffix != ".log"} == {path for path in before if path.suffix != ".log"}
    assert all(after[path] == content for path, content in before.items())


@runs("certs csr", "certs import")
def test_certificates_are_signed_by_somebody_else(desk: Counter):
    desk.keys()
    state, out = desk.folder / ".hardway/refused", desk.folder / "requests"
    ran = desk.hardway("certs", "csr", desk.cluster, "scheduler", "apiserver", "--out", "requests").ok()
    assert "2 requests in requests" in ran.out and "hardway certs import" in ran.out
    for name in ("scheduler", "apiserver"):
        ca = ("-CA", state / "pki/ca.crt", "-CAkey", state / "pki/ca.key", "-copy_extensions", "copy")
        files = ("-in", out / f"{name}.csr", "-out", out / f"{name}.crt")
        subprocess.run(["openssl", "x509", "-req", *ca, "-days", "365", *files], check=True, capture_output=True)
    said = desk.hardway("certs", "import", desk.cluster, "requests").ok().out
    assert "pki/scheduler.crt: imported" in said and "next: hardway bootstrap" in said
    assert "nothing to do" in desk.hardway("certs", "import", desk.cluster, "requests").ok().out
    shutil.copy(out / "scheduler.crt", out / "apiserver.crt")
    refused = desk.hardway("certs", "import", desk.cluster, "requests").ok(8).err
    assert "apiserver.crt: it is for another key than those here" in refused and "nothing was imported" in refused


@runs("drill", "support-bundle")
def test_what_can_be_told_without_the_hosts_is_told(desk: Counter):
    desk.keys()
    assert "lb" in desk.hardway("drill", desk.cluster, "--list").ok().out
    ran = desk.hardway("support-bundle", desk.cluster, "-o", "bundle.tar.gz").ok()
    assert "README.txt" in " ".join(tarfile.open(desk.folder / "bundle.tar.gz").getnames()) and "node-1" in ran.err


@pytest.mark.parametrize("name", sorted(name for name in LEAVES if name.startswith("lab ")))
def test_a_lab_is_made_only_where_one_is_described(desk: Counter, name: str):
    hosts = ["node-1"] if name == "lab ssh" else []
    assert "has no `lab:` section" in desk.hardway(*name.split(), desk.cluster, *hosts).ok(2).err


def run_in_the_lab(name: str) -> bool:
    """Whether a test of the lab's machines types it: stage.hardway("lab", "status", …) or stage.lab("status")."""
    words = name.split()
    typed = [r", ".join(f'"{word}"' for word in words)] + [f'lab."{words[-1]}"'] * (words[0] == "lab")
    return any(re.search(one, path.read_text()) for path in TESTS.glob("[ef]*/*.py") for one in typed)


def test_no_command_is_left_out():
    """A command that works without a machine has its test here; what is done to machines alone is done in the lab."""
    assert LEAVES >= RUN, "a test is for a command that does not exist"
    rest = LEAVES - RUN
    assert {name for name in rest if not name.startswith("lab ")} == set(), "add a test that types it"
    assert {name for name in rest if not run_in_the_lab(name)} == set()
