"""What this computer refuses is told as such, and a reader that goes away is not called a bug."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LAB = ROOT / "inventory" / "lab.yaml"


def hardway(*words: str | Path, cwd: Path = ROOT, **options):
    env = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "hardway.cli.app", *map(str, words)], cwd=cwd, env=env, text=True, timeout=60, **options
    )


def piped(*words: str | Path, **options):
    return hardway(*words, capture_output=True, **options)


def test_a_full_disk_is_no_bug():
    with open("/dev/full", "w") as full:
        ran = hardway("schema", stdout=full, stderr=subprocess.PIPE)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: this computer reports: No space left on device\n  next: free some disk space")


def test_a_reader_that_goes_away_is_no_bug():
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as nobody:
        ran = hardway("schema", stdout=nobody, stderr=subprocess.PIPE)
    assert (ran.returncode, ran.stderr) == (141, "")


def test_a_folder_that_is_gone_is_named(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f'rmdir "{gone}"; exec "{sys.executable}" -m hardway.cli.app validate "{LAB}"'
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(["sh", "-c", script], cwd=gone, env=env, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert "the current directory no longer exists" in ran.stderr


@pytest.mark.parametrize("words", [("validate",), ("plan",), ("lab", "up"), ("explain", "pki")])
def test_an_inventory_that_is_a_folder_is_a_wrong_inventory(tmp_path, words):
    ran = piped(*words, tmp_path)
    assert ran.returncode == 3
    assert f"{tmp_path}:1: cannot be read: Is a directory" in ran.stderr


@pytest.mark.parametrize("words", [("assets", "fetch"), ("assets", "list"), ("assets", "verify")])
def test_a_cache_that_cannot_be_is_named(tmp_path, words):
    (tmp_path / "file").write_text("")
    ran = piped(*words, LAB, env={"HARDWAY_CACHE": str(tmp_path / "file" / "cache")})
    assert ran.returncode == 8
    assert f"the cache {tmp_path}/file/cache cannot be used: Not a directory" in ran.stderr
    assert "HARDWAY_CACHE=DIR" in ran.stderr


def test_no_shell_lines_for_a_cluster_without_kubeconfig(tmp_path):
    ran = piped("env", LAB, "--state-dir", tmp_path / "none")
    assert (ran.returncode, ran.stdout) == (8, "")
    assert f"create it: hardway bootstrap {LAB}" in ran.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("words", [("ssh", LAB, "lb", "true"), ("ssh-config", LAB)])
def test_a_lab_that_was_never_made_has_no_way_in(tmp_path, words):
    if os.geteuid():
        pytest.skip("needs root")
    text = LAB.read_text().replace("cluster: lab", "cluster: never-made")
    other = tmp_path / "other.yaml"
    other.write_text(text)
    ran = piped("lab", *(other if word == LAB else word for word in words), cwd=tmp_path)
    assert ran.returncode == 5
    assert "been created yet" in ran.stderr and f"next: hardway lab up {other}" in ran.stderr
    assert ran.stdout == ""
