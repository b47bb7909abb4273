"""Every hardway command that the documents and the commented inventories show exists, with the options they give it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hardway.cli.app import cli

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "inventory").glob("*.yaml")),
]
# From the word to what ends a command in a shell, in a sentence within backticks, or in a comment. After a word of a
# sentence, as in "another hardway process", it is no command.
COMMAND = re.compile(
    r"(?:^|(?<=[\s`(/]))(?:(?<![a-z] )|(?<=sudo ))hardway((?: (?:'[^']*'|\"[^\"]*\"|[^\s`;&|#<>)\"',]+))+)"
)


def told(page: Path) -> Iterator[tuple[str, bool]]:
    """(what follows the word hardway, whether it is meant to be typed as it stands)."""
    fenced = False
    for line in page.read_text().splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif page.suffix == ".yaml":
            spans = [line.partition("#     ")[2], *re.findall(r"`[^`]+`", line)]
            yield from ((words, False) for span in spans for words in COMMAND.findall(span))
        elif fenced or line.startswith("    "):
            yield from ((words, True) for words in COMMAND.findall(line))
        else:
            yield from ((words, False) for span in re.findall(r"`[^`]+`", line) for words in COMMAND.findall(span))


def usage(words: str) -> list[str]:
    """As the parser takes them: what a table calls optional is given, and given once."""
    return [re.sub(r"^\[(.*)\](\.\.\.)?$", r"\1", word).removesuffix(",") for word in shlex.split(words)]


def wrong(words: list[str], whole: bool) -> str:
    """What click would object to; "" when nothing."""
    command, context = cli, click.Context(cli, info_name="hardway", **cli.context_settings)
    try:
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            name, command, words = command.resolve_command(context, words)
            context = click.Context(command, context, info_name=name, **cli.context_settings)
        command.make_context(context.info_name, list(words), context.parent)
    except click.exceptions.Exit:
        return ""  # --help
    except (click.MissingParameter, click.exceptions.NoArgsIsHelpError) as error:
        return error.format_message() if whole else ""
    except click.UsageError as error:
        return error.format_message()
    return ""


TOLD = sorted(
    {(" ".join(usage(words)), whole) for page in PAGES for words, whole in told(page)} - {("COMMAND -h", False)}
)


def test_they_are_found():
    lines = {line for line, _ in TOLD}
    assert {
        "bootstrap inventory/lab.yaml",
        "validate cluster.yaml",
        "plan INV",
        "trust INV HOST",
        "lab power-off INV HOST",
    } <= lines
    assert len(lines) > 40


@pytest.mark.parametrize(("line", "whole"), TOLD, ids=[line for line, _ in TOLD])
def test_a_command_that_is_told_exists(line, whole):
    assert wrong(line.split(), whole) == ""


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("bootstrapp INV", "No such command"),
        ("assets fitch INV", "No such command"),
        ("bootstrap INV --stepp", "No such option"),
        ("bootstrap", "Missing argument"),
        ("render INV --host", "requires an argument"),
        ("plan INV more", "unexpected extra argument"),
    ],
)
def test_a_mistake_would_be_seen(line, says):
    assert says in wrong(line.split(), True)
