"""Every option of every command is typed: at a cluster whose hosts answer nobody, in a locale that knows no letter but
ASCII's. What an option does on hosts is tested where its subject is; here, that its words arrive and nothing breaks.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator

import click
import pytest
from counter import PHRASE, Counter
from docs.test_help import ALL
from failures.desk import keys_of
from fakes import bolt_file
from lines import LINES

from hardway.cli.app import cli

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2MfKsWfmBdmlyEd0l0HN0ZHgFdlTXn7hXO6wRH0mAw root@node-1\n"
STRICT = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii:strict"}


def typed(line: str) -> tuple[str, set[str]]:
    """The command of a line, and the names of the options that the line gives it, as click itself reads it."""
    # With the settings of the program: a command keeps the spelling of its --help from its first context.
    words, command, context = shlex.split(line), cli, click.Context(cli, **cli.context_settings)
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


def to_add(missing: set[tuple[str, str]]) -> str:
    """What a person has to do who made a command or an option, a line for each command."""
    commands = {" ".join(path): command for path, command in ALL}
    lines = []
    for name in sorted({name for name, _ in missing}):
        spelled = {str(one.name): max(one.opts, key=len) for one in commands[name].params}
        words = [spelled[option] for command, option in sorted(missing) if command == name and option]
        lines.append(f"nobody types {' '.join(['hardway', name, *words])}: add it to LINES in tests/cli/lines.py")
    return "\n".join(lines)


def test_no_option_is_left_out():
    missing = uncovered([line for line, _, _ in LINES])
    assert not missing, to_add(missing)


def test_an_option_that_nobody_types_would_be_seen():
    missing = uncovered([line for line, _, _ in LINES if "--merge" not in line and "--keep" not in line])
    assert missing >= {("kubeconfig", "merge"), ("upgrade", "keep"), ("etcd backup", "keep")}
    assert "nobody types hardway kubeconfig --merge: add it to LINES in tests/cli/lines.py" in to_add(missing)
    assert ("schema", "") in uncovered(["phases"])
    assert to_add({("schema", "")}) == "nobody types hardway schema: add it to LINES in tests/cli/lines.py"


def prepared(desk: Counter, line: str) -> list[str]:
    """The words of a line, with all there that they name."""
    desk.keys()
    desk.assets()
    keys_of(desk.cluster, desk.folder / "elsewhere")
    (desk.folder / "console.pub").write_text(KEY)
    bolt_file.write(desk.folder / "whole.db", b"a namespace")
    (desk.folder / "phrase").write_text(PHRASE)
    if line.startswith("restore"):
        desk.saved_whole("lost.age", "refused")
    if line.startswith("assets mirror"):
        desk.hardway("assets", "fetch", desk.cluster).ok()
    return [str(desk.cluster) if word == "INV" else word for word in shlex.split(line)]


@pytest.mark.slow
@pytest.mark.parametrize(("line", "code", "said"), LINES, ids=[line for line, _, _ in LINES])
def test_it_is_understood(desk: Counter, line: str, code: int, said: str):
    ran = desk.hardway(*prepared(desk, line), environment=STRICT).ok(code)
    assert said in ran.out + ran.err, str(ran)
    assert "a bug in hardway" not in ran.err and "Traceback" not in ran.err and ran.out.isascii(), str(ran)
    if "--output json" in line and ran.out.strip():
        for document in [ran.out] if ran.out[:2] in ("{\n", "[\n") else ran.out.splitlines():
            json.loads(document)


# Of each command the first line; for people, and not as JSON.
FIRST = {typed(line)[0]: (line, code) for line, code, _ in reversed(LINES)}
OURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r\n|\r(?=\x1b\[)")  # colours, and where the display begins again


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FIRST))
def test_it_says_it_on_a_narrow_terminal(desk: Counter, name: str):
    line, code = FIRST[name]
    ended, said = desk.on_terminal(40, *prepared(desk, line.replace("--output json", "")))
    plain = OURS.sub("\n", said)
    assert ended == code, said
    assert plain.strip() and "Traceback" not in plain and "a bug in hardway" not in plain, said
    assert plain.replace("\n", "").replace("\t", "").isprintable(), ascii(plain)


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
