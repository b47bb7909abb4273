"""What `hardway plan --exit-code` ends with, typed: 7 for changes, and for errors of preflight without any change."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fakes.memory_session import MemorySession
from fakes.world import World

from hardway.cli.app import cli

pytestmark = pytest.mark.slow
LAB = Path(__file__).parents[2] / "inventory" / "lab.yaml"


def planned(world: World, monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    monkeypatch.setattr("hardway.cli.bootstrap.open_session", lambda *_, **__: MemorySession.on(world))
    return CliRunner().invoke(cli, ["plan", str(LAB), *words])


def code(*given) -> int:
    return planned(*given).exit_code


def test_a_cluster_as_it_should_be(built, monkeypatch):
    assert code(built("lab"), monkeypatch, "--exit-code") == 0


def test_changes(bare, monkeypatch):
    world = bare("lab")
    assert code(world, monkeypatch, "--exit-code") == 7 and code(world, monkeypatch) == 0


def test_errors_of_preflight_without_a_change(built, monkeypatch):
    world = built("lab")
    world.hosts["worker-0"].survey["read_only"] = "/etc"
    assert code(world, monkeypatch, "--exit-code") == 7 and code(world, monkeypatch) == 0
    assert code(world, monkeypatch, "--exit-code", "--ignore", "ReadOnly=worker-0") == 0
    assert planned(world, monkeypatch).stdout.endswith("no changes, but bootstrap refuses to run: 1 error\n")
    ignored = planned(world, monkeypatch, "--ignore", "ReadOnly=worker-0").stdout
    assert ignored.endswith("no changes: the hosts match the inventory\n")


def test_errors_of_preflight_beside_changes(bare, monkeypatch):
    world = bare("lab")
    for name in ("worker-0", "worker-1"):
        world.hosts[name].survey["read_only"] = "/etc"
    assert "targets, but bootstrap refuses to run: 2 errors\n" in planned(world, monkeypatch).stdout
