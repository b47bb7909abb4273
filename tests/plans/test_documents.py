"""A plan's document: hundreds of hosts have tens of MB of it, which nobody holds whole."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from hardway import plans
from hardway.cli import bootstrap as typed
from hardway.cli.app import cli
from hardway.inventory import load
from hardway.plans.plan import Plan, Planned

FILE = Path(__file__).parents[2] / "inventory" / "lab.yaml"
DIFF = "+one line of a long file\n" * 200  # the same object in every change: the plan itself takes little memory


@pytest.fixture
def hardway(monkeypatch) -> Callable[..., None]:
    """Runs the command line on a cluster of which a large plan was made already."""
    large = Plan(tuple(Planned("phase", f"worker-{n}", "file /etc/x", ("new",), (), diff=DIFF) for n in range(1000)))
    session = contextlib.nullcontext(SimpleNamespace(cluster=load(FILE)))
    monkeypatch.setattr(typed, "open_session", lambda *_, **__: session)
    monkeypatch.setattr(plans, "look", lambda *_, **__: (large, []))
    return lambda *words: cli.main(["plan", str(FILE), *map(str, words)], standalone_mode=False)


def test_what_is_printed_is_what_is_saved(hardway, tmp_path, capsys):
    hardway("--output", "json", "--save", tmp_path / "plan")
    printed = capsys.readouterr().out
    assert printed == (tmp_path / "plan").read_text() == json.dumps(json.loads(printed), indent=2) + "\n"
    assert len(plans.load(tmp_path / "plan").plan.changes) == 1000


def test_it_is_printed_and_saved_piece_by_piece(hardway, tmp_path):
    hardway("--output", "json", "--save", tmp_path / "once")  # what is imported or made once does not count
    with open(tmp_path / "printed", "w") as out, contextlib.redirect_stdout(out):
        tracemalloc.start()
        try:
            hardway("--output", "json", "--save", tmp_path / "plan")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    size = (tmp_path / "printed").stat().st_size
    assert size == (tmp_path / "plan").stat().st_size > 5e6 and peak < size / 4, (
        f"{peak} bytes of memory for a document of {size}"
    )


def test_what_fails_in_the_middle_leaves_no_file(tmp_path):
    with pytest.raises(TypeError):
        plans.save({"kind": "hardway-plan", "steps": [object()]}, tmp_path / "plan")
    assert not list(tmp_path.iterdir())
