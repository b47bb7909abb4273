"""Two labs come and go at the same time: none removes the folder in which the other has just put a namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hardway.errors import LabError
from hardway.lab.shell import is_mounted, unmount

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")]

ROOT = Path(__file__).parents[2]
COMES_AND_GOES = """
import sys
from hardway.lab.network import add_namespace, ip, last_one_out, remove_namespace

for number in range(40):
    name = f"hardway-{sys.argv[1]}-{number}"
    add_namespace(name)
    ip("link set lo up", namespace=name)
    remove_namespace(name)
    last_one_out()
"""


def test_two_labs_at_the_same_time():
    """In a /run of their own: no lab of this computer is touched, and none keeps the folder in use."""
    words = " ".join(f'"$0" -c "$1" {name} & {name}=$!;' for name in ("one", "two"))
    script = f"mount -t tmpfs none /run && {words} wait $one && wait $two"
    ran = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script, sys.executable, COMES_AND_GOES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_what_is_in_use_is_not_unmounted_and_what_is_not_mounted_is_done(tmp_path: Path):
    place = tmp_path / "a place"
    place.mkdir()
    subprocess.run(["mount", "--bind", place, place], check=True)
    with (place / "open").open("w"):
        assert is_mounted(place) and not is_mounted(tmp_path) and not is_mounted(tmp_path / "none")
        with pytest.raises(LabError, match=r"cannot unmount .*/a place: Device or resource busy"):
            unmount(place)
    unmount(place)
    assert not is_mounted(place)
    unmount(place)
