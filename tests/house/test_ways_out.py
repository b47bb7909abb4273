"""One way to the terminal, and no file whose encoding is that of somebody's locale."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "hardway"
WAYS = {"progress/saying.py", "progress/console.py", "report.py", "lab/supervisor.py"}
PAGES = {"preflight/page.py", "progress/page.py", "living/page.py", "inventory/reference.py", "lab/image/packages.py"}
SAYS = ("print", "click.echo", "click.secho", "Console", "rich.print", "sys.stdout.write", "sys.stderr.write")
TREES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    return ((ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call))


@pytest.mark.parametrize("name", sorted(TREES.keys() - WAYS - PAGES))
def test_nothing_is_printed_around_what_makes_it_visible(name: str):
    own = {node.name for node in ast.walk(TREES[name]) if isinstance(node, ast.ClassDef)}
    said = [call for call, _ in calls(TREES[name]) if call in SAYS and call not in own]
    assert not said, "use hardway.progress.saying or hardway.progress.console"


def in_the_locales_encoding(name: str, call: ast.Call) -> bool:
    """Whether this opens a file as text and does not say in which encoding."""
    if any(word.arg in ("encoding", None) for word in call.keywords):
        return False
    last = name.rpartition(".")[2]
    if last in ("read_text", "write_text"):
        return len(call.args) < (1 if last == "read_text" else 2)
    values = [*call.args, *(word.value for word in call.keywords if word.arg == "mode")]
    modes = [v.value for v in values if isinstance(v, ast.Constant) and str(v.value).strip("rwaxbt+") == ""]
    if last in ("fdopen", "TemporaryFile", "NamedTemporaryFile") or name.endswith(").open"):
        return any("b" not in mode for mode in modes)
    return name == "open" and not any("b" in mode for mode in modes)


@pytest.mark.parametrize("name", sorted(TREES))
def test_files_do_not_depend_on_the_locale(name: str):
    found = [call.lineno for what, call in calls(TREES[name]) if in_the_locales_encoding(what, call)]
    assert not found, f'lines {found}: name the encoding: "utf-8"'


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("path.read_text()", True),
        ('path.read_text("utf-8", "replace")', False),
        ("path.write_text(text)", True),
        ('path.write_text(text, encoding="utf-8")', False),
        ("open(path)", True),
        ('open(path, "rb")', False),
        ('(folder / "x").open("w")', True),
        ('tempfile.TemporaryFile("w+")', True),
        ("tempfile.TemporaryFile()", False),
    ],
)
def test_a_mistake_would_be_seen(line: str, wrong: bool):
    [(name, call)] = [found for found in calls(ast.parse(line)) if found[0].rpartition(".")[2] != "Path"][:1]
    assert in_the_locales_encoding(name, call) is wrong
