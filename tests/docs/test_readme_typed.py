"""The README's first commands, typed as they stand while the hosts are away; tests/e2e/test_readme.py has machines."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from assets_world import VERSIONS, everything, own_sums, write_folder
from failures.desk import keys_of
from readme import INSTALL, block, edit, typed
from stage import Ran

pytestmark = pytest.mark.slow

# What each command ends with when no host answers.
ENDS = {"init": 0, "validate": 0, "assets": 0, "plan": 4, "bootstrap": 4, "verify": 7, "kubeconfig": 0}


def away(config: Path, port: int) -> None:
    config.write_text(f"Host *\n  HostName 127.0.0.1\n  Port {port}\n  ConnectTimeout 1\n")


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Ran]:
    """Each command by its first word. Binaries are small files of a mirror, the keys those of an earlier bootstrap."""
    monkeypatch.setenv("HARDWAY_CACHE", str(tmp_path / "cache"))
    write_folder(tmp_path / "mirror", world := everything())
    versions = {name: value for name, value in asdict(VERSIONS).items() if name not in ("kubernetes", "busybox")}
    mirror = {
        "source": "mirror",
        "mirror": str(tmp_path / "mirror"),
        "checksums": own_sums(world, tmp_path / "sums.yaml"),
    }
    edits = {"kubernetes": VERSIONS.kubernetes, "versions": versions, "assets": mirror}
    edits |= {"ssh": {"config": str(tmp_path / "ssh_config")}}  # ssh, too, would not find it by HOME
    (tmp_path / "home").mkdir()
    commands = edit(block(), "".join(f"{key}: {json.dumps(value)}\n" for key, value in edits.items()))
    with socket.socket() as nobody:  # bound and not listening: whoever connects is refused at once
        nobody.bind(("127.0.0.1", 0))
        away(tmp_path / "ssh_config", nobody.getsockname()[1])
        first = next(number for number, line in enumerate(commands) if line.startswith("hardway plan"))
        done = typed(commands[:first], tmp_path, tmp_path / "home", 60)
        keys_of(tmp_path / "cluster.yaml", tmp_path / ".hardway/my-cluster")
        (tmp_path / ".venv").unlink()
        done += typed([INSTALL, *commands[first:]], tmp_path, tmp_path / "home", 120)
    return {one.words[0].split()[1]: one for one in done if one.words[0].startswith("hardway ")}


def test_the_block_is_the_one_that_is_meant():
    assert block()[0] == INSTALL and len(block()) == len(ENDS) + 1


def test_every_command_ends_as_it_should(ran: dict[str, Ran], tmp_path: Path):
    assert {name: one.code for name, one in ran.items()} == ENDS, "\n".join(map(str, ran.values()))
    assert not [one for one in ran.values() if "Traceback" in one.err or "a bug in hardway" in one.err]
    assert yaml.safe_load((tmp_path / "home/.kube/config").read_text())["current-context"] == "my-cluster"
