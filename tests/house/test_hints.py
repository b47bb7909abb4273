"""No message ends in the command that just failed: first comes what to look at, to change or to wait for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from hardway.errors import ApiUnavailable, HardwayError, NotReachedError, NotReadyError, QuorumError, RemoteCommandError
from hardway.run.failures import explained

PACKAGE = Path(__file__).parents[2] / "hardway"
WORDS = ("hint", "remedy")
# The same once more, before anything else is named.
VERB, OBJECT = r"(?:run|try|retry|repeat|fetch)\b", r"(?: (?:it|this|the same)(?: command)?)?"
REPEATS = re.compile(rf"{VERB}{OBJECT}(?: once more| again|: hardway)")
OF_NODES = {"adding": "add", "draining": "drain", "listing": "list", "removing": "remove", "replacing": "replace"}
# Whoever reads these has just run this very command.
OF = {
    "assets/fetching": "assets fetch",
    **dict.fromkeys(("run", "phases", "targets", "ssh", "lease", "resources"), "bootstrap"),
    **{f"commands/etcd/{name}.py": f"etcd {name}" for name in ("backup", "defrag", "disarm", "members", "status")},
    **{f"commands/etcd/{name}.py": "etcd restore" for name in ("restore", "survivor")},
    "snapshots/fit.py": "etcd restore",
    **{f"commands/node/{file}.py": f"node {name}" for file, name in OF_NODES.items()},
    "commands/upgrade": "upgrade",
    "upgrading": "upgrade",
    "commands/whole/backup.py": "backup",
}


def said(node: ast.expr | None) -> Iterator[str]:
    """Each text that an expression may have, with "…" where something is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    elif isinstance(node, ast.IfExp | ast.BoolOp):
        for part in [node.body, node.orelse] if isinstance(node, ast.IfExp) else node.values:
            yield from said(part)
    elif isinstance(node, ast.BinOp):
        yield "".join([*said(node.left)][:1] + [*said(node.right)][:1])


def hints(file: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.keyword) and node.arg in WORDS:
            yield from ((node.value.lineno, text) for text in said(node.value))
        elif isinstance(node, ast.Assign) and {_name(target) for target in node.targets} & set(WORDS):
            yield from ((node.lineno, text) for text in said(node.value))


def _name(target: ast.expr) -> str:
    return getattr(target, "attr", getattr(target, "id", ""))


def repeats(text: str, command: str = "") -> bool:
    """Whether it says nothing before the command that has just failed; one with other options is another command."""
    return bool(REPEATS.match(text) or (command and re.fullmatch(rf"hardway {command}(?: [^\s-]\S*)+", text)))


def command_of(file: str) -> str:
    return next((command for place, command in OF.items() if file == place or file.startswith(f"{place}/")), "")


def test_no_hint_is_the_same_once_more():
    found = [(str(path.relative_to(PACKAGE)), *hint) for path in PACKAGE.rglob("*.py") for hint in hints(path)]
    assert len(found) > 100, "they are found"
    assert [one for one in found if repeats(one[2], command_of(one[0]))] == []


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("run the same command again", True),
        ("run the same command again; if it fails again, on one: journalctl -b", True),
        ("retry: hardway assets fetch INV", True),
        ("hardway bootstrap INV", True),
        ("hardway bootstrap …", True),
        ("hardway bootstrap INV --until etcd", False),
        ("hardway doctor INV   shows the cause; then: hardway bootstrap INV", False),
        ("wait two minutes, then run the same command again", False),
        ("run it without --found-anew: it continues with that data", False),
    ],
)
def test_what_counts_as_that(text: str, bad: bool):
    assert repeats(text, "bootstrap") is bad


def test_a_command_of_a_group_counts_with_its_arguments():
    assert command_of("commands/etcd/restore.py") == "etcd restore"
    assert repeats("hardway etcd restore INV FILE", "etcd restore")
    assert not repeats("hardway etcd restore INV --from-member one", "etcd restore")
    assert not repeats("hardway etcd status INV", "etcd restore")


@pytest.mark.parametrize(
    "kind", [HardwayError, RemoteCommandError, ApiUnavailable, NotReadyError, NotReachedError, QuorumError]
)
def test_what_names_no_next_step_gets_one_that_shows_the_cause(kind):
    inputs, phase = SimpleNamespace(cluster=SimpleNamespace(source="lab.yaml")), SimpleNamespace(name="etcd")
    hint = explained(kind("it failed"), inputs, phase).hint
    assert not repeats(hint, "bootstrap") and hint.startswith("hardway doctor lab.yaml")
    assert explained(kind("it failed", hint="its own"), inputs, phase).hint == "its own"
