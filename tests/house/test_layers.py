"""The rooms of the house: who may import whom, how large a module and a folder may grow."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "hardway"
# From the ground up. A room may import what stands before it, and its neighbours as long as that makes no circle.
LAYERS = {
    "what a cluster is": (
        "cluster errors facts features foreign leftovers parallel patience ports settings shipped transport vocabulary"
    ),
    "on this computer": "assets inventory pki render resources state",
    "ways to machines": "etcd lab ssh",
    "what is read and changed": "drain lease living progress targets",
    "what is wanted": "phase phases preflight upgrading",
    "one run": "removal report run session",
    "what is found": "archive checks plans snapshots",
    "what a command does": "commands",
    "what a person types": "cli",
}
LEVEL = {room: level for level, rooms in enumerate(LAYERS.values()) for room in rooms.split()}
# A list of one kind: a module an entry.
LISTS = {"checks", "cli", "phases", "preflight"}
LINES, MODULES = 300, 15


def modules() -> dict[str, Path]:
    """Every module below the package by its dotted name in it; the package itself is no module of ours."""
    found = {path.relative_to(PACKAGE): path for path in PACKAGE.rglob("*.py")}
    names = {
        ".".join(relative.with_suffix("").parts).removesuffix(".__init__"): path for relative, path in found.items()
    }
    return {name: path for name, path in names.items() if name != "__init__"}


MODULES_BY_NAME = modules()


def room(module: str) -> str:
    """What the layers speak of: a module or folder of the package, each command's by itself."""
    parts = module.split(".")
    return "/".join(parts[:2]) if parts[0] == "commands" and len(parts) > 1 else parts[0]


def imports(name: str) -> Iterator[str]:
    """The modules that one imports, anywhere in it: an import inside a function counts as much as one at the top."""
    path = MODULES_BY_NAME[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
        if not node.level:
            if (node.module or "").split(".")[0] != "hardway":
                continue
            base = (node.module or "").partition(".")[2]
        for alias in node.names:
            found = f"{base}.{alias.name}".strip(".")
            found = found if found in MODULES_BY_NAME else base
            if found:
                yield found


def test_every_room_has_its_layer():
    assert {room(name).split("/")[0] for name in MODULES_BY_NAME} == set(LEVEL)
    assert len(LAYERS) <= 10


@pytest.mark.parametrize("name", MODULES_BY_NAME)
def test_nothing_is_imported_from_above(name: str):
    level = LEVEL[room(name).split("/")[0]]
    above = [found for found in imports(name) if LEVEL[room(found).split("/")[0]] > level]
    assert not above, f"hardway.{name} imports {', '.join(above)} from a layer above its own"


def test_rooms_make_no_circle():
    graph = {room(name): set[str]() for name in MODULES_BY_NAME}
    for name in MODULES_BY_NAME:
        graph[room(name)] |= {room(found) for found in imports(name)} - {room(name)}
    TopologicalSorter(graph).prepare()


def test_modules_make_no_circle():
    """A package's own `__init__` hands on what is in it, and so is left out."""
    faces = {name for name, path in MODULES_BY_NAME.items() if path.name == "__init__.py"}
    graph = {name: {found for found in imports(name)} - faces - {name} for name in MODULES_BY_NAME if name not in faces}
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("name", [name for name in MODULES_BY_NAME if name.startswith("commands.")])
def test_no_command_imports_another(name: str):
    others = {found for found in imports(name) if room(found).startswith("commands/") and room(found) != room(name)}
    assert not others


@pytest.mark.parametrize("name", MODULES_BY_NAME)
def test_no_module_is_too_long_to_be_read_at_once(name: str):
    assert len(MODULES_BY_NAME[name].read_text().splitlines()) <= LINES


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES_BY_NAME.values()} | {PACKAGE}))
def test_no_folder_is_crowded(folder: Path):
    held = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(held) <= MODULES or str(folder.relative_to(PACKAGE)) in LISTS
