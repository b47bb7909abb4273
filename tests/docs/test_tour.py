"""What docs/tour.md shows as printed is what is printed, as far as no machine is needed for it."""

import re
import subprocess
import sys
from pathlib import Path

from hardway.living.changes import restarting
from hardway.plans.text import LEGEND

PAGE = (Path(__file__).parents[2] / "docs/tour.md").read_text()


def shown(command: str) -> str:
    """What the page shows below a command, up to the next one or the end of the block."""
    return re.split(r"^(?:\$ |```)", PAGE.split(f"$ {command}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


def test_a_wrong_inventory(tmp_path: Path):
    (tmp_path / "bad.yaml").write_text(shown("cat bad.yaml"))
    argv = [sys.executable, "-m", "hardway.cli.app", "validate", "bad.yaml"]
    ran = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 3
    assert ran.stdout + ran.stderr == shown("hardway validate bad.yaml"), "show in docs/tour.md what is printed now"


def test_the_signs_of_a_plan():
    *_, restart, legend = shown("hardway plan inventory/lab.yaml").splitlines()
    assert legend == f"  {LEGEND}", "show in docs/tour.md what is printed now"
    assert restart == f"  restart of kubelet: {restarting()['kubelet']}", "show in docs/tour.md what is printed now"
