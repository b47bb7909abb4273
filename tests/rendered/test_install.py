"""The templates are found wherever the package is."""

import shutil
import subprocess
import sys
from pathlib import Path

from clusters import lab

from hardway.render import render

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
sys.path[:0] = sys.argv[1:]
from clusters import lab
from hardway import render
assert render.__file__.startswith(sys.argv[1])
sys.stdout.buffer.write(render.render("kube-proxy-config.yaml", lab(), lab().workers[0]))
"""


def test_an_installed_package_brings_its_templates(tmp_path):
    shutil.copytree(ROOT / "hardway", tmp_path / "hardway", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "systemd-units", tmp_path / "hardway/data/systemd_units")
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(Path(__file__).parent)]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60)
    assert (found.stdout, found.stderr) == (render("kube-proxy-config.yaml", lab(), lab().workers[0]), b"")
