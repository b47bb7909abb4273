"""Every option of every command is typed: at a cluster whose hosts answer nobody, in a locale that knows no letter but
ASCII's. What an option does on hosts is tested where its subject is; here, that its words arrive and nothing breaks.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator

import click
import pytest
from counter import Counter
from docs.test_help import ALL
from failures.desk import keys_of
from fakes import bolt_file

from hardway.cli.app import cli

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2MfKsWfmBdmlyEd0l0HN0ZHgFdlTXn7hXO6wRH0mAw root@node-1\n"
STRICT = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii:strict"}
ALONE = "--state-dir elsewhere --output json --parallel 4 --verbose"
LOSE = "--timeout 5 --grace 0 --force --delete-emptydir-data"
# What is typed, its exit code, and a part of what it says.
LINES = [
    ("init root@10.0.0.9", 0, "hosts:"),
    ("validate INV", 0, "ok, cluster"),
    ("schema", 0, "$defs"),
    ("trust INV node-1 --from-file console.pub --state-dir elsewhere", 0, "SHA256:"),
    ("assets fetch INV --arch amd64", 0, "verified"),
    ("assets build INV --arch amd64", 8, "is not among the Go modules"),
    ("assets pin kernel=6.1 --arch amd64", 8, "there is no component kernel"),
    ("assets mirror INV copy --arch amd64", 0, "verified in copy"),
    ("assets list INV --arch amd64 --output json", 0, "sha256"),
    ("assets verify INV --arch amd64", 8, "is missing"),
    (f"preflight INV --limit node-1 --ignore Memory {ALONE}", 4, "node-1"),
    ("preflight INV --exclude nobody", 2, "nobody"),
    (f"plan INV --only binaries --ignore Memory=node-1 --exit-code --save plan.json {ALONE}", 4, "node-1"),
    ("plan INV --from pki --until etcd --skip prepare --limit node-1", 4, "node-1"),
    ("plan INV --exclude nobody", 2, "nobody"),
    (f"bootstrap INV --only binaries --ignore Memory=node-1 --workers-at-once 2 {ALONE}", 4, "node-1"),
    ("bootstrap INV --from pki --until etcd --skip prepare --limit node-1 --dry-run", 4, "node-1"),
    ("bootstrap INV --exclude nobody", 2, "nobody"),
    ("bootstrap INV --plan-file none.json", 2, "none.json"),
    ("bootstrap INV --step", 2, "needs a terminal"),
    ("bootstrap INV --found-anew refused", 4, "node-1"),
    (f"node list INV {ALONE}", 0, "unknown"),
    (f"node drain INV node-1 {LOSE} --plan {ALONE}", 4, "node-1"),
    (f"node uncordon INV node-1 {ALONE}", 4, "node-1"),
    (f"node add INV node-1 --ignore Memory --plan {ALONE}", 4, "node-1"),
    (f"node remove INV node-1 --gone {LOSE} --plan --yes {ALONE}", 2, "must list at least one host"),
    (f"node replace INV node-7 node-1 --gone {LOSE} --ignore Memory --plan --yes {ALONE}", 2, "no host node-7"),
    (f"etcd status INV {ALONE}", 4, "node-1"),
    (f"etcd members INV {ALONE}", 4, "node-1"),
    ("etcd backup INV -o saved --keep 3 --member node-1 --state-dir elsewhere --output json", 4, "node-1"),
    (f"etcd defrag INV --compact --dry-run {ALONE}", 4, "node-1"),
    (f"etcd disarm INV --dry-run {ALONE}", 4, "node-1"),
    (f"etcd restore INV whole.db --of-another-cluster refused --yes --dry-run --ignore Memory {ALONE}", 4, "node-1"),
    ("etcd restore INV --from-member node-1 --dry-run", 4, "node-1"),
    (f"reset INV --yes --limit node-1 {ALONE}", 4, "node-1"),
    ("reset INV --yes --remove-pki", 4, "node-1"),
    (f"status INV {ALONE}", 0, '"problem"'),
    (f"verify INV --only no-drift --ignore Memory --junit --output-file out.xml {ALONE}", 7, "node-1"),
    (f"doctor INV --ignore Memory {ALONE}", 4, "node-1"),
    ("logs INV kubelet --host node-1 --since 10m --lines 5 --state-dir elsewhere", 4, "node-1"),
    ("logs INV kubelet --follow", 4, "node-1"),
    ("support-bundle INV --state-dir elsewhere --output bundle.tar.gz", 0, "bundle.tar.gz"),
    ("kubeconfig INV --state-dir elsewhere -o mine.conf", 0, "written to mine.conf"),
    ("kubeconfig INV --merge theirs", 0, "merged into theirs"),
    ("env INV --state-dir elsewhere", 8, "is not in the cache"),
    ("phases --output json", 0, "etcd-quorum"),
    ("explain etcd INV", 0, "etcd"),
    ("render INV --host node-1 --output files --with-secrets --state-dir elsewhere", 0, "files of node-1"),
    ("runbook INV --no-survey --format html --output page --state-dir elsewhere", 0, "chapters in page"),
    ("drill INV kubelet --host node-1 --state-dir elsewhere", 4, "node-1"),
    ("drill INV --list", 0, "apiserver"),
    ("drill INV --restore", 4, "node-1"),
    *((f"lab {name} INV --state-dir elsewhere", 2, "has no `lab:` section") for name in
      ("up", "power-off", "power-on", "reboot", "cut", "heal", "down", "wipe", "ssh-config")),
    ("lab status INV --state-dir elsewhere --output json", 2, "has no `lab:` section"),
    ("lab ssh INV --state-dir elsewhere node-1", 2, "has no `lab:` section"),
]  # fmt: skip


def typed(line: str) -> tuple[str, set[str]]:
    """The command of a line, and the names of the options that the line gives it, as click itself reads it."""
    words, command, context = shlex.split(line), cli, click.Context(cli)
    path: list[str] = []
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
        context = click.Context(command, context, info_name=name)
        path.append(str(name))
    _, _, order = command.make_parser(context).parse_args(list(words))
    return " ".join(path), {str(one.name) for one in order if isinstance(one, click.Option)}


def options(command: click.Command) -> Iterator[str]:
    return (str(one.name) for one in command.params if isinstance(one, click.Option))


def uncovered(lines: list[str]) -> set[tuple[str, str]]:
    """Every (command, option) that no line types; a command without options is named with an empty one."""
    leaves = {" ".join(path): command for path, command in ALL if path and not hasattr(command, "commands")}
    wanted = {(name, option) for name, command in leaves.items() for option in (*options(command), "")}
    return wanted - {(name, option) for line in lines for name, given in [typed(line)] for option in (*given, "")}


def test_no_option_is_left_out():
    assert uncovered([line for line, _, _ in LINES]) == set(), "add a line that types it"


def test_an_option_that_nobody_types_would_be_seen():
    assert ("kubeconfig", "merge") in uncovered([line for line, _, _ in LINES if "--merge" not in line])
    assert ("schema", "") in uncovered(["phases"])


@pytest.mark.slow
@pytest.mark.parametrize(("line", "code", "said"), LINES, ids=[line for line, _, _ in LINES])
def test_it_is_understood(desk: Counter, line: str, code: int, said: str):
    desk.keys()
    desk.assets()
    keys_of(desk.cluster, desk.folder / "elsewhere")
    (desk.folder / "console.pub").write_text(KEY)
    bolt_file.write(desk.folder / "whole.db", b"a namespace")
    words = [str(desk.cluster) if word == "INV" else word for word in shlex.split(line)]
    if line.startswith("assets mirror"):
        desk.hardway("assets", "fetch", desk.cluster).ok()
    ran = desk.hardway(*words, environment=STRICT).ok(code)
    assert said in ran.out + ran.err, str(ran)
    assert "a bug in hardway" not in ran.err and "Traceback" not in ran.err and ran.out.isascii(), str(ran)
    if "--output json" in line and ran.out.strip():
        for document in [ran.out] if ran.out[:2] in ("{\n", "[\n") else ran.out.splitlines():
            json.loads(document)


# A few that say much, or draw, in each place where a person may be.
PLACES = {
    "latin-1": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "iso-8859-1"},
    "de_DE.ISO-8859-1": {"LC_ALL": "de_DE.ISO-8859-1"},
    "C": {"LC_ALL": "C"},
    "POSIX": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "narrow": {"COLUMNS": "40"},
}
TALK = [("explain", "all"), ("explain", "etcd"), ("bootstrap", "--help"), ("status", "INV"), ("doctor", "INV")]


@pytest.mark.slow
@pytest.mark.parametrize("words", TALK, ids=" ".join)
@pytest.mark.parametrize("place", PLACES)
def test_every_locale_hears_it(desk: Counter, place: str, words: tuple[str, ...]):
    desk.keys()
    typed = [str(desk.cluster) if word == "INV" else word for word in words]
    ran = desk.hardway(*typed, environment=PLACES[place])
    ran.ok(4 if words[0] == "doctor" else 0)
    assert ran.out and "Traceback" not in ran.err and "a bug in hardway" not in ran.err


@pytest.mark.slow
@pytest.mark.parametrize("words", TALK, ids=" ".join)
def test_a_reader_that_goes_away_is_no_bug(desk: Counter, words: tuple[str, ...]):
    desk.keys()
    typed = [str(desk.cluster) if word == "INV" else word for word in words]
    reading, writing = os.pipe()
    os.close(reading)
    ran = desk.into(writing, *typed)
    assert ran.returncode == 141 and "Traceback" not in ran.stderr and "bug" not in ran.stderr, ran.stderr
