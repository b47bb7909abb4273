"""Two labs come and go at the same time: none removes the folder in which the other has just put a namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
