"""Every command explains itself, its arguments and its options; hints name only commands that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hardway import errors
from hardway.cli.app import cli
from hardway.cli.help import ARGUMENTS

ROOT = Path(__file__).parents[2]
# What the inventory of commands must contain, whatever else there is.
PROMISED = """init validate schema plan bootstrap verify doctor kubeconfig status reset phases env assets lab
assets/fetch assets/build assets/list assets/verify lab/up lab/down lab/wipe lab/status lab/power-off lab/power-on
lab/reboot lab/cut lab/heal lab/ssh lab/ssh-config logs support-bundle drill etcd/status etcd/members etcd/backup
etcd/restore etcd/defrag etcd/disarm node/list node/drain node/uncordon node/add node/remove node/replace""".split()


def commands(group: click.Group = cli, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield at, group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*at, name))
        else:
            yield (*at, name), command


ALL = list(commands())
each = pytest.mark.parametrize(("path", "command"), ALL, ids=["/".join(path) or "hardway" for path, _ in ALL])


def test_the_promised_commands_exist():
    assert not set(PROMISED) - {"/".join(path) for path, _ in ALL}


@each
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_complete(path, command, flag):
    result = CliRunner().invoke(cli, [*path, flag], prog_name="hardway")
    assert result.exit_code == 0
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, f"{param.name} has no help"
            assert all(name in result.output for name in param.opts)
            assert " ".join(param.help.split())[:20] in " ".join(result.output.split())
        else:
            words = str(param.metavar)
            assert words in result.output.split("Arguments:")[1]
            assert ARGUMENTS[words].split()[0] in result.output.split("Arguments:")[1]


@each
def test_one_line_says_it_all(path, command):
    """In the list of a group's commands nothing is cut off on a terminal of 80 columns."""
    assert command.help and command.help.strip()
    assert not path or not command.get_short_help_str(60).endswith("...")


def test_version():
    result = CliRunner().invoke(cli, ["--version"], prog_name="hardway")
    assert re.fullmatch(r"hardway, version \d+\.\d+\S*\n", result.output)


def hints() -> Iterator[str]:
    """The literal text of every hint in the package."""
    for file in (ROOT / "hardway").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "hint":
                yield "".join(str(part.value) for part in ast.walk(node.value) if isinstance(part, ast.Constant))


def test_every_hint_names_a_command_that_exists():
    names = {"/".join(path) for path, _ in ALL}
    pattern = r"hardway (?:(assets|lab|etcd|node) )?([a-z][a-z-]*)"
    found = [words for hint in hints() for words in re.findall(pattern, hint)]
    assert len(found) > 10
    assert not {"/".join(filter(None, words)) for words in found} - names


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_documented_completion_lines_work(shell):
    assert f"_HARDWAY_COMPLETE={shell}_source hardway" in (ROOT / "docs/commands.md").read_text()
    result = CliRunner().invoke(
        cli, prog_name="hardway", env={"_HARDWAY_COMPLETE": f"{shell}_source"}, complete_var="_HARDWAY_COMPLETE"
    )
    assert result.exit_code == 0 and f"_HARDWAY_COMPLETE={shell}_complete" in result.output


def test_completion_offers_commands():
    env = {"_HARDWAY_COMPLETE": "bash_complete", "COMP_WORDS": "hardway lab power", "COMP_CWORD": "2"}
    result = CliRunner().invoke(cli, prog_name="hardway", env=env, complete_var="_HARDWAY_COMPLETE")
    assert result.output.split() == ["plain,power-off", "plain,power-on"]


def test_help_lists_every_exit_code():
    output = CliRunner().invoke(cli, ["--help"]).output.split("Exit codes:")[1].split("Options:")[0]
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.HardwayError)]
    assert set(map(int, re.findall(r"\b(\d+) [a-zA-Z]", output))) == {0, *(kind("").exit_code for kind in kinds)}
